"""The port that every engine implements. An engine lives in a worker process, never elsewhere.

An engine module has one class with the methods below, and a row in `model_host/catalog/engines.py`.
It is plain synchronous code: the worker calls it on threads, off its event loop, and at most
`card.memory.slots` calls at a time. One that also takes input while it runs (live audio) has

    def stream(self, request, inputs, cancel, emit): ...

which is like `run`, while `inputs` yields what the caller sends and ends when it is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from model_host.catalog.card import Card
from model_host.errors import Cancelled
from model_host.tasks import Event, Request, Result


class Cancel:
    """Set when the caller has gone. Check it between units of work."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raises Cancelled once the caller has gone."""
        if self._event.is_set():
            raise Cancelled("The call was cancelled.")

    def wait(self, timeout_s: float) -> bool:
        """Sleep for up to `timeout_s`; True as soon as the caller has gone."""
        return self._event.wait(timeout_s)


Emit = Callable[[Event], None]


class Engine(Protocol):
    """One loaded model.

    The constructor loads: `card` says which model and options, `folder` holds the verified weight
    files (None when the weights are part of a library or there are none), `threads` is how many
    cores it may use. It raises EngineMissing when a library is absent and EngineFailed (with the
    cause in `why`) when the model cannot be loaded.
    """

    def __init__(self, card: Card, folder: Path | None, threads: int) -> None: ...

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Result:
        """Serve one request: `emit` each event as soon as it is there (it blocks while the
        caller is slow), return the result. Raises InvalidInput for what the caller must change,
        Cancelled soon after `cancel` is set; anything else is reported as EngineFailed."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
