"""The store: every model's verified weight files in a folder of its own below one root."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from model_host.catalog.card import Card, PathSource
from model_host.errors import Busy, Cancelled, HashMismatch, ModelMissing, StoreError
from model_host.settings import HostSettings
from model_host.store.background import in_background
from model_host.store.job import Job, Listener, PullProgress, disk_full, free_bytes, sha256_of
from model_host.store.layout import Layout


class Store:
    def __init__(self, settings: HostSettings) -> None:
        self._layout = Layout(settings.models_root)
        self._offline = settings.offline

    def folder(self, card: Card) -> Path:
        return self._layout.folder(card.id)

    def is_present(self, card: Card) -> bool:
        """True when the files that the card pins are here. Reads the marker, not the files."""
        return not card.files or self._layout.is_present(card)

    async def pull(self, card: Card, listener: Listener | None = None) -> Path:
        """The model's folder, complete and verified; a no-op when it is present.

        Goes on from a stopped pull; waits when another process pulls the same model. `listener`
        is called on the event loop. Cancelling keeps what was downloaded. Raises ModelMissing
        (offline), SourceUnreachable (says what each source answered), HashMismatch, DiskFull,
        StoreError (the root cannot be written).
        """
        if self.is_present(card):
            return self.folder(card)
        loop = asyncio.get_running_loop()

        def forward(progress: PullProgress) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed
                if listener is not None:
                    loop.call_soon_threadsafe(listener, progress)

        return await in_background(lambda stop: self._pull(card, stop, forward))

    async def verify(self, card: Card) -> None:
        """Hash every file again. Raises ModelMissing or HashMismatch."""
        if not self.is_present(card):
            raise _missing(card)
        await in_background(lambda stop: self._verify(card, stop))

    def remove(self, card: Card | str) -> int:
        """Delete the model and what was downloaded of it; the bytes freed. Raises Busy while it
        is being pulled."""
        card_id = card if isinstance(card, str) else card.id
        partial = self._layout.partial(card_id)
        if not self._layout.folder(card_id).exists() and not partial.exists():
            return 0
        with self._writing(card_id), self._locked(card_id, None):
            freed = self._layout.size_bytes(card_id)
            self._layout.discard(card_id)
            shutil.rmtree(partial, ignore_errors=True)
            return freed

    def ids(self) -> list[str]:
        """Of what lies below the root: also of stopped pulls, and of cards that are gone."""
        return self._layout.ids()

    # -- on the background thread -----------------------------------------------------------

    def _pull(self, card: Card, stop: threading.Event, listener: Listener) -> Path:
        from model_host.store.pulling import bring_all

        job = Job(card, self._layout.partial(card.id), stop, listener)
        sources = [s for s in card.sources if isinstance(s, PathSource) or not self._offline]
        if not sources and job.missing():
            raise _missing(card, offline=True)
        with self._writing(card.id, job), self._locked(card.id, job):
            if not self.is_present(card):  # else: pulled by the one that we waited for
                source = bring_all(card, sources, job)
                self._layout.publish(card, job.staging, source)
                job.tell("ready")
        return self.folder(card)

    def _verify(self, card: Card, stop: threading.Event) -> None:
        def check() -> None:
            if stop.is_set():
                raise Cancelled("The check was stopped.")

        folder = self.folder(card)
        bad = [f.name for f in card.files if sha256_of(folder / f.name, check) != f.sha256]
        if bad:
            raise HashMismatch(
                f"Files of '{card.id}' have changed since they were pulled.",
                why=f"Another sha256 than the card's: {', '.join(bad)}.",
                fix=f"Run 'sutradhar models rm {card.id}', then 'sutradhar pull {card.id}'.",
            )

    @contextlib.contextmanager
    def _locked(self, card_id: str, job: Job | None) -> Iterator[None]:
        """Hold the model's lock. A job waits for it; without one, Busy."""
        from filelock import FileLock, Timeout

        path = self._layout.lock(card_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=0.2 if job else 0)
            except Timeout:
                if job is None:
                    raise Busy(
                        f"'{card_id}' is being pulled.",
                        fix="Wait for the pull to end, or stop it.",
                        retry_after_s=5.0,
                    ) from None
                job.check()
                job.tell("waiting for another pull of it")
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _writing(self, card_id: str, job: Job | None = None) -> Iterator[None]:
        """Failures of the disk as typed errors."""
        try:
            yield
        except OSError as error:
            root = self._layout.root
            if error.errno in (errno.ENOSPC, errno.EDQUOT) and job is not None:
                missing = max(1, job.unpacked_bytes() - free_bytes(root))
                raise disk_full(card_id, root, missing) from None
            raise StoreError(
                f"The store at {root} cannot be written.",
                why=f"{error.strerror or error}.",
                fix="Set SUTRADHAR_MODELS to a folder of yours, or change its permissions.",
            ) from None


def _missing(card: Card, offline: bool = False) -> ModelMissing:
    return ModelMissing(
        f"The model '{card.id}' is not on this machine.",
        why="Pulling is switched off (offline)." if offline else "",
        fix=f"Run 'sutradhar pull {card.id}' with a network ({card.download_bytes / 1e6:,.0f} MB).",
        card_id=card.id,
    )
