"""One open corpus: search it, list it, change it.

Every change goes to SQLite first (`docstore.py`), in one transaction that also notes what the
vector engine must learn; then the engine is brought up to date. A process that is killed in between
does that when it opens the corpus again, so both hold the same Moments, and no model runs twice.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio
import numpy as np
from anyio import to_thread
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from indexers.docstore import Docstore, Version
from indexers.manifest import Manifest, write_manifest
from indexers.moments import Modality, Moment
from indexers.settings import IndexSettings
from indexers.vectors import open_store
from indexers.vectors.port import VectorStore, Where, point
from model_host.errors import DiskFull, InvalidInput, StoreError, UnknownName
from model_host.tasks import Embedded, EmbedText

if TYPE_CHECKING:
    from model_host.client import Client

_BATCH = 256
_FLUSH_AFTER = 200  # sources and deleted Moments


class Query(BaseModel):
    """What to look for. Times restrict to Moments that overlap [start_us, end_us)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    k: int = Field(20, ge=1, le=1000)
    modalities: tuple[Modality, ...] = ()
    sources: tuple[str, ...] = ()
    language: str | None = None
    start_us: int | None = None
    end_us: int | None = None


class Hit(NamedTuple):
    """`score` orders (RRF of both rankings); `dense` is a cosine, `lexical` BM25's (0: none)."""

    moment: Moment
    score: float
    dense: float
    lexical: float


class SourceInfo(BaseModel):
    name: str
    path: str
    content_hash: str
    size_bytes: int
    moments: dict[str, int]  # modality → how many
    language: str | None  # as asked for when it was indexed
    ingested_us: int  # wall clock, microseconds since the Unix epoch


