"""Archives are untrusted: what is not exactly the pinned regular member is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from model_host.errors import StoreError
from model_host.store import archive
from model_host.store.archive import open_archive, read_joined
from tests.unit.model_host.store.shelf import tgz_bytes, zip_bytes


def read(data: bytes, member: str, size_bytes: int, folder: Path) -> bytes:
    path = folder / "archive"
    path.write_bytes(data)
    with open_archive(path, "toy.whl", folder, lambda: None) as opener:
        return b"".join(read_joined([(opener, member)], "file", size_bytes))


def zip_with(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the duplicates that we want
        change(made)
    return buffer.getvalue()


def tar_with(info: tarfile.TarInfo, data: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def zip_link(made: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("w")
    info.external_attr = 0o120777 << 16
    made.writestr(info, "/etc/passwd")


def twice(made: zipfile.ZipFile) -> None:
    made.writestr("w", b"one")
    made.writestr("w", b"two")


def lzma_member(made: zipfile.ZipFile) -> None:
    made.writestr("w", b"12345", compress_type=zipfile.ZIP_LZMA)


def lying_zip() -> bytes:
    """The directory says 5 bytes; the member unpacks to a million."""
    data = zip_bytes({"w": b"\0" * 1_000_000})
    return data.replace((1_000_000).to_bytes(4, "little"), (5).to_bytes(4, "little"))


def flipped() -> bytes:
    data = bytearray(zip_bytes({"w": bytes(range(256)) * 40}))
    data[60] ^= 0xFF
    return bytes(data)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "not an archive": (b"hello", "damaged"),
    "empty": (b"", "damaged"),
    "truncated zip": (zip_bytes({"w": b"12345"})[:-30], "damaged"),
    "truncated tgz": (tgz_bytes({"w": b"12345" * 99})[:-12], "damaged"),
    "no such member": (zip_bytes({"x": b"12345"}), "holds 'w' 0 times"),
    "no such member, tgz": (tgz_bytes({"x": b"12345"}), "holds 'w' 0 times"),
    "another folder's": (zip_bytes({"../w": b"12345", "a/w": b"12345"}), "0 times"),
    "two of one name": (zip_with(twice), "2 times"),
    "longer than the card says": (zip_bytes({"w": b"123456"}), "have 6 bytes, the card says 5"),
    "zip bomb": (zip_bytes({"w": b"\0" * 50_000_000}), "the card says 5"),
    "zip bomb that lies": (lying_zip(), "damaged"),
    "damaged member": (flipped(), "damaged|card says"),
    "symbolic link": (zip_with(zip_link), "not a regular file"),
    "symbolic link, tgz": (tar_with(link("w", "/etc/passwd")), "not a regular file"),
    "unusual compression": (zip_with(lzma_member), "unusual"),
}


@pytest.mark.parametrize(("data", "says"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_are_refused(data: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=says):
        read(data, "w", 5, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"archive"}


def test_a_gzip_that_grows_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "TAR_BYTES", 3 << 20)
    with pytest.raises(StoreError, match="grows without end"):
        read(gzip.compress(b"\0" * (64 << 20)), "w", 5, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"archive"}


def test_an_archive_with_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MEMBERS", 3)
    with pytest.raises(StoreError, match="more than 3 members"):
        read(tgz_bytes({str(i): b"" for i in range(5)}), "1", 1, tmp_path)


@pytest.mark.parametrize("make", [zip_bytes, tgz_bytes])
def test_names_that_lead_outside_are_only_names(
    make: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    data = make({"../escaped": b"bad", "/tmp/escaped": b"bad", "w": b"12345"})
    assert read(data, "w", 5, folder) == b"12345"
    assert {p.name for p in tmp_path.rglob("*")} == {"in", "archive"}


@pytest.mark.parametrize("make", [zip_bytes, tgz_bytes])
def test_members_are_joined_in_the_cards_order(
    make: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "archive"
    path.write_bytes(make({"two": b"world", "one": b"hello "}))
    with open_archive(path, "toy", tmp_path, lambda: None) as opener:
        joined = b"".join(read_joined([(opener, "one"), (opener, "two")], "file", 11))
    assert joined == b"hello world"
