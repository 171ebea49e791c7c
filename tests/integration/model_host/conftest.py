"""Echo cards of an operator, and a host that has them: real worker processes without a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from model_host.client import Client, Notice, open_client
from model_host.host.status import HostStatus
from model_host.settings import HostSettings

MB = 1_000_000
CARD = """
id = "{id}"
task = "echo"
title = "For a test"
engine = "echo"
{top}
[licence]
id = "Apache-2.0"
commercial = true
[memory]
weights_bytes = {weights_bytes}
working_bytes = 0
slots = {slots}
[limits]
stall_s = {stall_s}
load_s = {load_s}
idle_s = {idle_s}
[placement]
pinned = {pinned}
[options]
{options}
{rest}
"""

Settings = Callable[..., HostSettings]
Opened = Callable[..., AbstractAsyncContextManager[Client]]


def write_card(folder: Path, id: str, **fields: Any) -> None:
    """One echo card of one slot; `options` is a table, `top` and `rest` are TOML."""
    options = fields.pop("options", {})
    values = {
        "slots": 1,
        "weights_bytes": 100 * MB,
        "stall_s": 30,
        "load_s": 60,
        "idle_s": 300,
        "pinned": "false",
        "top": "",
        "rest": "",
        **fields,
    }
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
    (folder / "echo").mkdir(parents=True, exist_ok=True)
    text = CARD.format(id=id, options=table, **values)
    (folder / "echo" / f"{id}.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def settings(home: Path) -> Settings:
    """Make settings: `cards` are id -> fields of `write_card`, the rest is HostSettings'."""

    def make(cards: dict[str, dict[str, Any]], **fields: Any) -> HostSettings:
        folder = home / "cards"
        folder.mkdir()
        for id, card in cards.items():
            write_card(folder, id, **card)
        fields = {"models_root": home / "models", "catalog_dirs": (folder,), **fields}
        return HostSettings(home=home, **fields)

    return make


@pytest.fixture
def opened(settings: Settings) -> Opened:
    """Open a client of an embedded host with these cards."""

    @asynccontextmanager
    async def make(
        cards: dict[str, dict[str, Any]],
        on_notice: Callable[[Notice], None] | None = None,
        **fields: Any,
    ) -> AsyncIterator[Client]:
        chosen = settings(cards, **fields)
        async with open_client(chosen, embedded=True, on_notice=on_notice) as client:
            yield client

    return make


async def until(
    status: Callable[[], Awaitable[HostStatus]], true: Callable[[HostStatus], bool]
) -> HostStatus:
    """The first status for which `true` holds; the test's own time limit ends the wait."""
    async with asyncio.timeout(60):
        while not true(seen := await status()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return seen