class Corpus:
    """One open corpus; get it from `Corpora.open`. Searches may run while sources are added."""

    def __init__(
        self, settings: IndexSettings, folder: Path, manifest: Manifest, docs: Docstore
    ) -> None:
        self.settings = settings
        self.name = manifest.name
        self._folder = folder
        self._manifest = manifest
        self._docs = docs
        self._store: VectorStore | None = None
        self._told: set[int] = set()  # versions that the engine has, but not yet durably
        self._untold: set[str] = set()  # ids that it has dropped, likewise
        self._writing = anyio.Lock()

    @property
    def embedding_card(self) -> str | None:
        """The card that made the vectors, None before the first."""
        return self._manifest.embedding_card

    @property
    def docs(self) -> Docstore:
        """For ingestion: staging and look-ups. What is published goes through this class."""
        return self._docs

    # -- reading ----------------------------------------------------------------------------

    async def search(self, query: Query, client: Client) -> list[Hit]:
        """The Moments nearest to the question, best first. Raises InvalidInput for an empty text,
        UnknownName for an unknown source, and what the embedding model raises."""
        if not query.text.strip():
            raise InvalidInput("The question is empty.", fix="Ask something.")
        if query.sources:
            known = {v.source for v in await to_thread.run_sync(self._docs.versions)}
            for source in query.sources:
                if source not in known:
                    raise UnknownName.among("source", source, known)
        if self._store is None:
            return []
        request = EmbedText(texts=(query.text,), kind="query")
        result = (await client.run(request, model=self.embedding_card)).result
        assert isinstance(result, Embedded)
        where = Where(
            sources=query.sources,
            modalities=query.modalities,
            languages=(query.language,) if query.language else (),
            start_us=query.start_us,
            end_us=query.end_us,
        )
        scored = await self._store.query(result.vectors[0], query.text, where, query.k)
        found = await to_thread.run_sync(self._docs.by_ids, [s.id for s in scored])
        return [Hit(found[s.id], *s[1:]) for s in scored if s.id in found]

    async def sources(self) -> list[SourceInfo]:
        """By name."""

        def collect() -> list[SourceInfo]:
            counts = self._docs.modalities()
            return [
                SourceInfo(
                    name=v.source,
                    path=printable(v.path),
                    content_hash=v.content_hash,
                    size_bytes=v.size_bytes,
                    moments=counts.get(v.vid, {}),
                    language=v.language,
                    ingested_us=v.ingested_us,
                )
                for v in self._docs.versions()
            ]

        return await to_thread.run_sync(collect)

    async def moments(self, source: str | None = None) -> list[Moment]:
        """By source, then start (documents: reading order). UnknownName for an unknown source."""
        if source is not None:
            await self._version(source)
        return await to_thread.run_sync(self._docs.moments, source)

    async def neighbours(self, moment: Moment, before: int = 1, after: int = 1) -> list[Moment]:
        """The Moments around this one in its source and modality, in order, without it."""
        first, last = moment.ordinal - before, moment.ordinal + after
        near = await to_thread.run_sync(self._docs.between, moment, first, last)
        return [other for other in near if other.ordinal != moment.ordinal]

    # -- writing ----------------------------------------------------------------------------

    async def remove_source(self, name: str) -> None:
        """UnknownName when there is none of this name."""
        version = await self._version(name)
        async with self._writing:
            await to_thread.run_sync(self._docs.remove, version.vid)
            await self._catch_up()

    async def publish(self, version: Version) -> int:
        """A staged version takes its source's place; how many Moments it has."""
        async with self._writing:
            count = await to_thread.run_sync(self._docs.publish, version)
            await self._catch_up()
        return count

    async def move_source(self, version: Version, source: str, path: bytes) -> None:
        """The same content under another name or path."""
        async with self._writing:
            await to_thread.run_sync(self._docs.move, version.vid, source, path)
            self._told.discard(version.vid)
            await self._catch_up()

    async def add_vectors(
        self, vid: int, seqs: list[int], vectors: NDArray[np.float32], card_id: str
    ) -> None:
        """Keeps the vectors of staged Moments. StoreError when another model made the others."""
        dimension = int(vectors.shape[1])
        async with self._writing:
            made_by = (self._manifest.embedding_card, self._manifest.dimension)
            if made_by == (None, None):
                update = {"embedding_card": card_id, "dimension": dimension}
                manifest = self._manifest.model_copy(update=update)
                await to_thread.run_sync(write_manifest, self._folder, manifest)
                self._manifest = manifest
                self._store = await open_engine(self.settings, self._folder, manifest)
            elif made_by != (card_id, dimension):
                raise StoreError(
                    f"The vectors of '{self.name}' were made by {made_by[0]} ({made_by[1]} "
                    f"numbers), not by {card_id} ({dimension}).",
                    why="Vectors of two models cannot be compared.",
                    fix="Index into a new corpus.",
                )
            await to_thread.run_sync(self._docs.set_vectors, vid, seqs, vectors)

    async def settle(self) -> None:
        """After a run: the engine's copy is durable and its indexes are built."""
        async with self._writing:
            await self._flush()
            if self._store is not None:
                await self._store.optimize()

    # -- the engine ---------------------------------------------------------------------------

    async def recover(self) -> None:
        """Opens the engine and finishes what a killed process left undone."""
        async with self._writing:
            if self._manifest.dimension is None:
                return
            try:
                self._store = await open_engine(self.settings, self._folder, self._manifest)
                try:
                    await self._catch_up()
                except DiskFull:
                    return  # it answers with what it has; the rest stays due
                if await self._store.count() == (await to_thread.run_sync(self._docs.counts))[2]:
                    return
                await self._store.drop()
            except StoreError:
                if self.settings.backend == "server":
                    raise
                if self._store is not None:
                    with contextlib.suppress(StoreError):
                        await self._store.aclose()
                shutil.rmtree(self._folder / "vectors", ignore_errors=True)
            self._store = None
            self._told.clear()
            self._untold.clear()
            await to_thread.run_sync(self._docs.unsettle)
            self._store = await open_engine(self.settings, self._folder, self._manifest)
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Tells the engine what it does not know yet. Hold `_writing`."""
        docs, store = self._docs, self._store
        gone = [i for i in await to_thread.run_sync(docs.gone) if i not in self._untold]
        vids = [v for v in await to_thread.run_sync(docs.unindexed) if v not in self._told]
        if store is not None:
            for first in range(0, len(gone), _BATCH):
                await store.delete(gone[first : first + _BATCH])
            self._untold.update(gone)
            for vid in vids:
                after = -1
                while rows := await to_thread.run_sync(docs.vectors, vid, after, _BATCH):
                    points = [point(moment, vector) for _, moment, vector in rows]
                    await store.upsert(points)
                    self._untold.difference_update(p.id for p in points)  # it came back
                    after = rows[-1][0]
        self._told.update(vids)
        if len(self._told) + len(self._untold) >= _FLUSH_AFTER:
            await self._flush()

    async def _flush(self) -> None:
        """A flush takes half a second: not after each source. SQLite has them all until then."""
        if self._told or self._untold:
            if self._store is not None:
                await self._store.flush()
            await to_thread.run_sync(self._docs.settle, list(self._told), list(self._untold))
            self._told.clear()
            self._untold.clear()

    async def aclose(self) -> None:
        """Closes the files; `Corpora.open` calls it."""
        try:
            await self._flush()
        finally:
            try:
                if self._store is not None:
                    await self._store.aclose()
            finally:
                self._docs.close()

    async def _version(self, source: str) -> Version:
        versions = {v.source: v for v in await to_thread.run_sync(self._docs.versions)}
        if source not in versions:
            raise UnknownName.among("source", source, versions)
        return versions[source]


def printable(name: str | bytes) -> str:
    """A file name as text: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


async def open_engine(settings: IndexSettings, folder: Path, manifest: Manifest) -> VectorStore:
    assert manifest.dimension is not None
    collection = f"sutradhar_{manifest.id}"
    return await open_store(settings, folder / "vectors", collection, manifest.dimension)
