"""One pull: each file from the first source that gives it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib import import_module

from model_host.catalog.card import Card, PathSource, Source
from model_host.errors import (
    Cancelled,
    DiskFull,
    HashMismatch,
    SourceUnreachable,
    StoreError,
    SutradharError,
)
from model_host.store.job import Job
from model_host.store.layout import pins


def bring_all(card: Card, sources: Sequence[Source], job: Job) -> str:
    """Fill `job.staging` and say from where. Raises HashMismatch when that is all that failed,
    else SourceUnreachable with what each source answered; DiskFull and Cancelled at once."""
    _prepare(card, job)
    failures: list[SutradharError] = []
    used: list[str] = []
    for source in sources:
        missing = job.missing()
        names = [n for n in missing if isinstance(source, PathSource) or n in source.files]
        if not names:
            continue
        job.begin(names)
        job.tell(f"asking the {source.kind} source")
        try:
            import_module(f"model_host.store.sources.{source.kind}").bring(source, names, job)
            used.append(_describe(source))
        except (DiskFull, Cancelled):
            raise
        except (SourceUnreachable, StoreError) as error:
            failures.append(error)
    missing = job.missing()
    if not missing:
        job.begin([])
        return "; ".join(used)
    if failures and all(isinstance(error, HashMismatch) for error in failures):
        raise failures[0]
    raise SourceUnreachable(
        f"No source gave '{card.id}' ({', '.join(missing[:3])}{' …' * (len(missing) > 3)}).",
        why=" ".join(f"{error.what} {error.why}".strip() for error in failures),
        fix=next((error.fix for error in failures if error.fix), "")
        or "Check the network, then pull again: it goes on where it was.",
    )


def _prepare(card: Card, job: Job) -> None:
    """Folders to work in; files staged for another version of the card go away."""
    job.staging.mkdir(parents=True, exist_ok=True)
    job.parts.mkdir(parents=True, exist_ok=True)
    note = job.parts.parent / "pins.json"
    pinned = json.dumps(pins(card), sort_keys=True)
    if not note.is_file() or note.read_text(encoding="utf-8") != pinned:
        shutil.rmtree(job.staging)
        job.staging.mkdir()
        note.write_text(pinned, encoding="utf-8")
    job.require(job.unpacked_bytes())


def _describe(source: Source) -> str:
    if isinstance(source, PathSource):
        return f"path {source.path}"
    if source.kind == "hub":
        return f"hub {source.repo}@{source.revision}"
    packages = ", ".join(f"{name} {version}" for name, version in source.packages.items())
    return f"{source.kind} {packages}"
