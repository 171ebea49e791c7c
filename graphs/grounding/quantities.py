"""Numbers, dates and clock times in English and Hindi text, as comparable values.

`4.2 lakh`, `₹4,20,000`, `four point two lakh` and `४.२ लाख` are the same number. Used to tell
whether an answer says the number that its evidence says, and whether evidence holds the kind of
thing that a question asks for.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

_UNITS = {
    word: value
    for value, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
        fifteen sixteen seventeen eighteen nineteen""".split()
    )
}
_TENS = dict(
    zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10),
        strict=True)
)  # fmt: skip
_ORDINALS = {
    word: value
    for value, word in enumerate(
        """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
        thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth""".split(),
        start=1,
    )
} | {"twentieth": 20, "thirtieth": 30}
_HINDI = {
    word: value
    for value, words in enumerate(
        """शून्य|एक|दो|तीन|चार|पांच पाँच|छह छः छे|सात|आठ|नौ|दस|ग्यारह|बारह|तेरह|चौदह|पंद्रह पन्द्रह|सोलह|सत्रह|
        अठारह|उन्नीस|बीस|इक्कीस|बाईस|तेईस|चौबीस|पच्चीस|छब्बीस|सत्ताईस|अट्ठाईस|उनतीस|तीस|इकतीस|बत्तीस|तैंतीस|
        चौंतीस|पैंतीस|छत्तीस|सैंतीस|अड़तीस|उनतालीस|चालीस|इकतालीस|बयालीस|तैंतालीस|चौवालीस|पैंतालीस|छियालीस|
        सैंतालीस|अड़तालीस|उनचास|पचास|इक्यावन|बावन|तिरपन|चौवन|पचपन|छप्पन|सत्तावन|अट्ठावन|उनसठ|साठ|इकसठ|
        बासठ|तिरसठ|चौंसठ|पैंसठ|छियासठ|सड़सठ|अड़सठ|उनहत्तर|सत्तर|इकहत्तर|बहत्तर|तिहत्तर|चौहत्तर|पचहत्तर|छिहत्तर|
        सतहत्तर|अठहत्तर|उनासी|अस्सी|इक्यासी|बयासी|तिरासी|चौरासी|पचासी|छियासी|सत्तासी|अट्ठासी|नवासी|नब्बे|
        इक्यानवे|बानवे|तिरानवे|चौरानवे|पचानवे|छियानवे|सत्तानवे|अट्ठानवे|निन्यानवे""".split("|")
    )
    for word in words.split()
}
_SCALES = {
    "hundred": 100, "thousand": 1_000, "lakh": 100_000, "lakhs": 100_000, "lac": 100_000,
    "million": 1_000_000, "crore": 10_000_000, "crores": 10_000_000, "billion": 10**9,
    "सौ": 100, "हज़ार": 1_000, "हजार": 1_000, "लाख": 100_000, "करोड़": 10_000_000,
}  # fmt: skip
_MONTHS = {
    name: number
    for number, names in enumerate(
        """jan january जनवरी|feb february फरवरी फ़रवरी|mar march मार्च|apr april अप्रैल|may मई|
        jun june जून|jul july जुलाई|aug august अगस्त|sep sept september सितंबर सितम्बर|
        oct october अक्टूबर अक्तूबर|nov november नवंबर नवम्बर|dec december दिसंबर दिसम्बर""".split("|"),
        start=1,
    )
    for name in names.split()
}
_DAYS = frozenset(
    """monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday
    सोमवार मंगलवार बुधवार गुरुवार बृहस्पतिवार शुक्रवार शनिवार रविवार""".split()
)
# A number with Indian or Western grouping, a decimal part, an ordinal ending.
_DIGITS = re.compile(r"^(\d{1,3}(?:,\d{2,3})+|\d+)(\.\d+)?(st|nd|rd|th)?$")
_PIECE = re.compile(
    r"\d+(?:,\d{2,3})+(?:\.\d+)?|\d{1,2}[:.]\d{2}(?=\s*(?:am|pm|a\.m|p\.m|hrs|बजे))|\d{1,2}:\d{2}|"
    r"\d+(?:\.\d+)?(?:st|nd|rd|th)?|[^\W\d_]+(?:[\u0900-\u0963]+[^\W\d_]*)*|[₹$€%]"
)
_MONEY = re.compile(r"[₹$€]|\b(?:rs|rupees?|inr|paise|lakhs?|crores?)\b|रुपय|रुपए|रूपय|लाख|करोड़", re.I)
_CLOCK = re.compile(
    r"\b\d{1,2}(?::\d{2})?\s*(?:a\.?m\b|p\.?m\b)|\b\d{1,2}:\d{2}\b|o['’]?clock|बजे|"
    r"\b(?:noon|midnight|morning|afternoon|evening|night)\b|सुबह|शाम|दोपहर|रात", re.I,
)  # fmt: skip
_OFTEN = re.compile(
    r"\b(?:every|each|daily|weekly|fortnightly|monthly|yearly|annually|once|twice|thrice|alternate|"
    r"times|always|never)\b|हर |रोज|प्रति|बार\b|साप्ताहिक|मासिक", re.I,
)  # fmt: skip
_PART = re.compile(
    r"\b(?:half|quarter|third|dozen|double|twice|thrice|both|none|nobody)\b|आध|दोगुन", re.I
)
_DURATION = re.compile(
    r"\b(?:second|minute|hour|day|week|fortnight|month|year)s?\b|सेकंड|मिनट|घंटे|घंटा|दिन|हफ़्ते|हफ्ते|"
    r"सप्ताह|महीने|महीना|साल|वर्ष", re.I,
)  # fmt: skip


