"""The port to a vector engine: points in, fused hits out.

A point is one Moment: its id, one dense vector, and the Moment's fields as payload, with `terms`
(see `terms.py`) for the lexical half. The engine filters, ranks both halves and fuses them with
RRF; the adapter then asks it for the two plain scores of the hits, so that a caller can judge
them (an RRF score says nothing about how good a hit is).

The engine is never the only holder of anything: the docstore can fill an empty one again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from indexers.moments import Moment
from indexers.vectors.terms import terms

DENSE = "text"  # the named vector
TERMS = "terms"  # the payload field with the text index
KEYWORDS = ("source", "modality", "language")
INTEGERS = ("start_us", "end_us", "at_us")
RRF_K = 60


class Point(NamedTuple):
    id: str
    vector: NDArray[np.float32]
    payload: dict[str, Any]


class Scored(NamedTuple):
    """`score` is RRF's, `dense` a cosine in [-1, 1], `lexical` BM25's (0: no common word)."""

    id: str
    score: float
    dense: float
    lexical: float


class Where(NamedTuple):
    """All given conditions hold; within a tuple, any of its values. Times in microseconds:
    Moments that overlap [start_us, end_us); a Moment without a time never does."""

    sources: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    start_us: int | None = None
    end_us: int | None = None

    @property
    def keywords(self) -> list[tuple[str, list[str]]]:
        """(payload field, wanted values) of the conditions on keywords."""
        wanted = (self.sources, self.modalities, self.languages)
        return [(key, list(some)) for key, some in zip(KEYWORDS, wanted, strict=True) if some]


EVERYTHING = Where()


class VectorStore(Protocol):
    """Every verb raises StoreError (DiskFull where it applies), or Unavailable when a server does
    not answer. Verbs may run concurrently; the engine is used off the event loop."""

    async def upsert(self, points: Sequence[Point]) -> None:
        """Writes or overwrites by id."""

    async def delete(self, ids: Sequence[str]) -> None:
        """Ids that it does not have are no error."""

    async def query(
        self, vector: NDArray[np.float32], text: str, where: Where = EVERYTHING, limit: int = 20
    ) -> list[Scored]:
        """The best hits of both halves, best first; equal scores by cosine, then id."""

    async def count(self, where: Where = EVERYTHING) -> int:
        """How many match, exactly."""

    async def flush(self) -> None:
        """Returns once all that was written survives a power cut."""

    async def optimize(self) -> None:
        """Builds the indexes that pay after a bulk write; may take minutes."""

    async def drop(self) -> None:
        """Deletes everything, and closes."""

    async def aclose(self) -> None: ...


def point(moment: Moment, vector: NDArray[np.float32]) -> Point:
    """The point of a Moment, without what nothing filters on and may be long or change."""
    left_out = {"words", "moment_id", "ingested_us"}
    payload = moment.model_dump(mode="json", exclude=left_out, exclude_none=True)
    return Point(moment.moment_id, vector, {**payload, TERMS: terms(moment.text)})


def prefetch_limit(limit: int) -> int:
    """Candidates that each half hands to the fusion."""
    return max(50, 4 * limit)


def ranked(
    fused: Sequence[tuple[str, float]],
    dense: dict[str, float],
    lexical: dict[str, float],
    limit: int,
) -> list[Scored]:
    """Hits in an order that does not depend on the engine: RRF gives many equal scores."""
    hits = [Scored(i, score, dense.get(i, 0.0), lexical.get(i, 0.0)) for i, score in fused]
    return sorted(hits, key=lambda hit: (-round(hit.score, 6), -hit.dense, hit.id))[:limit]
