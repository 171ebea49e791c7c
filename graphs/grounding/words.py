"""Words of English and the Indian languages: tokens, stems, stop words, names, spelling distance.

Tokens keep combining marks, so that a Devanagari or Tamil word stays whole (Python's own word
class drops them). Stems are Snowball's where it has the language; words of different scripts are
compared by the consonants of their Latin transliteration (`बजट` and `budget`: b j t, b d j t).
"""

from __future__ import annotations

import re
from functools import lru_cache

import snowballstemmer
from anyascii import anyascii
from rapidfuzz.distance import DamerauLevenshtein

# Indian blocks U+0900-0DFF hold letters and marks; danda and double danda are punctuation.
_TOKEN = re.compile(
    r"[^\W_\u0964\u0965]+(?:[\u0900-\u0963\u0966-\u0DFF\w'’.-]*[^\W_\u0964\u0965]"
    r"[\u0900-\u0903\u093A-\u094F\u0951-\u0963\u0D00-\u0DFF]*)?"
    r"[\u0900-\u0963\u0966-\u0DFF]*"
)
_SENTENCE = re.compile(r"(?<=[.!?।॥…])[\"'”’)\]]*\s+|\n+")  # a line of a slide is one, too
_ABBREVIATION = re.compile(
    r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Smt|Shri|Sri|Prof|St|No|Rs|Fig|approx|vs|"
    r"डॉ|श्री|श्रीमती)\.$"
)

STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are as at be became because been before being
    below between both but by can could did do does doing done down during each either else ever
    every few for from further get gets getting go goes got had has have having he her here hers
    him his how however i if in into is it its itself just let like may me might more most much
    must my no nor not now of off on once one only or other our out over own per please same shall
    she should so some such than that the their them then there these they this those through to
    too under until up upon us very was we were what when where which while who whom whose why will
    with would yes you your
    tell give name say says said mention mentioned mentions state stated according exactly actually
    know show shows shown much many called call happen happened happens there's what's who's how's
    का के की को में से पर है हैं था थी थे हो होगा होगी होंगे और या भी ही तो कि जो जब तब यह वह ये वे इस उस
    इन उन इसके उसके इसका उसका अपने अपना अपनी एक ने कर करने करना करता करती करते किया किए की गई गया गए जा रहा रही
    रहे कौन कौनसा कौनसी क्या कब कहाँ कहां क्यों कैसे कितना कितनी कितने किस किसने किसके किसकी किसका किसको लिए साथ
    बाद पहले तक द्वारा बारे बताया बताइए बताओ बताएँ कहा हुआ हुई हुए होता होती होते वाला वाली वाले मुझे हमें
    kya kab kahan kaun kaise kitna kitni kitne kyon kyun hai hain tha thi the ka ke ki ko mein me se par
    aur ya bhi hi to jo ne kar raha rahi rahe gaya gayi hua hui liye saath
    """.split()
)  # fmt: skip

# A sentence that begins so, or that is this short, takes its matter from the one before.
_LEANING = frozenset(
    """it its they them their this that these those he she his her there then both which
    यह वह ये वे इस उस इसके उसके इसका उसका इन उन इनके उनके yeh woh iska uska""".split()
)
_FRAGMENT_WORDS = 5


@lru_cache(maxsize=8)
def _stemmer(language: str) -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer(language)


def script(word: str) -> str:
    """`latin`, `devanagari`, `tamil`, `digit` or `other`, by the first letter."""
    for char in word:
        if char.isdigit():
            return "digit"
        if "\u0900" <= char <= "\u097f":
            return "devanagari"
        if "\u0b80" <= char <= "\u0bff":
            return "tamil"
        if char.isascii() or "\u00c0" <= char <= "\u024f":
            return "latin"
        return "other"
    return "other"


def tokens(text: str) -> list[str]:
    """Words as written, in order."""
    return [match.group().strip(".'’-") for match in _TOKEN.finditer(text)]


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Lower-case stem of one token."""
    folded = word.casefold().replace("’", "'").removesuffix("'s").replace("\u093c", "")
    language = {"latin": "english", "devanagari": "hindi", "tamil": "tamil"}.get(script(folded))
    return str(_stemmer(language).stemWord(folded)) if language else folded


