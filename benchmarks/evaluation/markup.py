"""The marked-up scripts that every evaluation source is rendered from.

A fact is marked where it is said: `The can costs {can_price|3,150 rupees}.` Stripping the mark
gives the text that a reader sees; where the mark stood is where a right citation must point. So
a question that names `can_price` knows its answer and its evidence without any second list.

Lines: `Name: text` is an utterance, `[slide]: text` shows text until the next slide (its parts
end with full stops), `# Heading`, `| a | table | row |`, `===` a page break, `@key=value` a
setting of the file (`@voice NAME=card/voice` says how somebody sounds). Everything else is a
paragraph (or a cue of subtitles).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SUFFIX = ".src"
SPOKEN = (".ogg", ".mp4")  # recorded once and committed, with the times beside them
TIMED = (".moments.jsonl", ".srt", ".vtt", *SPOKEN)
PAGED = (".pdf",)

Role = Literal["utterance", "slide", "heading", "row", "paragraph"]
_MARK = re.compile(r"\{(\w+)\|([^{}]*)\}")
_SAID = re.compile(r"(?P<speaker>[A-Z][^:\[\]{}|]{0,60}?)(?: \[(?P<language>[a-z]{2,3})\])?: ")
_WORDS_PER_S = 2.5


@dataclass(frozen=True)
class Unit:
    """One utterance, slide, cue, heading, table row or paragraph."""

    role: Role
    text: str
    facts: tuple[tuple[str, str], ...] = ()  # id, the marked words
    speaker: str | None = None
    language: str = "en"
    level: int = 0  # of a heading
    page: int | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Script:
    """A source before it is rendered; `file_name` is what it will be called on disk."""

    file_name: str
    units: tuple[Unit, ...]
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Its name in a corpus."""
        return self.file_name.removesuffix(".moments.jsonl")

    @property
    def is_spoken(self) -> bool:
        return self.file_name.endswith(SPOKEN)


def read_script(path: Path) -> Script:
    """Raises ValueError for a line that cannot be understood."""
    name = path.name.removesuffix(SUFFIX)
    settings: dict[str, str] = {}
    units: list[Unit] = []
    page = 1 if name.endswith(PAGED) else None
    talk = name.endswith((".moments.jsonl", ".vtt", *SPOKEN))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        if line.startswith("@"):
            key, _, value = line[1:].partition("=")
            settings[key.strip()] = value.strip()
        elif line == "===":
            page = None if page is None else page + 1
        else:
            unit = _unit(line, page, settings.get("language", "en"), talk)
            if "{" in unit.text or "}" in unit.text:
                raise ValueError(f"{path.name}:{number}: a mark is not closed")
            units.append(unit)
    return Script(name, tuple(units), settings)


def _unit(line: str, page: int | None, language: str, talk: bool) -> Unit:
    facts = tuple((m[1], m[2]) for m in _MARK.finditer(line))
    plain = _MARK.sub(lambda m: m[2], line)
    if plain.startswith("#"):
        hashes, _, title = plain.partition(" ")
        return Unit("heading", title, facts, language=language, level=len(hashes), page=page)
    if plain.startswith("| "):
        return Unit("row", plain, facts, language=language, page=page)
    if not talk:
        return Unit("paragraph", plain, facts, language=language, page=page)
    if plain.startswith("[slide]: "):
        return Unit("slide", plain.removeprefix("[slide]: "), facts, language=language)
    said = _SAID.match(plain)
    if said is None:
        raise ValueError(f"nobody says this line: {line!r}")
    return Unit(
        "utterance", plain[said.end() :], facts, said["speaker"], said["language"] or language
    )


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def slide_lines(text: str) -> list[str]:
    """What stands on a slide, title first."""
    return [part for part in re.split(r"(?<=[^\d\s])\. |(?<=\d)\. (?=[A-Z])", text) if part]


def schedule(script: Script) -> Script:
    """Gives each unit of a script without a recording its times: a speaking rate and pauses that
    only depend on the file's name and the line, so that every run places it alike."""
    at = 2.0
    timed: list[tuple[Unit, float, float | None]] = []
    for index, unit in enumerate(script.units):
        if unit.role == "slide":
            timed.append((unit, at, None))
            continue
        jitter = hashlib.sha256(f"{script.file_name}/{index}".encode()).digest()[0] / 255
        end = at + max(1.5, len(unit.text.split()) / _WORDS_PER_S)
        timed.append((unit, at, end))
        at = end + 0.3 + 1.2 * jitter
    slides = [start for unit, start, _ in timed if unit.role == "slide"] + [at]
    return with_times(
        script,
        [
            (start, end if end is not None else next(s for s in slides if s > start))
            for _, start, end in timed
        ],
    )


def with_times(script: Script, times: list[tuple[float, float]]) -> Script:
    """`times`: start and end of each unit, in seconds. Raises ValueError when some are missing."""
    placed = tuple(
        Unit(**{**unit.__dict__, "start_s": round(start, 3), "end_s": round(end, 3)})
        for unit, (start, end) in zip(script.units, times, strict=True)
    )
    return Script(script.file_name, placed, script.settings)