class Quantities(NamedTuple):
    """What a text says in numbers."""

    numbers: frozenset[float]
    dates: frozenset[tuple[int, int]]  # (month, day)
    months: frozenset[int]
    weekdays: frozenset[str]
    clock: bool
    money: bool
    duration: bool
    often: bool
    part: bool  # half, a dozen: an amount without a figure


def _ascii_digits(text: str) -> str:
    return "".join(
        str(unicodedata.digit(char)) if char.isdigit() and not char.isascii() else char
        for char in text
    )


def _piece_value(piece: str) -> float | None:
    match = _DIGITS.match(piece)
    if match:
        return float(match[1].replace(",", "") + (match[2] or ""))
    for table in (_UNITS, _TENS, _ORDINALS, _HINDI):
        if piece in table:
            return float(table[piece])
    return None


@lru_cache(maxsize=4096)
def quantities(text: str) -> Quantities:
    """Numbers (scaled by lakh, crore …), dates, and whether clock times, money, durations occur."""
    folded = _ascii_digits(text).casefold()
    pieces = _PIECE.findall(folded)
    numbers: set[float] = set()
    dates: set[tuple[int, int]] = set()
    months: set[int] = set()
    at = 0
    while at < len(pieces):
        value, used = _number_at(pieces, at)
        if value is not None:
            numbers.add(value)
            at += used
            continue
        if pieces[at] in _MONTHS and not (pieces[at] == "may" and not _near_day(pieces, at)):
            month = _MONTHS[pieces[at]]
            months.add(month)
            for near in (at - 1, at - 2, at + 1, at + 2):
                if 0 <= near < len(pieces) and (near != at - 2 or pieces[at - 1] == "of"):
                    day, _ = _number_at(pieces, near) if near > at else _ending_at(pieces, near)
                    if day is not None and 1 <= day <= 31 and day == int(day):
                        dates.add((month, int(day)))
                        break
        elif ":" in pieces[at]:
            numbers.add(float(pieces[at].replace(":", ".")))
        at += 1
    for year_month_day in re.findall(r"\b(\d{4})-(\d{2})-(\d{2})\b", folded):
        dates.add((int(year_month_day[1]), int(year_month_day[2])))
    words = set(pieces)
    return Quantities(
        frozenset(numbers),
        frozenset(dates),
        frozenset(months),
        frozenset({word.removesuffix("s") for word in words} & _DAYS),
        bool(_CLOCK.search(folded)),
        bool(_MONEY.search(folded)),
        bool(_DURATION.search(folded)),
        bool(_OFTEN.search(folded)),
        bool(_PART.search(folded)),
    )


def is_number_word(word: str) -> bool:
    """True for a word or digits that only count (`four`, `point`, `लाख`, `4.2`)."""
    folded = _ascii_digits(word).casefold()
    return _piece_value(folded) is not None or folded in _SCALES or folded in ("point", "दशमलव")


def _near_day(pieces: list[str], at: int) -> bool:
    return any(
        0 <= near < len(pieces) and _piece_value(pieces[near]) is not None
        for near in (at - 1, at + 1, at - 2 if pieces[at - 1 : at] == ["of"] else -1)
    )


def _ending_at(pieces: list[str], at: int) -> tuple[float | None, int]:
    if at > 0 and pieces[at - 1] in _TENS:
        value, used = _number_at(pieces, at - 1)
        if used == 2:
            return value, used
    return _number_at(pieces, at)


def _number_at(pieces: list[str], at: int) -> tuple[float | None, int]:
    """The number that starts at a piece, and how many pieces it takes."""
    total = 0.0
    current: float | None = None
    used = 0
    while at + used < len(pieces):
        piece = pieces[at + used]
        value = _piece_value(piece)
        if piece in _SCALES and (current is not None or used == 0):
            if current is None:
                return None, 0  # "lakhs of people" is no number
            scale = _SCALES[piece]
            if scale == 100 and current < 100:
                current *= 100
            else:
                total += current * scale
                current = None
            used += 1
        elif piece in ("point", "दशमलव") and current is not None:
            digits = ""
            look = used + 1
            while at + look < len(pieces):
                digit = _piece_value(pieces[at + look])
                if digit is None or digit >= 10 or digit != int(digit):
                    break
                digits += str(int(digit))
                look += 1
            if not digits:
                break
            current += float("0." + digits)
            used = look
        elif piece == "and" and used and at + used + 1 < len(pieces):
            follows = _piece_value(pieces[at + used + 1])
            if follows is None or pieces[at + used - 1] not in _SCALES:
                break
            used += 1
        elif value is not None:
            if current is None:
                if used and total == 0:
                    break
                current = value
            elif piece.isalpha() and current % 100 in _TENS.values() and value < 10:
                current += value  # forty two
            elif piece.isalpha() and current >= 100 and current % 100 == 0 and value < 100:
                current += value  # two hundred (and) five
            else:
                break
            used += 1
        else:
            break
    if used == 0:
        return None, 0
    return total + (current or 0.0), used
