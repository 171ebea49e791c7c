"""Qdrant through its client: a server (production) or local mode (tests; exact, without indexes).

Same ranking as Edge: the same BM25 over the same terms, the same RRF. What differs: local mode
scans (some 50 ms a query at 20,000 points), keeps no write-ahead log, and a server needs a
release that knows text queries over a scored text index.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as qm
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

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
from model_host.errors import StoreError, Unavailable, disk_full


class ClientStore:
    """A `VectorStore` over one collection. Make it with `open_server` or `open_local`."""

    def __init__(self, client: AsyncQdrantClient, collection: str, where: str) -> None:
        self._client = client
        self._collection = collection
        self._where = where

    @classmethod
    async def open_server(cls, url: str, collection: str, dimension: int) -> ClientStore:
        """Unavailable when nothing answers at `url`."""
        client = AsyncQdrantClient(url=url, check_compatibility=False)
        return await cls._open(client, collection, dimension, url)

    @classmethod
    async def open_local(cls, folder: Path | None, collection: str, dimension: int) -> ClientStore:
        """`folder` None: in memory."""
        with _translated(str(folder)):
            place: dict[str, Any] = {"path": str(folder)} if folder else {"location": ":memory:"}
            client = AsyncQdrantClient(**place)
        return await cls._open(client, collection, dimension, str(folder or "memory"))

    @classmethod
    async def _open(
        cls, client: AsyncQdrantClient, collection: str, dimension: int, where: str
    ) -> ClientStore:
        try:
            with _translated(where), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Payload indexes have no effect")
                if not await client.collection_exists(collection):
                    size = qm.VectorParams(size=dimension, distance=qm.Distance.COSINE)
                    await client.create_collection(collection, vectors_config={DENSE: size})
                for field, schema in _schemas().items():
                    await client.create_payload_index(collection, field, schema)
        except BaseException:
            await client.close()
            raise
        return cls(client, collection, where)

    async def upsert(self, points: Sequence[Point]) -> None:
        rows = [
            qm.PointStruct(id=p.id, vector={DENSE: p.vector.tolist()}, payload=p.payload)
            for p in points
        ]
        if rows:
            with _translated(self._where):
                await self._client.upsert(self._collection, rows, wait=True)

    async def delete(self, ids: Sequence[str]) -> None:
        with _translated(self._where):
            await self._client.delete(self._collection, list(ids), wait=True)

    async def query(
        self, vector: NDArray[np.float32], text: str, where: Where = EVERYTHING, limit: int = 20
    ) -> list[Scored]:
        halves: tuple[tuple[Any, str], ...] = (
            (vector.tolist(), DENSE),
            (qm.TextQuery(text=query_terms(text)), TERMS),
        )
        wanted, reach = _filter(where), prefetch_limit(limit)
        with _translated(self._where):
            found = await self._client.query_points(
                self._collection,
                prefetch=[
                    qm.Prefetch(query=query, using=using, filter=wanted, limit=reach)
                    for query, using in halves
                ],
                query=qm.RrfQuery(rrf=qm.Rrf(k=RRF_K)),
                limit=limit + 1,
                with_payload=False,
            )
            fused = [(str(hit.id), hit.score) for hit in found.points]
            if not fused:
                return []
            these = qm.Filter(must=[qm.HasIdCondition(has_id=[i for i, _ in fused])])
            plain = [
                await self._client.query_points(
                    self._collection,
                    query=query,
                    using=using,
                    query_filter=these,
                    limit=len(fused),
                    with_payload=False,
                )
                for query, using in halves
            ]
        dense, lexical = ({str(hit.id): hit.score for hit in reply.points} for reply in plain)
        return ranked(fused, dense, lexical, limit)

    async def count(self, where: Where = EVERYTHING) -> int:
        with _translated(self._where):
            reply = await self._client.count(self._collection, count_filter=_filter(where))
        return reply.count

    async def flush(self) -> None:
        """Nothing to do: every write waited until it was applied."""

    async def optimize(self) -> None:
        """Nothing to do: a server optimizes by itself, local mode has no indexes."""

    async def drop(self) -> None:
        with _translated(self._where):
            await self._client.delete_collection(self._collection)
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.close()


def _schemas() -> dict[str, Any]:
    return {
        **{key: qm.PayloadSchemaType.KEYWORD for key in KEYWORDS},
        **{key: qm.PayloadSchemaType.INTEGER for key in INTEGERS},
        TERMS: qm.TextIndexParams(
            type=qm.TextIndexType.TEXT, tokenizer=qm.TokenizerType.WORD, scoring=True
        ),
    }


def _filter(where: Where) -> qm.Filter | None:
    must: list[Any] = [
        qm.FieldCondition(key=key, match=qm.MatchAny(any=values)) for key, values in where.keywords
    ]
    if where.end_us is not None:
        must.append(qm.FieldCondition(key="start_us", range=qm.Range(lt=where.end_us)))
    if where.start_us is not None:
        ends_later = qm.FieldCondition(key="end_us", range=qm.Range(gt=where.start_us))
        starts_later = qm.FieldCondition(key="start_us", range=qm.Range(gte=where.start_us))
        must.append(qm.Filter(should=[ends_later, starts_later]))
    return qm.Filter(must=must) if must else None


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except (ResponseHandlingException, httpx.TransportError) as error:
        raise Unavailable(
            f"The Qdrant server at {where} does not answer.",
            why=str(error)[:300],
            fix="Start it, or set indexers.backend to 'edge'.",
        ) from error
    except (ApiException, ValueError, RuntimeError, OSError) as error:
        text = str(error)[:300]
        if "No space left" in text:
            raise disk_full(f"for the vectors at {where}", text) from error
        raise StoreError(f"Qdrant at {where} refused.", why=text) from error
