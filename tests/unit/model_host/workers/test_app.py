"""A worker's HTTP side, asked by callers who do not keep to the protocol."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from model_host.catalog.card import Card, Licence, Memory
from model_host.frames import HEAD, Frame, encode, sizes, split
from model_host.tasks import Echo, EchoEvent
from model_host.workers.app import open_app, serve
from model_host.workers.main import Spec


@pytest.fixture
async def worker(home: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with an echo worker of one slot, in this process."""
    card = Card(
        id="one",
        task="echo",
        title="For a test",
        engine="echo",
        licence=Licence(id="Apache-2.0", commercial=True),
        memory=Memory(weights_bytes=1, working_bytes=0),
    )
    path = home / "w.sock"
    spec = Spec(card=card, folder=None, threads=1, socket=path, heartbeat_s=1, parent_pid=1)
    connector = aiohttp.UnixConnector(str(path))
    async with (
        asyncio.timeout(60),
        serve(await open_app(spec), path),
        aiohttp.ClientSession(connector=connector) as session,
    ):
        yield session


async def frames(response: aiohttp.ClientResponse) -> list[Frame]:
    body = memoryview(await response.read())
    found = []
    while body:
        head, parts = sizes(body[: HEAD.size])
        end = HEAD.size + head + parts
        found.append(split(body[:end]))
        body = body[end:]
    return found


async def works(worker: aiohttp.ClientSession) -> None:
    async with worker.post("http://w/run", data=encode("echo", Echo(event_count=2))) as response:
        assert [f.type for f in await frames(response)] == ["event/EchoEvent"] * 2 + ["result"]


BAD = {
    "nothing": (b"", "IncompleteRead"),
    "text": (b"hello, is anybody there?", "announced"),
    "a half frame": (encode("echo", Echo(payload=b"x" * 99))[:-50], "IncompleteRead"),
    "no such task": (encode("dance", {}), "no task 'dance'"),
    "no fields": (encode("transcribe", {}), "'audio' of a Transcribe"),
    "a wrong field": (encode("echo", {"sleep_s": "long"}), "'sleep_s' of a Echo"),
    "another field": (encode("echo", {"volume": 11}), "'volume' of a Echo"),
    "no object": (encode("echo", [1]), "of a Echo is wrong"),
}


@pytest.mark.parametrize(("body", "said"), BAD.values(), ids=BAD.keys())
async def test_bad_requests(worker: aiohttp.ClientSession, body: bytes, said: str) -> None:
    async with worker.post("http://w/run", data=body) as response:
        (frame,) = await frames(response)
    assert frame.type == "error"
    assert said in frame.body["what"] + frame.body["why"]
    await works(worker)


@pytest.mark.parametrize(("body", "said"), BAD.values(), ids=BAD.keys())
async def test_bad_streams(worker: aiohttp.ClientSession, body: bytes, said: str) -> None:
    async with worker.ws_connect("http://w/stream") as socket:
        await socket.send_bytes(body)
        frame = split((await socket.receive()).data)
        assert frame.type == "error"
        if "Incomplete" not in said:
            assert said in frame.body["what"] + frame.body["why"]
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    await works(worker)


@pytest.mark.parametrize("garbage", ["text", b"bytes", encode("event/Dance", {}), encode("echo")])
@pytest.mark.parametrize("first", [True, False])
async def test_garbage_in_a_stream(
    worker: aiohttp.ClientSession, garbage: str | bytes, first: bool
) -> None:
    async with worker.ws_connect("http://w/stream") as socket:
        if not first:
            await socket.send_bytes(encode("echo", Echo()))
        send = socket.send_str(garbage) if isinstance(garbage, str) else socket.send_bytes(garbage)
        await send
        assert split((await socket.receive()).data).type == "error"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    await works(worker)


@pytest.mark.parametrize("sent", [0, 1, 2, 500])
async def test_a_stream_that_is_left_without_a_word(
    worker: aiohttp.ClientSession, sent: int
) -> None:
    """Also with more input on its way than the engine takes: its slot is free for the next."""
    async with worker.ws_connect("http://w/stream") as socket:
        if sent:
            await socket.send_bytes(encode("echo", Echo()))
        for index in range(sent - 1):
            await socket.send_bytes(encode("event/EchoEvent", EchoEvent(index=index)))
        assert socket._response.connection is not None
        socket._response.close()
    await works(worker)


async def test_a_caller_that_ends_and_then_leaves(worker: aiohttp.ClientSession) -> None:
    async with worker.ws_connect("http://w/stream") as socket:
        await socket.send_bytes(encode("echo", Echo()))
        await socket.send_bytes(encode("end"))
        assert split((await socket.receive()).data).type == "result"
    await works(worker)


async def test_health(worker: aiohttp.ClientSession) -> None:
    async with worker.get("http://w/health") as response:
        body = await response.json()
    assert body["status"] == "ok"
    assert 0 < body["rss_bytes"] <= body["peak_bytes"]


def test_a_worker_does_not_import_the_catalog_nor_another_engine() -> None:
    """Its start is what a caller waits for."""
    code = (
        "import sys, model_host.workers.main, model_host.workers.app;"
        "print([m for m in sys.modules if m.startswith('model_host.')])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "model_host.catalog.card" in said.stdout
    for name in ("catalog.load", "store", "host", "client", "engines.echo", "engines.kokoro"):
        assert f"'model_host.{name}'" not in said.stdout
