"""Finding a running server, and what stands on its socket when there is none."""

from __future__ import annotations

import asyncio
import shutil
import socket
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from api.remote import connect
from api.schemas import Ask
from api.server import listening
from api.settings import load_settings
from model_host.errors import Unavailable


async def test_no_server(home: Path) -> None:
    async with AsyncExitStack() as stack:
        assert await connect(load_settings({"home": home}), stack) is None
        assert await connect(load_settings({"home": home / ("x" * 200)}), stack) is None


async def test_the_socket_of_a_killed_server(home: Path) -> None:
    settings = load_settings({"home": home})
    settings.api_socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(settings.api_socket))
    assert settings.api_socket.exists()
    async with AsyncExitStack() as stack:
        assert await connect(settings, stack) is None
    with listening(settings.api_socket):
        assert settings.api_socket.stat().st_mode & 0o077 == 0
    assert not settings.api_socket.exists()


@pytest.mark.parametrize("said", [b"", b"220 hello\r\n", b"HTTP/1.1 500 no\r\n\r\n"])
async def test_something_else_on_the_socket(home: Path, said: bytes) -> None:
    settings = load_settings({"home": home})
    settings.api_socket.parent.mkdir(parents=True)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()
        await writer.wait_closed()

    async with (
        await asyncio.start_unix_server(talk, settings.api_socket),
        AsyncExitStack() as stack,
    ):
        assert await connect(settings, stack) is None


@pytest.mark.parametrize("rest", [b"", b"no json\n", b'{"type": "answer"}\n'])
async def test_a_server_that_breaks_off(home: Path, rest: bytes) -> None:
    settings = load_settings({"home": home})
    settings.api_socket.parent.mkdir(parents=True)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-length: "
        if asked.startswith(b"GET /health"):
            writer.write(head + b"2\r\nconnection: close\r\n\r\n{}")
        else:
            writer.write(head + b"900\r\n\r\n" + b'{"type": "stage", "name": "listen"}\n' + rest)
        writer.close()
        await writer.wait_closed()

    async with (
        await asyncio.start_unix_server(talk, settings.api_socket),
        AsyncExitStack() as stack,
    ):
        remote = await connect(settings, stack)
        assert remote is not None
        async with aclosing(remote.ask(Ask(question="q", corpus="c"))) as events:
            with pytest.raises(Unavailable, match="stopped answering"):
                async for _ in events:
                    pass
        with pytest.raises(Unavailable, match="stopped answering"):
            await remote.corpora()


async def test_a_home_with_a_long_path_has_its_socket_elsewhere(home: Path) -> None:
    settings = load_settings({"home": home / ("x" * 108)})
    assert len(str(settings.api_socket)) < 100
    settings.api_socket.parent.mkdir(parents=True)
    with listening(settings.api_socket):
        assert settings.api_socket.exists()
    shutil.rmtree(settings.host.run_dir)
