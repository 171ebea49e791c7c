"""The source of truth of a corpus: sources, Moments and vectors, in one SQLite file.

The vector engine holds nothing that is not here, so it can lag, break or be deleted: what it must
still learn stands in an outbox (`gone` ids, versions with `indexed = 0`) that the same transaction
fills which changes the Moments. LlamaIndex's docstore and ingestion cache keep one JSON file that
is rewritten as a whole: not crash-safe, and a lost write would mean another hour of transcription.

A *version* is one reading of one file. It comes in `read` (all drafts are here, the models that
read it need not run again), gets its vectors batch by batch, and is published `ready` in one
transaction that takes the place of the source's version before it. While a file is being read,
the models' answers about it are kept (`remember.py`), so that a killed reading goes on.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.moments import Moment, moment_id
from model_host.errors import StoreError, disk_full

_SCHEMA = """
CREATE TABLE IF NOT EXISTS version (
  vid INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL, content_hash TEXT NOT NULL, recipe TEXT NOT NULL, language TEXT,
  path BLOB NOT NULL, size_bytes INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'read' CHECK (state IN ('read', 'ready')),
  indexed INTEGER NOT NULL DEFAULT 0, ingested_us INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS one_source ON version(source) WHERE state = 'ready';
CREATE UNIQUE INDEX IF NOT EXISTS one_content ON version(content_hash) WHERE state = 'ready';
CREATE TABLE IF NOT EXISTS moment (
  vid INTEGER NOT NULL REFERENCES version ON DELETE CASCADE, seq INTEGER NOT NULL,
  id TEXT NOT NULL, modality TEXT NOT NULL, ordinal INTEGER NOT NULL, start_us INTEGER,
  draft TEXT NOT NULL, embed TEXT NOT NULL, vector BLOB, PRIMARY KEY (vid, seq));
CREATE INDEX IF NOT EXISTS moment_id ON moment(id);
CREATE TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answer (
  content_hash TEXT NOT NULL, call TEXT NOT NULL, seq INTEGER NOT NULL, frame BLOB NOT NULL,
  PRIMARY KEY (content_hash, call, seq)) WITHOUT ROWID;
"""
_MOMENT = "v.source, v.content_hash, v.ingested_us, m.modality, m.ordinal, m.draft"
_READY = "FROM moment m JOIN version v USING (vid) WHERE v.state = 'ready'"
_FIELDS = "vid, source, content_hash, recipe, language, path, size_bytes, state, ingested_us"


class Version(NamedTuple):
    vid: int
    source: str
    content_hash: str
    recipe: str
    language: str | None
    path: bytes  # as the file system has it: a name need not be text
    size_bytes: int
    state: str
    ingested_us: int


class Row(NamedTuple):
    """A Moment on its way in; `embed` is what the embedding model gets ("": no vector)."""

    modality: str
    ordinal: int
    start_us: int | None
    draft: str  # JSON of the Moment's other fields
    embed: str


class Docstore:
    """Synchronous and thread-safe; call it off the event loop.

    Every method raises DiskFull when the disk is full, StoreError when the file is damaged.
    """

    def __init__(self, path: Path, corpus: str, *, read_only: bool = False) -> None:
        self._corpus = corpus
        self._lock = threading.Lock()
        with _translated(path):
            # Not mode=ro: a reader of a WAL file must be able to make its shared-memory file.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._path = path
        try:
            with _translated(path):
                self._db.execute("PRAGMA foreign_keys = ON")
                if read_only:
                    self._db.execute("PRAGMA query_only = ON")
                else:
                    self._db.execute("PRAGMA journal_mode = WAL")
                    self._db.execute("PRAGMA synchronous = FULL")
                    self._db.executescript(_SCHEMA)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- versions -------------------------------------------------------------------------

    def versions(self, state: str = "ready") -> list[Version]:
        rows = self._all(f"SELECT {_FIELDS} FROM version WHERE state = ? ORDER BY source", state)
        return [Version(*row) for row in rows]

    def find(self, state: str, *, source: str | None = None, content_hash: str | None = None
             ) -> Version | None:  # fmt: skip
        """The newest version in `state` with this source name and content."""
        rows = self._all(
            f"SELECT {_FIELDS} FROM version WHERE state = ? AND source = ifnull(?, source) "
            "AND content_hash = ifnull(?, content_hash) ORDER BY vid DESC LIMIT 1",
            state, source, content_hash,
        )  # fmt: skip
        return Version(*rows[0]) if rows else None

    def stage(self, version: Version, rows: Sequence[Row]) -> Version:
        """Keeps a finished reading; earlier ones of this source or content that were never
        published go. `version.vid` is not used."""
        with self._write() as db:
            db.execute(
                "DELETE FROM version WHERE state = 'read' AND (source = ? OR content_hash = ?)",
                (version.source, version.content_hash),
            )
            db.execute("DELETE FROM answer WHERE content_hash = ?", (version.content_hash,))
            vid = db.execute(
                "INSERT INTO version (source, content_hash, recipe, language, path, size_bytes) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                version[1:7],
            ).lastrowid
            assert vid is not None
            ids = [
                moment_id(self._corpus, version.content_hash, r.modality, r.ordinal) for r in rows
            ]
            db.executemany(
                "INSERT INTO moment (vid, seq, id, modality, ordinal, start_us, draft, embed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(vid, seq, ids[seq], *row) for seq, row in enumerate(rows)],
            )
        return version._replace(vid=vid, state="read")

    def answers(self, content_hash: str, call: str) -> list[bytes]:
        """The frames of a model call about this content, if it was kept."""
        rows = self._all(
            "SELECT frame FROM answer WHERE content_hash = ? AND call = ? ORDER BY seq",
            content_hash, call,
        )  # fmt: skip
        return [row[0] for row in rows]

    def keep(self, content_hash: str, call: str, frames: Sequence[bytes]) -> None:
        """Until the content is staged."""
        with self._write() as db:
            db.executemany(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)",
                [(content_hash, call, seq, frame) for seq, frame in enumerate(frames)],
            )

    def to_embed(self, vid: int, limit: int) -> list[tuple[int, str]]:
        """(seq, text) of the next Moments that lack a vector."""
        return self._all(
            "SELECT seq, embed FROM moment WHERE vid = ? AND vector IS NULL AND embed <> '' "
            "ORDER BY seq LIMIT ?", vid, limit,
        )  # fmt: skip

    def embed_counts(self, vid: int) -> tuple[int, int]:
        """(with a vector, to have one)."""
        counted = self._all(
            "SELECT count(vector), count(*) FROM moment WHERE vid = ? AND embed <> ''", vid
        )
        return counted[0][0], counted[0][1]

    def set_vectors(self, vid: int, seqs: Sequence[int], vectors: NDArray[np.float32]) -> None:
        with self._write() as db:
            db.executemany(
                "UPDATE moment SET vector = ? WHERE vid = ? AND seq = ?",
                [(row.tobytes(), vid, seq) for seq, row in zip(seqs, vectors, strict=True)],
            )

    def publish(self, version: Version) -> int:
        """Makes a staged version the source's one; returns its number of Moments."""
        with self._write() as db:
            old = [
                row[0]
                for row in db.execute(
                    "SELECT vid FROM version WHERE state = 'ready' "
                    "AND (source = ? OR content_hash = ?)",
                    (version.source, version.content_hash),
                )
            ]
            for vid in old:
                _bury(db, vid)
            new = "SELECT id FROM moment WHERE vid = ? AND vector IS NOT NULL"
            db.execute(f"DELETE FROM gone WHERE id IN ({new})", (version.vid,))
            db.execute(
                "UPDATE version SET state = 'ready', indexed = 0, ingested_us = ?, source = ?, "
                "path = ? WHERE vid = ?",
                (time.time_ns() // 1000, version.source, version.path, version.vid),
            )
            count = db.execute("SELECT count(*) FROM moment WHERE vid = ?", (version.vid,))
            return int(count.fetchone()[0])

    def move(self, vid: int, source: str, path: bytes) -> None:
        """The same content has another name or path now; what had that name goes."""
        with self._write() as db:
            rival = "SELECT vid FROM version WHERE state = 'ready' AND source = ? AND vid <> ?"
            for row in db.execute(rival, (source, vid)).fetchall():
                _bury(db, row[0])
            db.execute(
                "UPDATE version SET indexed = indexed AND source = ?, source = ?, path = ? "
                "WHERE vid = ?",
                (source, source, path, vid),
            )

    def remove(self, vid: int) -> None:
        with self._write() as db:
            _bury(db, vid)

    # -- the outbox of the vector engine ----------------------------------------------------

    def gone(self) -> list[str]:
        return [row[0] for row in self._all("SELECT id FROM gone")]

    def unindexed(self) -> list[int]:
        rows = self._all("SELECT vid FROM version WHERE state = 'ready' AND NOT indexed")
        return [row[0] for row in rows]

    def vectors(self, vid: int, after: int, limit: int) -> list[tuple[int, Moment, Any]]:
        """(seq, Moment, vector) of the Moments that have one, in order, after `after`."""
        rows = self._all(
            f"SELECT m.seq, m.vector, {_MOMENT} FROM moment m JOIN version v USING (vid) "
            "WHERE vid = ? AND vector IS NOT NULL AND seq > ? ORDER BY seq LIMIT ?",
            vid, after, limit,
        )  # fmt: skip
        return [(r[0], self._moment(*r[2:]), np.frombuffer(r[1], dtype=np.float32)) for r in rows]

    def settle(self, vids: Sequence[int], gone: Sequence[str]) -> None:
        """The engine has durably taken these."""
        with self._write() as db:
            db.executemany("UPDATE version SET indexed = 1 WHERE vid = ?", [(v,) for v in vids])
            db.executemany("DELETE FROM gone WHERE id = ?", [(i,) for i in gone])

    def unsettle(self) -> None:
        """The engine lost everything: all of it is due again."""
        with self._write() as db:
            db.execute("UPDATE version SET indexed = 0")
            db.execute("DELETE FROM gone")

    # -- Moments --------------------------------------------------------------------------

    def counts(self) -> tuple[int, int, int, int]:
        """(sources, Moments, Moments with a vector, newest ingested_us) of what is published."""
        row = self._all(
            "SELECT count(DISTINCT vid), count(m.id), count(m.vector), "
            "ifnull(max(v.ingested_us), 0) FROM version v LEFT JOIN moment m USING (vid) "
            "WHERE v.state = 'ready'"
        )[0]
        return row[0], row[1], row[2], row[3]

    def count(self, vid: int) -> int:
        """Moments of one version."""
        return int(self._all("SELECT count(*) FROM moment WHERE vid = ?", vid)[0][0])

    def modalities(self) -> dict[int, dict[str, int]]:
        """vid → modality → number of Moments."""
        found: dict[int, dict[str, int]] = {}
        for vid, modality, n in self._all(
            f"SELECT vid, modality, count(*) {_READY} GROUP BY vid, modality ORDER BY modality"
        ):
            found.setdefault(vid, {})[modality] = n
        return found

    def moments(self, source: str | None = None) -> list[Moment]:
        """By source, then time (documents: reading order)."""
        return self._moments(
            "AND v.source = ifnull(?, v.source) ORDER BY v.source, m.start_us, m.seq", source
        )

    def by_ids(self, ids: Sequence[str]) -> dict[str, Moment]:
        marks = ",".join("?" * len(ids))
        return {m.moment_id: m for m in self._moments(f"AND m.id IN ({marks})", *ids)}

    def between(self, moment: Moment, first: int, last: int) -> list[Moment]:
        """Moments of the same source and modality with these ordinals (both included)."""
        return self._moments(
            "AND v.source = ? AND m.modality = ? AND m.ordinal BETWEEN ? AND ? ORDER BY m.ordinal",
            moment.source, moment.modality, first, last,
        )  # fmt: skip

    def _moments(self, rest: str, *values: Any) -> list[Moment]:
        return [self._moment(*r) for r in self._all(f"SELECT {_MOMENT} {_READY} {rest}", *values)]

    def _moment(self, source: str, content_hash: str, ingested_us: int, modality: str, ordinal: int,
                draft: str) -> Moment:  # fmt: skip
        known = Moment.model_validate_json(draft)
        return known.model_copy(
            update={
                "corpus": self._corpus, "source": source, "content_hash": content_hash,
                "ingested_us": ingested_us, "modality": modality, "ordinal": ordinal,
            }
        )  # fmt: skip

    # -- plumbing ---------------------------------------------------------------------------

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with self._lock, _translated(self._path):
            return self._db.execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have rolled it back already
                    self._db.execute("ROLLBACK")
                raise


def _bury(db: sqlite3.Connection, vid: int) -> None:
    """Deletes a version and leaves word for the vector engine."""
    db.execute(
        "INSERT OR IGNORE INTO gone SELECT id FROM moment WHERE vid = ? AND vector IS NOT NULL",
        (vid,),
    )
    db.execute("DELETE FROM version WHERE vid = ?", (vid,))


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        free = _free_bytes(path.parent)
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and free < 1 << 20):
            raise disk_full(f"for {path}") from error
        raise StoreError(
            f"The corpus file {path} cannot be used.",
            why=f"SQLite says: {error}.",
            fix="Restore it from a copy, or remove the corpus and index again.",
        ) from error


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
