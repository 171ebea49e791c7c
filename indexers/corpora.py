"""Corpora: named folders of indexed sources, each owned by one process at a time.

    corpora_root/
      .locks/<name>.lock     flock, and who holds it
      <name>/corpus.json     schema version, id, embedding card, dimension
      <name>/moments.sqlite  sources, Moments, vectors: the source of truth (`docstore.py`)
      <name>/vectors/        the vector engine's copy: search and filters, rebuilt when damaged

`corpus.py` keeps the last two alike.
"""

from __future__ import annotations

import contextlib
import shutil
import unicodedata
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio import to_thread
from pydantic import BaseModel

from indexers.corpus import Corpus, Hit, Query, SourceInfo, open_engine
from indexers.docstore import Docstore
from indexers.errors import UnknownCorpus
from indexers.lock import owned
from indexers.manifest import SCHEMA_VERSION, Manifest, read_manifest, write_manifest
from indexers.settings import IndexSettings
from model_host.errors import InvalidInput, StoreError, UnknownName

__all__ = ["Corpora", "Corpus", "CorpusInfo", "Hit", "Query", "SourceInfo"]


class CorpusInfo(BaseModel):
    """A row of the list. `error` says why a damaged corpus cannot be opened."""

    name: str
    path: Path
    sources: int = 0
    moments: int = 0
    bytes: int = 0
    updated: datetime | None = None  # newest ingestion, UTC
    embedding_card: str | None = None
    error: str | None = None


class Corpora:
    """All corpora under one root."""

    def __init__(self, settings: IndexSettings) -> None:
        self.settings = settings
        self._root = settings.corpora_root

    def names(self) -> list[str]:
        """Sorted; an unreadable or missing root has none."""
        try:
            folders = [f for f in self._root.iterdir() if (f / "corpus.json").is_file()]
        except OSError:
            return []
        return sorted(f.name for f in folders if not f.name.startswith("."))

    def list(self) -> list[CorpusInfo]:
        """Every corpus by name; needs no lock, so it works while another process owns some."""
        return [_info(self._root / name) for name in self.names()]

    @contextlib.asynccontextmanager
    async def open(self, name: str, *, create: bool = False) -> AsyncIterator[Corpus]:
        """The corpus, owned by this process until the block ends.

        Raises InvalidInput (a name that cannot be), UnknownCorpus (with the nearest), CorpusBusy
        within 2 s naming the holder, StoreError (damaged, or made by a newer version).
        """
        folder = self._folder(name, create=create)
        async with self._owned(folder):
            manifest = await to_thread.run_sync(_read_or_make, folder, create, self.names)
            docs = await to_thread.run_sync(Docstore, folder / "moments.sqlite", manifest.name)
            corpus = Corpus(self.settings, folder, manifest, docs)
            try:
                await corpus.recover()
                yield corpus
            finally:
                with anyio.CancelScope(shield=True):
                    await corpus.aclose()

    async def remove(self, name: str) -> None:
        """Deletes a corpus with all its files; a damaged one, too. Raises as `open` does."""
        folder = self._folder(name, create=False)
        async with self._owned(folder):
            with contextlib.suppress(StoreError):
                manifest = read_manifest(folder)
                if manifest.dimension and self.settings.backend == "server":
                    await (await open_engine(self.settings, folder, manifest)).drop()
            doomed = self._root / f".removed-{uuid.uuid4().hex}"
            # Renamed first: a kill in between leaves no half corpus.
            await to_thread.run_sync(lambda: shutil.rmtree(folder.rename(doomed)))

    def _folder(self, name: str, *, create: bool) -> Path:
        name = unicodedata.normalize("NFC", name)
        valid = all(c in "_.-" or unicodedata.category(c)[0] in "LMN" for c in name)
        if not name or not valid or name[0] in ".-" or len(name.encode()) > 100:
            raise InvalidInput(
                f"'{name}' cannot name a corpus.",
                why="A name has letters, digits, '_', '.' and '-', starts with neither '.' nor "
                "'-', and takes at most 100 bytes.",
                fix="Choose another name.",
            )
        folder = self._root / name
        if not create and not (folder / "corpus.json").is_file():
            raise _unknown(name, self.names())
        return folder

    def _owned(self, folder: Path) -> contextlib.AbstractAsyncContextManager[None]:
        return owned(self._root / ".locks" / f"{folder.name}.lock", folder.name)


def _unknown(name: str, known: list[str]) -> UnknownName:
    fix = "" if known else "Make one with: sutradhar index PATH --corpus NAME."
    return UnknownCorpus.among("corpus", name, known, fix=fix)


def _read_or_make(folder: Path, create: bool, names: Callable[[], list[str]]) -> Manifest:
    if (folder / "corpus.json").is_file():
        return read_manifest(folder)
    if not create:  # removed while this command waited for the lock
        raise _unknown(folder.name, names())
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        id=uuid.uuid4().hex,
        name=folder.name,
    )
    write_manifest(folder, manifest)
    return manifest


def _info(folder: Path) -> CorpusInfo:
    info = CorpusInfo(name=folder.name, path=folder, bytes=_size_bytes(folder))
    try:
        manifest = read_manifest(folder)
        if not (folder / "moments.sqlite").is_file():
            return info
        with contextlib.closing(
            Docstore(folder / "moments.sqlite", manifest.name, read_only=True)
        ) as docs:
            sources, moments, _, newest_us = docs.counts()
    except StoreError as error:
        return info.model_copy(update={"error": str(error)})
    updated = datetime.fromtimestamp(newest_us / 1e6, UTC) if newest_us else None
    return info.model_copy(
        update={
            "sources": sources,
            "moments": moments,
            "updated": updated,
            "embedding_card": manifest.embedding_card,
        }
    )


def _size_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it may go while it is counted
            total += path.stat().st_blocks * 512  # what it takes: the engine's files are sparse
    return total
