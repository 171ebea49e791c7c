"""The hub source, against a server on this machine that speaks the hub's routes."""

from __future__ import annotations

import json

import pytest

from model_host.catalog.card import Card
from model_host.errors import HashMismatch, SourceUnreachable
from model_host.settings import HostSettings
from model_host.store import PullProgress, Store
from tests.unit.model_host.store.shelf import Fault, Shelf, card_of, sha256

WEIGHTS = bytes(range(256)) * 8000
FILES = {"onnx/model.onnx": WEIGHTS, "config.json": b"{}"}
FIRST, SECOND = "a" * 40, "b" * 40


def hub_card(files: dict[str, bytes] = FILES, revision: str = "main") -> Card:
    ours = {"model.onnx": files["onnx/model.onnx"], "config.json": files["config.json"]}
    source = {
        "kind": "hub",
        "repo": "org/toy",
        "revision": revision,
        "files": {"model.onnx": "onnx/model.onnx", "config.json": "config.json"},
    }
    return card_of(ours, source)


def lock_of(settings: HostSettings) -> dict[str, object]:
    body: dict[str, object] = json.loads((settings.models_root / ".hub/toy.json").read_text())
    return body


async def test_pulls_at_the_commit_that_the_revision_was(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    model, _ = shelf.add_repo("org/toy", "main", FIRST, FILES)
    seen: list[PullProgress] = []
    folder = await store.pull(hub_card(), seen.append)
    assert (folder / "model.onnx").read_bytes() == WEIGHTS
    assert len(shelf.asked(model)) == 1
    lock = lock_of(settings)
    assert lock["commit"] == FIRST
    assert lock["files"] == {
        path: {"etag": sha256(data), "sha256": sha256(data), "size_bytes": len(data)}
        for path, data in FILES.items()
    }


async def test_a_moved_revision_does_not_move_us(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    """The lock outlives the model: after `rm`, the same commit is pulled again."""
    model, _ = shelf.add_repo("org/toy", "main", FIRST, FILES)
    await store.pull(hub_card())
    store.remove(hub_card())
    shelf.add_repo("org/toy", "main", SECOND, {**FILES, "config.json": b"[]"})
    shelf.log.clear()
    await store.pull(hub_card())
    assert len(shelf.asked(model)) == 1
    assert not any("/revision/" in seen.path for seen in shelf.log)
    assert lock_of(settings)["commit"] == FIRST


async def test_a_file_that_changed_at_the_same_commit(shelf: Shelf, store: Store) -> None:
    shelf.add_repo("org/toy", "main", FIRST, FILES)
    await store.pull(hub_card())
    store.remove(hub_card())
    path = f"/org/toy/resolve/{FIRST}/config.json"
    shelf.headers[path] |= {"ETag": '"other"', "X-Linked-ETag": '"other"'}
    with pytest.raises(HashMismatch, match="ETag at commit aaaaaaaaaaaa has changed"):
        await store.pull(hub_card())


async def test_other_weights_are_refused_before_they_are_downloaded(
    shelf: Shelf, store: Store
) -> None:
    model, _ = shelf.add_repo("org/toy", "main", FIRST, {**FILES, "onnx/model.onnx": WEIGHTS[::-1]})
    with pytest.raises(HashMismatch, match=r"org/toy has .* bytes with ETag"):
        await store.pull(hub_card())
    assert shelf.asked(model) == []


async def test_bytes_that_are_not_what_the_hub_says(shelf: Shelf, store: Store) -> None:
    """Right headers, wrong body."""
    model, _ = shelf.add_repo("org/toy", "main", FIRST, FILES)
    shelf.files[model] = WEIGHTS[::-1]
    with pytest.raises(HashMismatch, match="not the published file"):
        await store.pull(hub_card())
    assert not store.is_present(hub_card())


async def test_an_answer_from_another_commit(shelf: Shelf, store: Store) -> None:
    model, _ = shelf.add_repo("org/toy", "main", FIRST, FILES)
    shelf.headers[model]["X-Repo-Commit"] = SECOND
    with pytest.raises(HashMismatch, match=f"commit {SECOND}, locked is {FIRST}"):
        await store.pull(hub_card())


async def test_a_cut_transfer_goes_on(shelf: Shelf, store: Store) -> None:
    model, _ = shelf.add_repo("org/toy", "main", FIRST, FILES)
    shelf.faults[model] = [Fault(cut=1_000_000), Fault(short=500)]
    folder = await store.pull(hub_card())
    assert (folder / "model.onnx").read_bytes() == WEIGHTS
    ranges = [seen.range for seen in shelf.asked(model)]
    assert ranges[0] == ""
    assert ranges[2] == f"bytes={len(WEIGHTS) - 500}-"


async def test_a_pinned_commit_is_not_resolved(shelf: Shelf, store: Store) -> None:
    shelf.add_repo("org/toy", "main", FIRST, FILES)
    await store.pull(hub_card(revision=FIRST))
    assert not any("/revision/" in seen.path for seen in shelf.log)


@pytest.mark.parametrize("route", ["/api/models/org/toy/revision/main", "files"])
async def test_what_the_hub_does_not_have(route: str, shelf: Shelf, store: Store) -> None:
    paths = shelf.add_repo("org/toy", "main", FIRST, FILES)
    del shelf.files[paths[0] if route == "files" else route]
    with pytest.raises(SourceUnreachable, match="The hub does not give org/toy@main"):
        await store.pull(hub_card())


async def test_no_hub_at_all(
    store: Store, monkeypatch: pytest.MonkeyPatch, settings: HostSettings
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceUnreachable):
        await store.pull(hub_card())
    assert list(settings.models_root.rglob("toy.json")) == []


async def test_a_spoilt_lock_is_resolved_anew(
    shelf: Shelf, store: Store, settings: HostSettings
) -> None:
    shelf.add_repo("org/toy", "main", FIRST, FILES)
    path = settings.models_root / ".hub/toy.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"repo": ')
    await store.pull(hub_card())
    assert lock_of(settings)["commit"] == FIRST
