"""Words of a text for the lexical half of retrieval, the same in every engine.

Qdrant's tokenizers do not fit Indian text: `Word` cuts at the virama (शक्ति → शक, ति) and at a
decimal point, `Multilingual` keeps words whole but drops every token made of digits (years, sums,
dates), and local mode knows `Word` alone. So the words are ours, and each is written as one ASCII
word, which every tokenizer leaves alone: the engines still do the BM25, with equal scores.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_JOINERS = {0x200C: None, 0x200D: None, 0xAD: None}  # ZWNJ, ZWJ, soft hyphen: spelling variants
_GROUPING = re.compile(r"(?<=\d),(?=\d)")  # 2,500 and 1,00,000
_POSSESSIVE = re.compile(r"['’]s\b")
_TOKEN = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])|[^\s.]+")
# Dropped from questions only: in a small corpus a rare "when" would outweigh the subject.
_STOP = frozenset(
    words
    for line in (
        "a about an and are as at be by did do does for from had has have how i in is it its of",
        "on or that the their there they this to was we were what when where which who whom whose",
        "why will with you",
        "का की के को में से पर है हैं था थी थे और या क्या कब कहाँ कहां कौन कैसे क्यों ने यह वह किस कि",
    )
    for words in line.split()
)


def words(text: str) -> list[str]:
    """Case-folded words and numbers in order; digits of every script become ASCII digits."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_JOINERS)
    folded = _POSSESSIVE.sub("", folded).replace("'", "").replace("’", "")
    kept = "".join(_kept(char) for char in folded)
    return _TOKEN.findall(_GROUPING.sub("", kept).replace(",", " "))


def terms(text: str) -> str:
    """What is indexed: the words of `text`, one ASCII word each, separated by spaces."""
    return " ".join(_ascii(word) for word in words(text))


def query_terms(text: str) -> str:
    """What is asked: as `terms`, without stop words unless there is nothing else."""
    found = words(text)
    return " ".join(_ascii(word) for word in [w for w in found if w not in _STOP] or found)


def _kept(char: str) -> str:
    if char in ".,":
        return char
    kind = unicodedata.category(char)
    if kind == "Nd":
        return str(unicodedata.decimal(char))
    return char if kind[0] in "LMN" else " "


def _ascii(word: str) -> str:
    if word.isascii() and word.isalnum():
        return word
    return "x" + hashlib.blake2b(word.encode(), digest_size=8).hexdigest()
