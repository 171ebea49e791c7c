"""Fixtures that every test can use."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api.settings import default_models
from indexers.settings import IndexSettings
from model_host.settings import HostSettings

if TYPE_CHECKING:
    from model_host.client import Client

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of whoever runs the tests do not reach them; the model root does."""
    for name in list(os.environ):
        if name.startswith("SUTRADHAR_") and name != "SUTRADHAR_MODELS":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def models_root() -> Path:
    """Where real weights are kept between runs; the store pulls what is missing."""
    return Path(os.environ.get("SUTRADHAR_MODELS") or default_models())


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty data home with a short path: a Unix socket's is at most 107 bytes long."""
    folder = Path(tempfile.mkdtemp(prefix="sutra-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def host_settings(home: Path, models_root: Path) -> HostSettings:
    return HostSettings(home=home, models_root=models_root)


@pytest.fixture
def index_settings(home: Path) -> IndexSettings:
    return IndexSettings(corpora_root=home / "corpora")


@pytest.fixture
async def client(host_settings: HostSettings) -> AsyncIterator[Client]:
    """A client of a host embedded in this process, with the real starter models."""
    from model_host.client import open_client

    async with open_client(host_settings, embedded=True) as opened:
        yield opened
