"""One spelling for what means the same: numbers with lakh and crore, Indian commas and digits,
number words in English and Hindi, dates, per cent. Only equality after it is meant, not beauty."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_HINDI = (
    "शून्य एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस "
    "इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस तीस"
)
_SCALES = {
    **{"hundred": 100, "सौ": 100, "thousand": 1000, "हज़ार": 1000, "lakh": 10**5, "lakhs": 10**5},
    **{"लाख": 10**5, "million": 10**6, "crore": 10**7, "crores": 10**7, "करोड़": 10**7},
}
_MONTHS = frozenset(
    (
        *("january", "february", "march", "april", "may", "june"),
        *("july", "august", "september", "october", "november", "december"),
    )
)
_DROPPED = {"the", "of", "रु", "rs", "inr"}
_SAME = {
    **{"kg": "kilogram", "kilo": "kilogram", "kilos": "kilogram", "kilograms": "kilogram"},
    **{"rupee": "rupees", "रुपये": "rupees", "रुपए": "rupees", "minute": "minutes"},
    **{"mr": "mister", "dr": "doctor", "prof": "professor", "litre": "litres", "liters": "litres"},
}


def _plain(text: str) -> str:
    """Without case, nukta and the difference of the two nasal signs; digits are ASCII."""
    text = unicodedata.normalize("NFD", text.casefold()).replace("\u093c", "")
    text = "".join(
        str(unicodedata.digit(c)) if unicodedata.category(c) == "Nd" else c for c in text
    )
    return text.replace("\u0901", "\u0902")


_WORDS = {word: value for value, word in enumerate(_UNITS.split())}
_WORDS |= {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
_WORDS |= {_plain(word): value for value, word in enumerate(_HINDI.split())}
_SCALE_OF = {_plain(word): value for word, value in _SCALES.items()}
_SAME_AS = {_plain(word): other for word, other in _SAME.items()}


def tokens(text: str) -> list[str]:
    """Words and numbers of a text in their one spelling."""
    text = _plain(text).replace("₹", " ").replace("%", " percent ")
    text = re.sub(r"(?<=\d) ?,(?=\d)", "", text)  # "90 ,000" is heard so
    text = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text)
    text = re.sub(r"\bper cent\b|\bप्रतिशत\b", "percent", text)
    text = re.sub(r"(?<=[a-z])['\u2019](?=s\b)", "", text)
    text = "".join(c if _in_word(c) or c == "." else " " for c in text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)", " ", text)
    text = re.sub(r"(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])", " ", text)
    words = [_SAME_AS.get(word, word) for word in text.split() if word not in _DROPPED]
    return _dates(_numbers(words))


def contains(text: str, accepted: str) -> bool:
    """Whether `accepted` is in `text` as whole words. "re:PATTERN" is searched for instead."""
    spelled = " ".join(tokens(text))
    if accepted.startswith("re:"):
        return re.search(accepted.removeprefix("re:"), spelled) is not None
    wanted = " ".join(tokens(accepted))
    return bool(wanted) and f" {wanted} " in f" {spelled} "


def _in_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


def _numbers(words: list[str]) -> list[str]:
    """Joins runs of number words and scales: `six lakh 40 thousand` → `640000`."""
    out: list[str] = []
    at = 0
    while at < len(words):
        value, size = _number(words, at)
        if size == 0:
            out.append(words[at])
            at += 1
            continue
        out.append(_spell(value))
        at += size
    return out


def _number(words: list[str], at: int) -> tuple[Fraction, int]:
    """The number that starts at `at` and how many words it takes (0: none)."""
    start, total, group = at, Fraction(0), Fraction(0)
    smallest = 10**12  # scales go down: five lakh two thousand
    room = 10**12  # what may still be added to the group: twenty (10) six (1)
    while at < len(words):
        word = words[at]
        if word in _SCALE_OF and at > start and _SCALE_OF[word] < smallest:
            scale = _SCALE_OF[word]
            if scale == 100:
                group, room = group * 100, 100
            else:
                total, group, smallest, room = total + group * scale, Fraction(0), scale, 10**12
        elif word in _WORDS or re.fullmatch(r"\d+(\.\d+)?", word):
            value = Fraction(_WORDS[word]) if word in _WORDS else Fraction(word)
            spoken = word in _WORDS
            if value >= min(room, smallest) or (group and not spoken):
                break
            group += value
            room = 10 if spoken and value in range(20, 100, 10) else 0
        elif word == "and" and room == 100 and _starts_number(words, at + 1):
            pass
        else:
            break
        at += 1
    return total + group, at - start


def _starts_number(words: list[str], at: int) -> bool:
    return at < len(words) and (words[at] in _WORDS or words[at].isdigit())


def _spell(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6g}"


def _dates(words: list[str]) -> list[str]:
    """`august 16` → `16 august`."""
    out = list(words)
    for at in range(len(out) - 1):
        day = out[at + 1]
        after_day = at > 0 and out[at - 1].isdigit()
        if out[at] in _MONTHS and day.isdigit() and int(day) <= 31 and not after_day:
            out[at], out[at + 1] = day, out[at]
    return out
