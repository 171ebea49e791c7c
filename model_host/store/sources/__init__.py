"""Where weights come from. A source is one verb:

    bring(source, names, job)     # puts each of `names`, verified, into job.staging

It raises SourceUnreachable, HashMismatch or StoreError (the next source is tried), DiskFull or
Cancelled (the pull ends). A module is imported when a card needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from model_host.store.job import Job

SOURCES: dict[str, str] = {
    "hub": "model_host.store.sources.hub",
    "npm": "model_host.store.sources.npm",
    "path": "model_host.store.sources.path",
    "wheel": "model_host.store.sources.wheel",
}


class Bring(Protocol):
    def __call__(self, source: Any, names: Sequence[str], job: Job, /) -> None: ...


def source_verb(kind: str) -> Bring:
    verb: Bring = import_module(SOURCES[kind]).bring
    return verb
