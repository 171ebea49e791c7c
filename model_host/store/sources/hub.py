"""Weight files in a repository of the Hugging Face hub, or of a server that speaks its routes.

The revision is resolved once. The commit and each file's ETag are recorded in a lock file that
outlives the model's folder, and every later pull must find the same. The library resolves and
authorizes (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE); the bytes come through our own `fetch`, because
the library's downloads do not go on after their process ends.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from model_host.catalog.card import HubSource
from model_host.errors import SourceUnreachable
from model_host.store.fetch import Remote, fetch, open_http, public
from model_host.store.job import Job, mismatch

T = TypeVar("T")


class LockedFile(BaseModel):
    etag: str
    sha256: str
    size_bytes: int


class HubLock(BaseModel):
    """What the hub said when the revision was resolved. `files` is by path in the repository."""

    repo: str
    revision: str
    commit: str
    files: dict[str, LockedFile] = {}


def bring(source: HubSource, names: Sequence[str], job: Job) -> None:
    endpoint = os.environ.get("HF_ENDPOINT") or None
    path = job.hub_lock
    lock = _read_lock(path, source) or HubLock(
        repo=source.repo, revision=source.revision, commit=_resolve(source, endpoint)
    )
    _write_lock(path, lock)
    remotes = {name: _remote(source, name, lock, job, endpoint) for name in names}
    _write_lock(path, lock)
    job.require(job.unpacked_bytes() - sum(p.stat().st_size for p in job.parts.iterdir()))

    with open_http() as client:

        def download(name: str) -> None:
            job.adopt(name, fetch(remotes[name], job, client))

        job.each(download, names)


def _resolve(source: HubSource, endpoint: str | None) -> str:
    """The commit that the revision is now."""
    from huggingface_hub import HfApi

    if re.fullmatch(r"[0-9a-f]{40}", source.revision):
        return source.revision
    api = HfApi(endpoint=endpoint)
    info = _ask(source, lambda: api.model_info(source.repo, revision=source.revision))
    if not info.sha:
        raise SourceUnreachable(f"The hub names no commit for {source.repo}@{source.revision}.")
    return info.sha


def _remote(source: HubSource, name: str, lock: HubLock, job: Job, endpoint: str | None) -> Remote:
    """The file at the locked commit, once the hub's own words about it agree with card and lock."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    inside, file = source.files[name], job.file(name)
    url = hf_hub_url(source.repo, inside, revision=lock.commit, endpoint=endpoint)
    meta = _ask(source, lambda: get_hf_file_metadata(url, endpoint=endpoint))
    job.check()
    etag = meta.etag or ""
    if meta.commit_hash != lock.commit:
        why = f"the hub answered with commit {meta.commit_hash}, locked is {lock.commit}"
        raise mismatch(job.card.id, name, why)
    locked = lock.files.get(inside)
    if locked is not None and locked.etag != etag:
        raise mismatch(job.card.id, name, f"its ETag at commit {lock.commit[:12]} has changed")
    hashed = re.fullmatch(r"[0-9a-f]{64}", etag)  # large files: the ETag is the sha256
    if (hashed and etag != file.sha256) or meta.size not in (None, file.size_bytes):
        why = f"the hub's {source.repo} has {meta.size} bytes with ETag {etag}"
        raise mismatch(job.card.id, name, why)
    lock.files[inside] = LockedFile(etag=etag, sha256=file.sha256, size_bytes=file.size_bytes)
    return Remote(
        url, name, digest=file.sha256, size_bytes=file.size_bytes, headers=build_hf_headers()
    )


def _ask(source: HubSource, question: Callable[[], T]) -> T:
    """The library raises errors of its own, of its HTTP library and of the system."""
    try:
        return question()
    except Exception as error:
        said = str(error).strip().splitlines() or [""]
        raise SourceUnreachable(
            f"The hub does not give {source.repo}@{source.revision}.",
            why=f"{type(error).__name__}: {public(said[0])}".rstrip(": "),
        ) from None


def _read_lock(path: Path, source: HubSource) -> HubLock | None:
    """The lock of this repository and revision; None when there is none, or it is another's."""
    try:
        lock = HubLock.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None
    same = (lock.repo, lock.revision) == (source.repo, source.revision)
    return lock if same else None


def _write_lock(path: Path, lock: HubLock) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(lock.model_dump_json(indent=1), encoding="utf-8")
    temporary.replace(path)
