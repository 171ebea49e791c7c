"""Qdrant Edge, in this process: the default. One process may hold a shard open at a time.

A shard is one folder with its own write-ahead log: a write that returned survives SIGKILL, and a
power cut after `flush`.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import qdrant_edge as qe
from anyio import to_thread
from numpy.typing import NDArray

from indexers.vectors.port import (
    DENSE,
    EVERYTHING,
    INTEGERS,
    KEYWORDS,
    RRF_K,
    TERMS,
    Point,
    Scored,
    Where,
    prefetch_limit,
    ranked,
)
from indexers.vectors.terms import query_terms
from model_host.errors import StoreError, disk_full

T = TypeVar("T")
_SPARE_BYTES = 96 << 20  # a full disk under a memory map kills the process: never get there


class EdgeStore:
    """A `VectorStore` over one shard folder. Make it with `open`."""

    def __init__(self, shard: qe.EdgeShard, folder: Path) -> None:
        self._shard = shard
        self._folder = folder

    @classmethod
    async def open(cls, folder: Path, dimension: int) -> EdgeStore:
        """Opens the shard in `folder`, or makes one. StoreError: it is damaged or open already."""

        def load() -> EdgeStore:
            with _translated(folder):
                if (folder / "edge_config.json").is_file():
                    shard = qe.EdgeShard.load(str(folder))
                else:
                    _need_space(folder.parent, 0)
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir(parents=True)
                    vectors = {DENSE: qe.EdgeVectorParams(dimension, qe.Distance.Cosine)}
                    shard = qe.EdgeShard.create(str(folder), qe.EdgeConfig(vectors=vectors))
                # Also after a load: a kill may have come between the shard and its indexes.
                have = shard.info().payload_schema
                for field, schema in _schemas().items():
                    if field not in have:
                        shard.update(qe.UpdateOperation.create_field_index(field, schema))
                return cls(shard, folder)

        return await to_thread.run_sync(load)

    async def upsert(self, points: Sequence[Point]) -> None:
        def write() -> None:
            _need_space(self._folder, len(points) * 16_384)
            rows = [qe.Point(p.id, {DENSE: p.vector.tolist()}, p.payload) for p in points]
            self._shard.update(qe.UpdateOperation.upsert_points(rows))

        if points:
            await self._run(write)

    async def delete(self, ids: Sequence[str]) -> None:
        operation = qe.UpdateOperation.delete_points([uuid.UUID(i) for i in ids])
        await self._run(lambda: self._shard.update(operation))

    async def query(
        self, vector: NDArray[np.float32], text: str, where: Where = EVERYTHING, limit: int = 20
    ) -> list[Scored]:
        near = qe.Query.Nearest(vector.tolist(), using=DENSE)
        match = qe.TextQuery(TERMS, query_terms(text))
        wanted, reach = _filter(where), prefetch_limit(limit)

        def ask() -> list[Scored]:
            halves = [qe.Prefetch(reach, query=q, filter=wanted) for q in (near, match)]
            fusion = cast(qe.Fusion, qe.Fusion.Rrf(k=RRF_K))
            # One more than asked: two hits of equal score may stand at the limit.
            best = self._shard.query(
                qe.QueryRequest(limit + 1, query=fusion, prefetches=halves, with_payload=False)
            )
            fused = [(str(hit.id), hit.score) for hit in best]
            if not fused:
                return []
            these = qe.Filter(must=[qe.HasIdCondition({uuid.UUID(i) for i, _ in fused})])
            plain = [
                qe.QueryRequest(len(fused), query=q, filter=these, with_payload=False)
                for q in (near, match)
            ]
            dense, lexical = (
                {str(hit.id): hit.score for hit in hits}
                for hits in self._shard.query_batch(qe.QueryBatchRequest(plain))
            )
            return ranked(fused, dense, lexical, limit)

        return await self._run(ask)

    async def count(self, where: Where = EVERYTHING) -> int:
        request = qe.CountRequest(exact=True, filter=_filter(where))
        return await self._run(lambda: self._shard.count(request))

    async def flush(self) -> None:
        await self._run(self._shard.flush)

    async def optimize(self) -> None:
        await self._run(self._shard.optimize)

    async def drop(self) -> None:
        await self.aclose()
        await to_thread.run_sync(lambda: shutil.rmtree(self._folder, ignore_errors=True))

    async def aclose(self) -> None:
        await self._run(self._shard.close)

    async def _run(self, call: Callable[[], T]) -> T:
        def translated() -> T:
            with _translated(self._folder):
                return call()

        return await to_thread.run_sync(translated)


def _schemas() -> dict[str, Any]:
    whole = qe.IntegerIndexParams(lookup=False, range=True)
    return {
        **{key: qe.KeywordIndexParams() for key in KEYWORDS},
        **{key: whole for key in INTEGERS},
        TERMS: qe.TextIndexParams(tokenizer=qe.TokenizerType.Word, scoring=True),
    }


def _filter(where: Where) -> qe.Filter | None:
    must: list[Any] = [
        qe.FieldCondition(key, match=qe.MatchAny(values)) for key, values in where.keywords
    ]
    if where.end_us is not None:
        must.append(qe.FieldCondition("start_us", range=qe.RangeFloat(lt=where.end_us)))
    if where.start_us is not None:
        ends_later = qe.FieldCondition("end_us", range=qe.RangeFloat(gt=where.start_us))
        starts_later = qe.FieldCondition("start_us", range=qe.RangeFloat(gte=where.start_us))
        must.append(qe.Filter(should=[ends_later, starts_later]))
    return qe.Filter(must=must) if must else None


def _need_space(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size_bytes + _SPARE_BYTES:
        needed = (size_bytes + _SPARE_BYTES) >> 20
        why = f"{free >> 20} MB are free; at least {needed} needed."
        raise disk_full(f"for the vectors in {folder}", why)


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except (StoreError, ValueError):
        raise
    except BaseException as error:
        # Edge raises bare Exceptions, and its panics are no Exceptions at all.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        text = str(error)
        if "No space left" in text:
            raise disk_full(f"for the vectors in {folder}", text) from error
        raise StoreError(
            f"The vectors in {folder} cannot be used.",
            why=f"Qdrant Edge says: {text[:300]}",
            fix="Close other programs that use this corpus; a damaged folder is rebuilt on open.",
        ) from error
