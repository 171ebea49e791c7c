"""Text cut into pieces that a voice speaks one after the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from model_host.errors import InvalidInput

# A sentence ends at one of these (danda and double danda, too), perhaps quoted, before a space, or
# at a line break. "Rs. 500" and "e.g. this" go on.
_SENTENCE = re.compile(
    r"""(?:(?<=[!?…।॥؟。！？])|(?<=[.!?…।॥؟。！？]["'”’)\]]))\s+|(?<=\.)\s+(?![a-z0-9])|\s*\n\s*"""
)
_CLAUSE = re.compile(r"(?<=[,;:—–،、])\s+")
_SPACE = re.compile(r"\s+")
SHORTEST = 12  # characters; "Dr." or "1." are no sentences


def speakable(text: str) -> bool:
    """True when there is a letter or a digit to say."""
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def clean(text: str) -> str:
    """NFC, without control characters, joined by single spaces; line breaks stay."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(
        char if char == "\n" or unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn") else " "
        for char in text
    )
    return "\n".join(_SPACE.sub(" ", line).strip() for line in text.splitlines())


def pieces(text: str, *, limit: int = 280, first: int = 0) -> list[str]:
    """Sentences of `text`, none over `limit` characters; longer ones are cut at clauses, then at
    spaces, then anywhere. With `first`, the first piece has at most that many characters where a
    clause ends early enough, so that its sound comes sooner. Pieces without anything to say are
    left out.

    Raises InvalidInput when there is nothing to say at all."""
    found: list[str] = []
    for sentence in _SENTENCE.split(clean(text)):
        if not found or len(found[-1]) >= SHORTEST or len(found[-1]) + len(sentence) >= limit:
            found.append(sentence.strip())
        else:
            found[-1] = f"{found[-1]} {sentence}".strip()
    spoken = [piece for sentence in found for piece in _cut(sentence, limit, 0) if speakable(piece)]
    if not spoken:
        raise InvalidInput(
            "There is nothing to say in the text.", why="It has no letters and no digits."
        )
    if first and len(spoken[0]) > first:
        head, *tail = _CLAUSE.split(spoken[0], maxsplit=1)
        if tail and SHORTEST <= len(head) <= first and speakable(tail[0]):
            spoken[:1] = [head, tail[0]]
    return spoken


def _cut(text: str, limit: int, level: int) -> Iterator[str]:
    if len(text) <= limit:
        yield text
        return
    if level == 2:
        yield from (text[at : at + limit] for at in range(0, len(text), limit))
        return
    kept = ""
    for part in (_CLAUSE, _SPACE)[level].split(text):
        joined = f"{kept} {part}" if kept else part
        if len(joined) <= limit:
            kept = joined
            continue
        if kept:
            yield from _cut(kept, limit, level + 1)
        kept = part
    if kept:
        yield from _cut(kept, limit, level + 1)
