"""The fixed phrases of a conversation, and the rules that tell small talk from questions."""

from __future__ import annotations

from collections.abc import Sequence

from graphs.grounding.question import analyse
from graphs.grounding.words import names, stem, tokens


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GREETINGS = _words(
    """hi hello hey namaste namaskar greetings thanks thank thankyou ok okay great bye goodbye
    dhanyavaad dhanyavad shukriya welcome cool nice morning afternoon evening night help
    नमस्ते नमस्कार धन्यवाद शुक्रिया अलविदा मदद शुभ"""
)
_BESIDE_GREETINGS = _words(
    """you very so much a lot good there all everyone friend for the your please sir madam ji
    bahut again then see later and me आपका बहुत जी प्रभात रात्रि सब को कीजिए करो"""
)
_ABOUT_ITSELF = frozenset(
    (
        "who are you", "what are you", "what can you do", "how are you", "see you", "see you later",
        "ठीक है", "आप कौन हैं", "आप क्या कर सकते हैं", "आप कैसे हैं", "फिर मिलेंगे",
    )
)  # fmt: skip

_PRONOUNS = _words(
    """it its itself they them their theirs that this those these then there here same
    वह वे यह ये वो उस उसे उसका उसकी उसके उसको उसने उसमें उससे उसपर उन उन्हें उनका उनकी उनके उनको उनसे
    उन्होंने इस इसे इसका इसकी इसके इसको इसने इसमें इससे इन इन्हें इनका इनकी इनके इन्होंने वहाँ वहां यहाँ यहां
    तब uska uski uske usne usmein unka unki unke unhone iska iski iske isme woh yeh"""
)
_PERSONAL = _words("he she him her his hers")  # point nowhere else when the question names one
_CONJUNCTIONS = _words("and or but so और या लेकिन तो aur lekin")
_WHY = _words("why क्यों kyon kyun")
_OPENING_PAIRS = frozenset({("what", "about"), ("how", "about"), ("since", "when"),
                            ("until", "when"), ("how", "so"), ("what", "else"),
                            ("who", "else")})  # fmt: skip
_TIMES = _words("year month week morning afternoon evening time quarter साल महीने हफ्ते वर्ष")
_BE = _words("is are was were will would")
_CLAUSE = _words("the a an he she it they we i")
_LONGEST_FOLLOW_UP = 9  # words; a longer question stands for itself

_SMALL_TALK_REPLY = {
    "en": "Ask me about what was said, shown or written in '{corpus}'; I answer with the source "
    "and the second.",
    "hi": "'{corpus}' में क्या कहा, दिखाया या लिखा गया, यह पूछिए; मैं स्रोत और समय के साथ उत्तर दूँगा।",
}
NOT_HEARD = {
    "en": "I heard no question in the recording.",
    "hi": "रिकॉर्डिंग में कोई प्रश्न सुनाई नहीं दिया।",
}
NOT_ASKED = {"en": "There was no question.", "hi": "कोई प्रश्न नहीं था।"}


def is_small_talk(text: str) -> bool:
    """True when the text asks nothing that evidence could answer."""
    words = [word.casefold() for word in tokens(text)]
    others = [word for word in words if word not in _GREETINGS]
    if {" ".join(words), " ".join(others)} & _ABOUT_ITSELF:
        return True
    return len(others) < len(words) and all(word in _BESIDE_GREETINGS for word in others)


def refers_back(text: str) -> bool:
    """True when a short question leans on what was said before it ("and when was that?")."""
    words = _folded(text)
    if not words or len(words) > _LONGEST_FOLLOW_UP:
        return False
    opens = words[0] in _CONJUNCTIONS | _WHY or tuple(words[:2]) in _OPENING_PAIRS
    return opens or _pointer(text) is not None


def with_topic(question: str, earlier: Sequence[str]) -> str:
    """The question with its pronoun replaced by the matter of the questions before it (newest
    first), as far as those lean on their predecessors themselves."""
    matter: dict[str, str] = {}
    for asked in earlier:
        about = set(analyse(asked).terms)
        for word in tokens(asked):
            if stem(word) in about:
                matter.setdefault(stem(word), word)
        if not refers_back(asked):
            break
    known = analyse(question).terms
    topic = " ".join(word for key, word in matter.items() if key not in known)
    if not topic:
        return alone(question)
    parts = question.split()
    at = _pointer(question)
    if at is None:
        parts[-1] = f"{parts[-1].rstrip('?।')} {topic}?"
    else:
        parts[at] = topic + ("?" if parts[at].endswith("?") else "")
    return alone(" ".join(parts))


def alone(question: str) -> str:
    """The question without the "and" that ties it to the one before."""
    parts = question.split()
    tied = len(parts) > 1 and _folded(question)[0] in _CONJUNCTIONS
    return " ".join(parts[1:] if tied else parts)


def _folded(text: str) -> list[str]:
    return [(tokens(part) or [""])[0].casefold() for part in text.split()]


def _pointer(text: str) -> int | None:
    """The place of the first word that stands for something said before."""
    words = _folded(text)
    named = bool(names(text))
    around = zip(["", *words], words, [*words[1:], ""], strict=False)
    for at, (before, word, after) in enumerate(around):
        if word in _PERSONAL and not named:
            return at
        if word not in _PRONOUNS:
            continue
        if word == "there" and (before in _BE or after in _BE):
            continue  # "is there a library?"
        if word == "that" and after in _CLAUSE:
            continue  # "who said that the drain is clean?"
        if word in ("this", "that", "इस") and after in _TIMES:
            continue
        return at
    return None


def small_talk_reply(language: str, corpus: str) -> str:
    return _SMALL_TALK_REPLY.get(language, _SMALL_TALK_REPLY["en"]).format(corpus=corpus)
