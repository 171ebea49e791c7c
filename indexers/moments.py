"""A Moment: one indexed piece of evidence on a timeline.

Times are integer microseconds: media times from the start of the source, wall-clock times since
the Unix epoch (UTC). Intervals are half-open. The id is a function of corpus, content, modality
and ordinal, so the same file indexed again gives the same Moments.
"""

from __future__ import annotations

import uuid
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

Modality = Literal["text", "speech", "frame", "scene", "screen-text", "caption", "event"]
_NAMESPACE = uuid.UUID("6f1d9f0e-6b52-5f5c-9d0e-2f9f5a1c7a11")
US = 1_000_000


def moment_id(corpus: str, content_hash: str, modality: str, ordinal: int) -> str:
    """A version-5 UUID; the same four always give the same id."""
    return str(uuid.uuid5(_NAMESPACE, f"{corpus}\n{content_hash}\n{modality}\n{ordinal}"))


class SpokenWord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    start_us: int
    end_us: int
    text: str
    confidence: float


class Draft(BaseModel):
    """A Moment before it has a corpus, source, hash and ordinal.

    `text` may be empty only for a `scene` (a shot without any text on the screen) and a `frame`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality
    text: str
    start_us: int | None = Field(None, ge=0)  # media interval [start, end); None: a document
    end_us: int | None = Field(None, ge=0)
    at_us: int | None = None  # wall-clock interval, when it happened in the world
    at_end_us: int | None = None
    page: int | None = Field(None, ge=1)
    section: str | None = None
    box: tuple[float, float, float, float] | None = None  # fractions: left, top, right, bottom
    speaker: str | None = None
    language: str | None = None
    confidence: float | None = None
    words: tuple[SpokenWord, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for start, end in ((self.start_us, self.end_us), (self.at_us, self.at_end_us)):
            if end is not None and (start is None or end < start):
                raise ValueError("an interval ends before it starts")
        return self


class Moment(Draft):
    corpus: str
    source: str  # its name in the corpus
    content_hash: str  # sha256 of the source's bytes
    ordinal: int = Field(ge=0)  # within source and modality
    ingested_us: int = 0  # when its source was published, wall clock

    @computed_field  # type: ignore[prop-decorator]
    @property
    def moment_id(self) -> str:
        return moment_id(self.corpus, self.content_hash, self.modality, self.ordinal)

    @property
    def start_s(self) -> float | None:
        return None if self.start_us is None else self.start_us / US

    @property
    def end_s(self) -> float | None:
        return None if self.end_us is None else self.end_us / US
