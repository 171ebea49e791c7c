"""Several processes: who is killed takes its own with it, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from model_host.client import Client, open_client, serve_client
from model_host.errors import Busy, SutradharError, Unavailable, UnknownName, WorkerDied
from model_host.frames import encode
from model_host.host.server import connect
from model_host.settings import HostSettings
from model_host.tasks import Echo, EchoEvent

from .conftest import Settings, until

CHILD = Path(__file__).with_name("host_child.py")
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def child(
    settings: HostSettings, kind: str, request: Echo
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, object]]]:
    """A process that makes this call, and what it said; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CHILD), settings.model_dump_json(), kind, request.model_dump_json()),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ends(handle: int) -> bool:
    """True when the process of this pidfd ends; it need not be our child."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(await asyncio.to_thread(poll.poll, 30_000))


@pytest.mark.parametrize(
    ("request_", "load_s"),
    [
        (Echo(sleep_s=3600), 0),
        (Echo(misbehave="hang"), 0),
        (Echo(misbehave="hold_gil"), 0),
        (Echo(misbehave="flood"), 0),
        (Echo(), 3600),
    ],
    ids=["busy", "hang", "hold_gil", "flood", "loading"],
)
async def test_no_worker_outlives_a_host_that_is_killed(
    settings: Settings, request_: Echo, load_s: int
) -> None:
    cards = {"one": {"load_s": 3600, "stall_s": 3600, "options": {"load_s": load_s}}}
    chosen = settings(cards, heartbeat_s=1000)
    async with asyncio.timeout(60), child(chosen, "embedded", request_) as (process, said):
        pids = said["workers"]
        assert isinstance(pids, list)
        handles = [os.pidfd_open(pid) for pid in pids]
        try:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            assert [await ends(handle) for handle in handles] == [True]
        finally:
            for handle in handles:
                os.close(handle)


async def test_two_processes_share_one_host(settings: Settings) -> None:
    chosen = settings({"one": {"slots": 2}})
    async with (
        asyncio.timeout(60),
        serve_client(chosen) as ours,
        open_client(chosen) as theirs,
        child(chosen, "shared", Echo(sleep_s=3600)),
    ):
        for client in (ours, theirs):
            reply = await client.run(Echo(payload=b"x", event_count=3), model="one")
            assert [e.index for e in reply.events if isinstance(e, EchoEvent)] == [0, 1, 2]
        status = await theirs.status()
        assert status.pid == os.getpid()
        assert [(i.in_flight, i.served) for i in status.instances] == [(1, 2)]


async def test_a_killed_client_gives_its_leases_back(settings: Settings) -> None:
    chosen = settings({"one": {}})
    async with asyncio.timeout(60), serve_client(chosen) as ours:
        async with child(chosen, "shared", Echo(sleep_s=3600)) as (process, said):
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await ours.run(Echo(), model="one")
            status = await ours.status()
        assert said["host"] == os.getpid()
        assert [i.pid for i in status.instances] == said["workers"]
        assert status.instances[0].in_flight == 0


async def test_errors_cross_the_socket(settings: Settings) -> None:
    chosen = settings({"one": {}, "bad": {"options": {"fail": True}}})
    async with asyncio.timeout(60), serve_client(chosen), open_client(chosen) as client:
        with pytest.raises(UnknownName) as caught:
            await client.run(Echo(), model="onne")
        assert caught.value.detail["nearest"] == "one"
        with pytest.raises(SutradharError, match="made to fail"):
            await client.run(Echo(), model="bad")
        with pytest.raises(WorkerDied, match="exit code 7"):
            await client.run(Echo(misbehave="die"), model="one")
        await client.run(Echo(), model="one")
        await client.unload("one")
        assert (await client.status()).instances == ()


async def test_notices_cross_the_socket(settings: Settings) -> None:
    chosen = settings({"one": {}})
    kinds: list[str] = []
    async with (
        asyncio.timeout(60),
        serve_client(chosen),
        open_client(chosen, on_notice=lambda n: kinds.append(n.kind)) as client,
    ):
        await client.run(Echo(), model="one")
    assert kinds == ["loading", "loaded"]


async def test_a_remote_caller_that_is_cancelled_leaves_no_lease(settings: Settings) -> None:
    """At any point: while it waits, and just when its lease comes."""
    chosen = settings({"one": {}})

    async def call(client: Client) -> None:
        await client.run(Echo(), model="one")

    async with asyncio.timeout(60), serve_client(chosen) as ours, open_client(chosen) as theirs:
        async with ours.duplex(Echo(), model="one"):
            waiting = asyncio.create_task(call(theirs))
            await until(ours.status, lambda s: s.waiting == 1)
            waiting.cancel()
            await until(ours.status, lambda s: s.waiting == 0)
        for turns in range(60):
            late = asyncio.create_task(call(theirs))
            for _ in range(turns):
                await asyncio.sleep(0)
            late.cancel()
            await asyncio.wait({late})
        await call(theirs)
        await until(ours.status, lambda s: s.instances[0].in_flight == 0)


async def test_a_client_hears_that_its_host_has_gone(settings: Settings) -> None:
    chosen = settings({"one": {}})
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        async with serve_client(chosen):
            client = await stack.enter_async_context(open_client(chosen, embedded=False))
            call = asyncio.create_task(client.run(Echo(sleep_s=3600), model="one"))
            await until(client.status, lambda s: any(i.in_flight for i in s.instances))
        await asyncio.wait({call})
        assert isinstance(call.exception(), Unavailable | WorkerDied)
        with pytest.raises(Unavailable, match="host has gone"):
            await client.status()


GARBAGE = {
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "an empty head": b"\0" * 12,
    "no object": b"\0\0\0\2" + b"\0" * 8 + b"[]",
    "no id": encode("lease", {}),
    "no arguments": encode("lease", {"id": 1}),
    "no number": encode("lease", {"id": "one", "args": {}}),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_ends_a_connection_and_not_the_host(
    settings: Settings, garbage: bytes
) -> None:
    chosen = settings({"one": {}})
    async with asyncio.timeout(60), serve_client(chosen) as ours:
        reader, writer = await asyncio.open_unix_connection(chosen.host_socket)
        writer.write(garbage)
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(1000):
                pass
        writer.close()
        assert (await ours.status()).instances == ()


BAD_CALLS: list[tuple[str, dict[str, object]]] = [
    ("dance", {}),
    ("lease", {}),
    ("lease", {"task": 7}),
    ("release", {}),
    ("fate", {"lease_id": "x", "wait_s": "long"}),
    ("unload", {}),
]


@pytest.mark.parametrize(("method", "args"), BAD_CALLS)
async def test_a_bad_call_is_answered(
    settings: Settings, method: str, args: dict[str, object]
) -> None:
    chosen = settings({})
    async with asyncio.timeout(60), serve_client(chosen), connect(chosen.host_socket) as host:
        assert host is not None
        with pytest.raises(SutradharError):
            await host._call(method, args)
        assert (await host.status()).instances == ()


async def test_only_one_host_serves_a_home(settings: Settings) -> None:
    chosen = settings({"one": {}})
    async with serve_client(chosen):
        with pytest.raises(Busy, match="running already"):
            async with serve_client(chosen):
                pass
        async with open_client(chosen, embedded=False) as client:
            assert (await client.status()).pid == os.getpid()
    assert not chosen.host_socket.exists()
    with pytest.raises(Unavailable, match="No host"):
        async with open_client(chosen, embedded=False):
            pass


async def test_a_socket_that_nobody_serves_is_replaced(settings: Settings) -> None:
    chosen = settings({"one": {}})
    chosen.run_dir.mkdir(parents=True)
    chosen.host_socket.touch()
    async with open_client(chosen) as client:
        assert (await client.status()).instances == ()
    async with serve_client(chosen), open_client(chosen, embedded=False) as client:
        assert (await client.status()).instances == ()
