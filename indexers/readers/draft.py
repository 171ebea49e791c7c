"""What readers yield: Moments before they have a corpus, and how far the reading is."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from indexers.moments import Modality, SpokenWord

Box = tuple[float, float, float, float]


class Draft(BaseModel):
    """A Moment before it has a corpus, source, hash and ordinal. Fields as in `Moment`.

    `text` may be empty only for a `scene` (a shot without any text on the screen) and a `frame`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality
    text: str
    start_us: int | None = Field(None, ge=0)
    end_us: int | None = Field(None, ge=0)
    at_us: int | None = None
    at_end_us: int | None = None
    page: int | None = Field(None, ge=1)
    section: str | None = None
    box: Box | None = None
    speaker: str | None = None
    language: str | None = None
    confidence: float | None = None
    words: tuple[SpokenWord, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Draft:
        for start, end in ((self.start_us, self.end_us), (self.at_us, self.at_end_us)):
            if end is not None and (start is None or end < start):
                raise ValueError("an interval ends before it starts")
        return self


class ReadProgress(NamedTuple):
    """How far a reading is, in `unit` ("s" of media, "pages", "lines"). `note` warns of something
    that the reader went around, e.g. a recording that breaks off."""

    done: float
    total: float | None
    unit: str
    note: str = ""


Item = Draft | ReadProgress