@lru_cache(maxsize=65536)
def consonants(word: str) -> str:
    """Consonants of the Latin transliteration, with sounds that spelling splits merged."""
    latin = anyascii(word).lower()
    for written, sound in (("sh", "s"), ("ph", "f"), ("th", "t"), ("dh", "d"), ("kh", "k"),
                           ("gh", "g"), ("bh", "b"), ("ch", "c"), ("ck", "k"), ("dg", "j"),
                           ("q", "k"), ("w", "v"), ("z", "j"), ("x", "ks"), ("m", "n")):  # fmt: skip
        latin = latin.replace(written, sound)
    kept = re.sub(r"[^bcdfgjklmnprstv]", "", latin)
    return re.sub(r"(.)\1+", r"\1", kept)


@lru_cache(maxsize=262144)
def likeness(a: str, b: str) -> float:
    """How far two stems are the same word, 0 to 1: equal 1, misspelt or misheard less.

    Words of different scripts are compared by consonants; short ones must agree fully."""
    if a == b:
        return 1.0
    if script(a) != script(b):
        if "digit" in (script(a), script(b)):
            return 0.0
        left, right = consonants(a), consonants(b)
        if min(len(left), len(right)) < 3:
            return 0.0
        score = DamerauLevenshtein.normalized_similarity(left, right)
        return 0.9 * score if score >= 0.75 else 0.0
    if script(a) == "digit" or min(len(a), len(b)) < 4:
        return 0.0
    if (a.startswith(b) or b.startswith(a)) and abs(len(a) - len(b)) <= 3:
        return 0.9
    if a[0] != b[0]:  # `drain` and `train`: mishearings keep the first sound more often than not
        return 0.0
    score = DamerauLevenshtein.normalized_similarity(a, b)
    return score if score >= (0.8 if min(len(a), len(b)) > 4 else 0.75) else 0.0


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order, without repeats."""
    seen: dict[str, None] = {}
    for word in tokens(text):
        if word.casefold() not in STOP_WORDS and (len(word) > 1 or word.isdigit()):
            seen.setdefault(stem(word))
    return list(seen)


def names(text: str) -> list[str]:
    """Stems of words written as names (capitalised, not at the start of a sentence; or with
    capitals inside, or letters and digits mixed)."""
    found: dict[str, None] = {}
    for sentence in sentences(text):
        for position, word in enumerate(tokens(sentence)):
            inner = any(c.isupper() for c in word[1:]) or (
                any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
            )
            capital = word[:1].isupper() and position > 0
            if (capital or inner) and word.casefold() not in STOP_WORDS and len(word) > 1:
                found.setdefault(stem(word))
    return list(found)


def sentences(text: str) -> list[str]:
    """Sentences as written (each is found verbatim in `text`)."""
    parts: list[str] = []
    at = 0
    for gap in _SENTENCE.finditer(text):
        before = text[at : gap.start()]
        if _ABBREVIATION.search(before):
            continue
        end = gap.start() + len(gap.group().rstrip())  # closing quotes stay with the sentence
        if text[at:end].strip():
            parts.append(text[at:end].strip())
        at = gap.end()
    if text[at:].strip():
        parts.append(text[at:].strip())
    return parts


def stretches(text: str) -> list[str]:
    """What may support one claim, each verbatim in `text`: its sentences, and for a sentence that
    leans on the one before ("It opens in March.", "Nine women."), the two together."""
    found: list[str] = []
    at = before = 0
    for place, part in enumerate(sentences(text)):
        start = text.index(part, at)
        at = start + len(part)
        words = tokens(part)
        leans = bool(words) and (words[0].casefold() in _LEANING or len(words) <= _FRAGMENT_WORDS)
        if place and leans:
            found.append(text[before:at])
        found.append(part)
        before = start
    return found
