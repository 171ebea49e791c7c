"""Which files a list of paths means, and what is in them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model_host.errors import InvalidInput, SutradharError, UnreadableMedia


@dataclass(slots=True)
class Found:
    """`folders` were walked: what the corpus has from them and is no longer there has left."""

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)  # and why
    refused: list[tuple[Path, SutradharError]] = field(default_factory=list)  # named, but unusable


def find_files(paths: Sequence[Path], supported: Callable[[Path], bool]) -> Found:
    """Files as given; folders walked in name order, without hidden and unsupported files.

    Links are followed, each folder is entered once (a loop ends). Paths come back absolute.
    """
    found = Found()
    seen: set[Path] = set()
    for given in paths:
        # A linked file keeps its own name; what is above it is resolved, to compare paths.
        path = Path(os.path.realpath(given.parent)) / given.name
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            found.refused.append((path, InvalidInput(f"{given} cannot be read.", why=f"{why}.")))
            continue
        if stat.S_ISDIR(mode):
            folder = Path(os.path.realpath(given))
            found.folders.append(folder)
            candidates: Iterator[Path] = _walk(folder, supported, found.skipped)
        elif stat.S_ISREG(mode):
            candidates = iter([path])
        else:
            what = InvalidInput(f"{given} is no file.", fix="Give files or folders.")
            found.refused.append((path, what))
            continue
        for candidate in candidates:
            if candidate not in seen:
                seen.add(candidate)
                found.files.append(candidate)
    return found


def _walk(
    top: Path, supported: Callable[[Path], bool], skipped: list[tuple[Path, str]]
) -> Iterator[Path]:
    entered: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        skipped.append((Path(error.filename), f"cannot be read: {error.strerror}"))

    for here, folders, names in os.walk(top, followlinks=True, onerror=unreadable):
        info = os.stat(here)
        if (info.st_dev, info.st_ino) in entered:
            folders.clear()
            continue
        entered.add((info.st_dev, info.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(here, name)
            if name.startswith("."):
                continue
            if not path.is_file():
                skipped.append((path, "not a regular file"))
            elif not supported(path):
                skipped.append((path, "no reader for this kind of file"))
            else:
                yield path


@dataclass(frozen=True, slots=True)
class Content:
    """What a file held when it was hashed."""

    sha256: str
    size_bytes: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Content:
        """Reads the file once. Raises UnreadableMedia."""
        try:
            with path.open("rb") as file:
                info = os.fstat(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UnreadableMedia(f"{path} cannot be read.", why=f"{error.strerror}.") from error
        return cls(digest, info.st_size, info.st_mtime_ns)

    def still_in(self, path: Path) -> bool:
        """Whether the file looks untouched since."""
        try:
            info = path.stat()
        except OSError:
            return False
        return (info.st_size, info.st_mtime_ns) == (self.size_bytes, self.changed_ns)
