"""The store between processes and on real file systems, against a server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from model_host.catalog.card import Card
from model_host.errors import DiskFull, StoreError
from model_host.settings import HostSettings
from model_host.store import Store
from model_host.store.job import Job
from tests.unit.model_host.store.shelf import Fault, Shelf, card_of, wheel_source

BIG = random.Random(11).randbytes(4_000_000)
ROOT = Path(__file__).parents[3]

PULL = """
import asyncio, sys
from pathlib import Path
from model_host.catalog.card import Card
from model_host.settings import HostSettings
from model_host.store import Store

card = Card.model_validate_json(Path(sys.argv[1]).read_text())
store = Store(HostSettings(home=Path("/nowhere"), models_root=Path(sys.argv[2])))
asyncio.run(store.pull(card, lambda p: print(p.what, p.done_bytes, flush=True)))
"""


@pytest.fixture
async def shelf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    """The index that pip is set up with here and in child processes."""
    async with Shelf().serve() as server:
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        monkeypatch.setattr("model_host.store.fetch.BACKOFF_S", (0.0, 0.0, 0.0))
        yield server


def big_card(shelf: Shelf) -> tuple[Card, str]:
    path = shelf.add_wheel("toy-weights", "1.0", {"toy/model.bin": BIG})
    source = wheel_source({"model.bin": ["toy-weights:toy/model.bin"]}, **{"toy-weights": "1.0"})
    return card_of({"model.bin": BIG}, source), path


def store_at(root: Path) -> Store:
    return Store(HostSettings(home=Path("/nowhere"), models_root=root))


@contextlib.asynccontextmanager
async def puller(card: Card, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that pulls `card` into `folder`/models and says how far it is."""
    file = folder / "card.json"
    file.write_text(card.model_dump_json())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PULL, str(file), str(folder / "models")),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_two_processes_download_once(shelf: Shelf, tmp_path: Path) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(hold=1_000_000)]
    async with puller(card, tmp_path) as first:
        await shelf.held.wait()
        async with puller(card, tmp_path) as second:
            assert second.stdout is not None
            while not (await second.stdout.readline()).startswith(b"waiting"):
                assert not second.stdout.at_eof()
            shelf.gate.set()
            outputs = await asyncio.gather(first.communicate(), second.communicate())
        assert [(first.returncode, outputs[0][1]), (second.returncode, outputs[1][1])] == [
            (0, b"")
        ] * 2
    assert len(shelf.asked(path)) == 1
    await store_at(tmp_path / "models").verify(card)


@pytest.mark.parametrize("at", [0, 1_500_000, 3_900_000])
async def test_a_killed_pull_goes_on(at: int, shelf: Shelf, tmp_path: Path) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(hold=at)]
    async with puller(card, tmp_path) as process:
        await shelf.held.wait()
        done = 0
        while at and done < at // 2:  # until the child has read what was sent
            assert process.stdout is not None
            done = int((await process.stdout.readline()).split()[-1])
        process.send_signal(signal.SIGKILL)
        await process.wait()
    shelf.gate.set()
    parts = tmp_path / "models/.partial/toy/parts"
    have = sum(part.stat().st_size for part in parts.iterdir()) if parts.exists() else 0
    assert at // 2 <= have <= at
    shelf.log.clear()
    store = store_at(tmp_path / "models")
    assert not store.is_present(card)
    await store.pull(card)
    await store.verify(card)
    assert [seen.range for seen in shelf.asked(path)] == [f"bytes={have}-" if have else ""]


@pytest.mark.parametrize("point", ["unpacking", "ready"])
async def test_killed_after_the_download(point: str, shelf: Shelf, tmp_path: Path) -> None:
    card, path = big_card(shelf)
    async with puller(card, tmp_path) as process:
        assert process.stdout is not None
        while not (await process.stdout.readline()).startswith(point.encode()):
            assert not process.stdout.at_eof()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
    store = store_at(tmp_path / "models")
    await store.pull(card)
    await store.verify(card)
    assert len(shelf.asked(path)) == 1  # the archive was there already
    assert list((tmp_path / "models/.partial").iterdir()) == []


# -- real file systems ----------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 5 MB: room for the weights or the download of them, not for both."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


async def test_a_small_disk_is_seen_before_the_download(shelf: Shelf, small_disk: Path) -> None:
    card, path = big_card(shelf)
    store = store_at(small_disk / "models")
    with pytest.raises(DiskFull) as caught:
        await store.pull(card)
    missing = caught.value.detail["missing_bytes"]
    assert 2_500_000 < missing < 3_500_000  # 4 MB weights + 4 MB archive on 5 MB
    assert shelf.asked(path) == []


async def test_a_disk_that_is_full_on_the_way(
    shelf: Shelf, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else fills the disk between the check and the writing; then there is room."""
    card, path = big_card(shelf)
    store = store_at(small_disk / "models")
    monkeypatch.setattr(Job, "require", lambda *_: None)
    with pytest.raises(DiskFull) as caught:
        await store.pull(card)
    assert caught.value.detail["missing_bytes"] > 2_000_000
    assert not store.is_present(card)
    remount(small_disk, "size=20m")
    await store.pull(card)
    await store.verify(card)
    assert len(shelf.asked(path)) == 1  # what was downloaded had been kept


async def test_a_read_only_root_serves_what_it_has(shelf: Shelf, small_disk: Path) -> None:
    remount(small_disk, "size=20m")
    card, _ = big_card(shelf)
    other = card_of({"a": b"a"}, {"kind": "path", "path": "/nowhere"}, id="other")
    store = store_at(small_disk / "models")
    await store.pull(card)
    remount(small_disk, "ro")
    await store.pull(card)
    await store.verify(card)
    with pytest.raises(StoreError, match="Read-only file system"):
        await store.pull(other)
    with pytest.raises(StoreError, match="Read-only file system"):
        store.remove(card)
    remount(small_disk, "rw")
    assert json.loads((store.folder(card) / ".sutradhar.json").read_text())["card_id"] == "toy"
