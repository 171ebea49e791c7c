"""Where sentences end, in English and in Indian scripts."""

from __future__ import annotations

import re

_ABBREVIATIONS = {
    *("dr", "mr", "mrs", "ms", "prof", "st", "rs", "smt", "shri", "sri", "govt", "dept"),
    *("no", "nos", "vs", "etc", "eg", "ie", "e.g", "i.e", "a.m", "p.m", "u.s", "u.k", "fig"),
    *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"),
    *("approx", "डॉ", "श्री", "सौ", "कु", "रु"),
}
# an end mark, closing quotes, white space; or the danda, which needs no white space
_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*(?=\s)|[।॥]+[\"'”’)\]]*|\n{2,})\s*")
_LAST_WORD = re.compile(r"(\S+)$")


def sentences(text: str) -> list[str]:
    """The sentences of `text` with the white space after each: joined, they are `text` again."""
    out: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if _ends(text, match):
            out.append(text[start : match.end()])
            start = match.end()
    if start < len(text):
        out.append(text[start:])
    return out


def ends_sentence(word: str) -> bool:
    """True when a spoken word with its punctuation closes a sentence."""
    bare = word.strip().rstrip("\"'”’)]")
    if not bare or bare[-1] not in ".!?…।॥":
        return False
    return bare[-1] != "." or not _abbreviated(bare[:-1])


def _ends(text: str, match: re.Match[str]) -> bool:
    mark = match.group().strip()
    if not mark.startswith("."):
        return True
    if text[match.end() : match.end() + 1].islower():
        return False
    before = _LAST_WORD.search(text, max(0, match.start() - 40), match.start())
    return before is None or len(mark.rstrip("\"'”’)]")) > 1 or not _abbreviated(before.group())


def _abbreviated(word: str) -> bool:
    bare = word.lower().strip("(\"'“‘[")
    return bare in _ABBREVIATIONS or (len(bare) == 1 and bare.isalpha() and bare != "i")
