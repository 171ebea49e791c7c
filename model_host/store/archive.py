"""Published packages as archives of untrusted bytes: members by exact name, sizes bounded."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO

from model_host.errors import StoreError
from model_host.store.job import CHUNK_BYTES

Check = Callable[[], None]  # raises when the work must stop
Opener = Callable[[str], tuple[int, IO[bytes]]]  # member -> its size, its bytes

TAR_BYTES = 8 << 30  # a .tgz that grows beyond this is refused
MEMBERS = 100_000
BAD = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)


@contextlib.contextmanager
def open_archive(path: Path, name: str, scratch: Path, check: Check) -> Iterator[Opener]:
    """Open a wheel or an npm package. Only regular members that are named exactly can be read;
    nothing is ever unpacked by the archive's own names. Raises StoreError when it is damaged."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield lambda member: _zip_member(archive, name, member)
        else:
            flat = scratch / f"{path.name[:40]}.tar"
            try:
                _gunzip(path, flat, name, check)
                with tarfile.open(flat, "r:") as tar:
                    members = _tar_members(tar, name)
                    yield lambda member: _tar_member(tar, members, name, member)
            finally:
                flat.unlink(missing_ok=True)
    except BAD as error:
        raise refused(name, f"it is damaged ({error or type(error).__name__})") from None


def read_joined(
    parts: list[tuple[Opener, str]], name: str, size_bytes: int
) -> Generator[bytes, None, None]:
    """The bytes of the members, one after another: exactly `size_bytes`, or StoreError before
    the first byte is read. Close it."""
    with contextlib.ExitStack() as stack:
        declared, streams = 0, []
        for opener, member in parts:
            size, stream = opener(member)
            declared += size
            streams.append(stack.enter_context(stream))
        if declared != size_bytes:
            problem = f"the members of {name} have {declared} bytes, the card says {size_bytes}"
            raise refused(parts[0][1], problem)
        for stream in streams:
            while block := stream.read(CHUNK_BYTES):
                yield block


def refused(name: str, why: str) -> StoreError:
    return StoreError(
        f"The archive {name} cannot be used.",
        why=f"{why[0].upper()}{why[1:]}.",
        fix="Check the card's source: package, version and paths.",
    )


def _zip_member(archive: zipfile.ZipFile, name: str, member: str) -> tuple[int, IO[bytes]]:
    found = [info for info in archive.infolist() if info.filename == member]
    if len(found) != 1:
        raise refused(name, f"it holds '{member}' {len(found)} times")
    info = found[0]
    unix_kind = (info.external_attr >> 16) & 0o170000
    if info.is_dir() or unix_kind not in (0, 0o100000):
        raise refused(name, f"'{member}' is not a regular file")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refused(name, f"'{member}' is encrypted or compressed in an unusual way")
    return info.file_size, archive.open(info)


def _gunzip(path: Path, flat: Path, name: str, check: Check) -> None:
    done = 0
    with gzip.open(path) as packed, flat.open("wb") as out:
        while block := packed.read(1 << 20):
            check()
            done += len(block)
            if done > min(TAR_BYTES, max(1 << 30, 200 * path.stat().st_size)):
                raise refused(name, "it grows without end when it is unpacked")
            out.write(block)


def _tar_members(tar: tarfile.TarFile, name: str) -> dict[str, list[tarfile.TarInfo]]:
    members: dict[str, list[tarfile.TarInfo]] = {}
    for count, info in enumerate(tar):
        if count >= MEMBERS:
            raise refused(name, f"it has more than {MEMBERS} members")
        members.setdefault(info.name, []).append(info)
    return members


def _tar_member(
    tar: tarfile.TarFile, members: dict[str, list[tarfile.TarInfo]], name: str, member: str
) -> tuple[int, IO[bytes]]:
    found = members.get(member, [])
    if len(found) != 1:
        raise refused(name, f"it holds '{member}' {len(found)} times")
    stream = tar.extractfile(found[0]) if found[0].isreg() and not found[0].issparse() else None
    if stream is None:
        raise refused(name, f"'{member}' is not a regular file")
    return found[0].size, stream
