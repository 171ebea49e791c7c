"""Settings of the indexers: frozen, passed in."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class IndexSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    corpora_root: Path  # one folder a corpus
    backend: str = "edge"  # edge | server | local
    qdrant_url: str | None = None
    segment_max_s: float = Field(30.0, gt=0)  # longest speech Moment
    chunk_tokens: int = Field(160, ge=32)  # longest document Moment
    max_text_bytes: int = Field(64 << 20, gt=0)  # a larger text file is refused
    frames_per_s: float = Field(1.0, gt=0)  # frames looked at for screen text
    timezone: str = "Asia/Kolkata"  # of wall-clock times without a zone
