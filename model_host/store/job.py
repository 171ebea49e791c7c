"""One pull while it runs: what it may touch, how far it is, when it must stop."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from model_host.catalog.card import Card, File
from model_host.errors import Cancelled, DiskFull, HashMismatch

Item = TypeVar("Item")

CHUNK_BYTES = 1 << 18
NOTIFY_BYTES = 1 << 20
NOTIFY_S = 0.25
LANES = 2


class PullProgress(NamedTuple):
    """`done_bytes` of `total_bytes` of the card's files are here, downloads counted in part."""

    card_id: str
    done_bytes: int
    total_bytes: int
    what: str


Listener = Callable[[PullProgress], None]


class Job:
    """What a source gets. `staging` collects verified files, `parts` keeps partial downloads."""

    def __init__(self, card: Card, folder: Path, stop: threading.Event, listener: Listener) -> None:
        self.card = card
        self.staging = folder / "files"
        self.parts = folder / "parts"
        self.hub_lock = folder.parent.parent / ".hub" / f"{card.id}.json"
        self._stop = stop
        self._failed = threading.Event()
        self._listener = listener
        self._lock = threading.Lock()
        self._base = self._span = 0  # the card's bytes before this source, and from it
        self._received = self._expected = 0  # bytes of this source's downloads
        self._seen = (0, 0.0)
        self._files = {file.name: file for file in card.files}

    def file(self, name: str) -> File:
        return self._files[name]

    def missing(self) -> list[str]:
        """Names of files that are not in `staging`; what is there has been verified."""
        return [name for name in self._files if not (self.staging / name).is_file()]

    # -- stopping -------------------------------------------------------------------------

    def check(self) -> None:
        """Raises Cancelled when the caller has gone or another download of this job failed."""
        if self._stop.is_set() or self._failed.is_set():
            raise Cancelled("The pull was stopped.", fix="Pull again: it goes on where it was.")

    def pause(self, seconds: float) -> None:
        self._stop.wait(seconds)
        self.check()

    def each(self, work: Callable[[Item], None], items: Iterable[Item]) -> None:
        """`work` on each item, two at a time. The first failure stops the others and is raised."""
        waiting = deque(items)
        failures: list[BaseException] = []

        def lane() -> None:
            while not failures:
                try:
                    item = waiting.popleft()
                except IndexError:
                    return
                try:
                    work(item)
                except BaseException as error:  # raised below, on the caller's thread
                    failures.append(error)
                    self._failed.set()

        threads = [threading.Thread(target=lane, daemon=True) for _ in range(LANES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._failed.clear()
        if failures:
            raise failures[0]

    # -- progress -------------------------------------------------------------------------

    def begin(self, names: Sequence[str]) -> None:
        """A source starts to bring `names`."""
        gone = set(self.missing())
        self._base = sum(file.size_bytes for name, file in self._files.items() if name not in gone)
        self._span = sum(self._files[name].size_bytes for name in names)
        self._received = self._expected = 0

    def expect(self, size_bytes: int) -> None:
        with self._lock:
            self._expected += size_bytes

    def advance(self, size_bytes: int, what: str) -> None:
        """Tell the listener, at least once a MiB and four times a second while bytes arrive."""
        with self._lock:
            self._received += size_bytes
            seen_bytes, seen_s = self._seen
            near = abs(self._received - seen_bytes) < NOTIFY_BYTES
            if near and time.monotonic() - seen_s < NOTIFY_S:
                return
        self.tell(what)

    def tell(self, what: str) -> None:
        """Tell the listener how far it is, now."""
        with self._lock:
            self._seen = (self._received, time.monotonic())
            part = min(1.0, self._received / self._expected) if self._expected else 0.0
            done = self._base + int(self._span * part)
            self._listener(PullProgress(self.card.id, done, self.card.download_bytes, what))

    # -- disk -----------------------------------------------------------------------------

    def require(self, size_bytes: int) -> None:
        """Raises DiskFull when fewer than `size_bytes` are free."""
        free = free_bytes(self.staging)
        if free < size_bytes:
            root = self.hub_lock.parent.parent
            raise disk_full(self.card.id, root, size_bytes - free)

    def unpacked_bytes(self) -> int:
        """What the files that are still missing will take."""
        return sum(self._files[name].size_bytes for name in self.missing())

    def save(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file and put it into `staging`. Raises HashMismatch when its bytes are not
        the card's; it never writes more than the card's size."""
        file = self._files[name]
        temporary = self.parts / "unpacking"
        digest, done = hashlib.sha256(), 0
        try:
            with temporary.open("wb") as out:
                for chunk in chunks:
                    self.check()
                    done += len(chunk)
                    if done > file.size_bytes:
                        raise mismatch(self.card.id, name, "it is longer than the card says")
                    out.write(chunk)
                    digest.update(chunk)
                    if done % NOTIFY_BYTES < len(chunk):
                        self.tell(f"unpacking {name}")
                out.flush()
                os.fsync(out.fileno())
            if digest.hexdigest() != file.sha256:
                raise mismatch(self.card.id, name, f"its sha256 is {digest.hexdigest()}")
            self.adopt(name, temporary)
        finally:
            temporary.unlink(missing_ok=True)

    def adopt(self, name: str, path: Path) -> None:
        """Move a file whose sha256 was found to be the card's into `staging`."""
        target = self.staging / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def disk_full(card_id: str, root: Path, missing_bytes: int) -> DiskFull:
    return DiskFull(
        f"The disk has no room for '{card_id}'.",
        why=f"{missing_bytes / 1e6:,.1f} MB more are needed below {root}.",
        fix="Free that much, or set SUTRADHAR_MODELS to another disk. "
        "What was downloaded is kept, so pull again.",
        missing_bytes=missing_bytes,
    )


def mismatch(card_id: str, name: str, why: str) -> HashMismatch:
    return HashMismatch(
        f"'{name}' of '{card_id}' is not the file that the card pins.",
        why=f"{why[0].upper()}{why[1:]}.",
        fix="Nothing of it was kept. Pull again; if it stays, the source has changed: "
        "use another source, or check the card.",
        file=name,
    )


def sha256_of(path: Path, check: Callable[[], None], algorithm: str = "sha256") -> str:
    """Hex digest of a file; `check` is called between blocks and may raise."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as data:
        while block := data.read(1 << 20):
            check()
            digest.update(block)
    return digest.hexdigest()
