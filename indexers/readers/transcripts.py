"""Transcripts as they are: SRT and WebVTT cues, and `.moments.jsonl` (one Moment a line)."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from indexers.moments import US, Modality
from indexers.readers.chunks import chunk_language
from indexers.readers.clock import instant_us
from indexers.readers.draft import Draft, Item, ReadProgress
from indexers.readers.texts import read_text
from indexers.readers.threads import in_thread
from indexers.settings import IndexSettings
from model_host.errors import InvalidInput, UnreadableMedia, first_problem

if TYPE_CHECKING:
    from model_host.client import Client

_REPORT = 500  # lines
_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s|$)")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_TAG = re.compile(r"<[^>\n]*>|\{\\[^}\n]*\}")


async def read(
    path: Path, kind: str, client: Client, settings: IndexSettings, language: str | None
) -> AsyncGenerator[Item]:
    """Raises UnreadableMedia naming the line (and field) that is wrong, and TooLarge."""
    parse = _cues if kind == "subtitles" else _moments
    async for item in in_thread(parse(path, settings, language)):
        yield item


def _cues(path: Path, settings: IndexSettings, language: str | None) -> Iterator[Item]:
    lines = read_text(path, settings.max_text_bytes).split("\n")
    found = False
    at = 0
    while at < len(lines):
        match = _TIMING.match(lines[at])
        at += 1
        if match is None:
            continue
        start_s, end_s = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        if end_s < start_s:
            raise _bad_line(path, at, "The cue ends before it starts.")
        body: list[str] = []
        while at < len(lines) and lines[at].strip() and not _TIMING.match(lines[at]):
            body.append(lines[at])
            at += 1
        if at < len(lines) and _TIMING.match(lines[at]) and body and body[-1].strip().isdigit():
            body.pop()  # the number of a cue that no blank line separates
        text = "\n".join(body)
        voice = _VOICE.search(text)
        text = " ".join(html.unescape(_TAG.sub("", text)).split())
        found = True
        if text:
            yield Draft(
                modality="speech",
                text=text,
                start_us=round(start_s * US),
                end_us=round(end_s * US),
                speaker=html.unescape(voice.group(1)).strip() if voice else None,
                language=chunk_language(text, language),
            )
    if not found:
        raise UnreadableMedia(
            f"{path.name!r} cannot be read.",
            why="It has no cue (a line like 00:01:02.000 --> 00:01:05.000).",
            file=path.name,
        )
    yield ReadProgress(len(lines), len(lines), "lines")


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction}")


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]


class _Line(BaseModel):
    """A line of a `.moments.jsonl` file; fields that are not known here are left alone."""

    model_config = ConfigDict(extra="ignore")

    text: str = Field(min_length=1)
    start_s: Seconds | None = None
    end_s: Seconds | None = None
    modality: Modality | None = None
    speaker: str | None = None
    language: str | None = None
    at: str | None = None
    page: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _timed(self) -> _Line:
        if (self.start_s is None) != (self.end_s is None):
            raise ValueError("start_s and end_s come together")
        if self.start_s is None and self.page is None:
            raise ValueError("start_s and end_s are missing (a line with a page may lack them)")
        if self.start_s is not None and self.end_s is not None and self.end_s < self.start_s:
            raise ValueError("end_s is before start_s")
        return self


def _moments(path: Path, settings: IndexSettings, language: str | None) -> Iterator[Item]:
    lines = read_text(path, settings.max_text_bytes).split("\n")
    found = False
    for number, text in enumerate(lines, 1):
        if text.strip():
            found = True
            yield _draft(path, number, text, settings.timezone, language)
        if number % _REPORT == 0:
            yield ReadProgress(number, len(lines), "lines")
    if not found:
        raise UnreadableMedia(f"{path.name!r} holds no Moment.", why="All its lines are blank.")
    yield ReadProgress(len(lines), len(lines), "lines")


def _draft(path: Path, number: int, text: str, timezone: str, language: str | None) -> Draft:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        field, problem = first_problem(error)
        raise _bad_line(path, number, f"{problem}.", field) from error
    at_us = None
    if line.at is not None:
        try:
            at_us = instant_us(line.at, timezone)
        except (ValueError, OverflowError) as error:
            raise _bad_line(path, number, "It is no ISO 8601 time.", "at") from error
    start_us = None if line.start_s is None else round(line.start_s * US)
    end_us = None if line.end_s is None else round(line.end_s * US)
    lasts_us = (end_us or 0) - (start_us or 0)
    return Draft(
        modality=line.modality or ("text" if start_us is None else "speech"),
        text=line.text.strip() or line.text,
        start_us=start_us,
        end_us=end_us,
        at_us=at_us,
        at_end_us=at_us + lasts_us if at_us is not None and start_us is not None else None,
        page=line.page,
        speaker=line.speaker,
        language=line.language or chunk_language(line.text, language),
    )


def _bad_line(path: Path, number: int, why: str, field: str = "") -> InvalidInput:
    where = f"Line {number}" + (f", field {field!r}," if field else "")
    return UnreadableMedia(
        f"{where} of {path.name!r} is wrong.",
        why=why,
        fix="Correct the line and index the file again.",
        file=path.name,
        line=number,
        field=field,
    )
