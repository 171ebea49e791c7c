"""What readers yield: Moments before they have a corpus, and how far the reading is."""

from __future__ import annotations

from typing import NamedTuple

from indexers.moments import Draft

__all__ = ["Draft", "Item", "ReadProgress"]


class ReadProgress(NamedTuple):
    """How far a reading is, in `unit` ("s" of media, "pages", "lines"). `note` warns of something
    that the reader went around, e.g. a recording that breaks off."""

    done: float
    total: float | None
    unit: str
    note: str = ""


Item = Draft | ReadProgress
