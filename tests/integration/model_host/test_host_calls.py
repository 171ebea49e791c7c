"""Calls that go well, and requests that are refused before any worker starts."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from model_host.client import Client, Notice, open_client
from model_host.errors import (
    EngineFailed,
    InvalidInput,
    TooLarge,
    Unavailable,
    UnknownName,
    WorkerMisbehaved,
)
from model_host.settings import HostSettings
from model_host.tasks import Echo, Echoed, EchoEvent, Transcribe

from .conftest import Opened

ONE: dict[str, dict[str, Any]] = {"one": {}}


async def run_one(client: Client, **fields: object) -> Echoed:
    reply = await client.run(Echo.model_validate(fields), model="one")
    assert isinstance(reply.result, Echoed)
    return reply.result


def peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def test_events_come_in_order_and_the_result_closes_the_call(opened: Opened) -> None:
    async with opened(ONE) as client:
        reply = await client.run(Echo(payload=b"\0\xff", event_count=200), model="one")
        assert [e.index for e in reply.events if isinstance(e, EchoEvent)] == list(range(200))
        assert isinstance(reply.result, Echoed)
        assert reply.result.payload == b"\0\xff"
        assert reply.card_id == "one"


async def test_a_worker_serves_many_calls_and_the_caller_hears_of_loading_once(
    opened: Opened,
) -> None:
    notices: list[Notice] = []
    async with opened(ONE, on_notice=notices.append) as client:
        for index in range(5):
            assert (await run_one(client, payload=bytes([index]))).payload == bytes([index])
        status = await client.status()
    assert [(n.kind, n.card_id) for n in notices] == [("loading", "one"), ("loaded", "one")]
    assert [i.served for i in status.instances] == [5]


async def test_calls_run_side_by_side_in_the_slots_of_a_card(opened: Opened) -> None:
    """Four duplex calls are open at once, so each has a slot of its own."""
    async with opened({"four": {"slots": 4}}) as client:

        async def talk(barrier: asyncio.Barrier, index: int) -> None:
            async with client.duplex(Echo(), model="four") as call:
                await barrier.wait()
                await call.send(EchoEvent(index=index))
                assert await anext(aiter(call)) == EchoEvent(index=index)
                await call.end()
                assert [event async for event in call] == []

        barrier = asyncio.Barrier(4)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for index in range(4):
                tasks.create_task(talk(barrier, index))


async def test_a_duplex_call_hears_while_it_speaks(opened: Opened) -> None:
    async with opened(ONE) as client:
        async with client.duplex(Echo(payload=b"end"), model="one") as call:
            for index in range(300):
                await call.send(EchoEvent(index=index, payload=b"x" * 1000))
                event = await anext(aiter(call))
                assert event == EchoEvent(index=index, payload=b"x" * 1000)
            await call.end()
            assert [event async for event in call] == []
            assert call.result == Echoed(payload=b"end", slept_s=0.0)
        assert (await run_one(client, payload=b"next")).payload == b"next"


async def test_a_duplex_call_that_is_left_early_gives_its_slot_back(opened: Opened) -> None:
    async with opened(ONE) as client, asyncio.timeout(60):
        for ended in (False, True):
            async with client.duplex(Echo(), model="one") as call:
                await call.send(EchoEvent(index=1))
                if ended:
                    await call.end()
            assert (await run_one(client, payload=b"next")).payload == b"next"
        assert len({i.pid for i in (await client.status()).instances}) == 1


async def test_a_quiet_caller_of_a_duplex_call_is_not_a_hung_worker(opened: Opened) -> None:
    cards = {"one": {"stall_s": 0.2}}
    async with opened(cards) as client, client.duplex(Echo(), model="one") as call:
        reading = asyncio.create_task(call.__anext__())
        done, _ = await asyncio.wait({reading}, timeout=0.6)  # three times the limit
        assert not done
        await call.send(EchoEvent(index=3))
        assert await reading == EchoEvent(index=3)


async def test_a_hundred_megabytes_go_both_ways(opened: Opened) -> None:
    payload = os.urandom(1 << 20) * 100
    async with opened(ONE) as client:
        assert (await run_one(client)).payload == b""
        pid = (await client.status()).instances[0].pid
        before = peak_bytes(pid)
        assert (await run_one(client, payload=payload)).payload == payload
        copies = (peak_bytes(pid) - before) / len(payload)
    assert copies < 5


async def test_an_engine_that_raises_fails_the_call_and_lives_on(opened: Opened) -> None:
    async with opened(ONE) as client:
        first = await run_one(client)
        pid = (await client.status()).instances[0].pid
        with pytest.raises(EngineFailed, match="RuntimeError: made to fail") as caught:
            await run_one(client, misbehave="raise")
        assert caught.value.fix
        assert await run_one(client) is not first
        assert [i.pid for i in (await client.status()).instances] == [pid]


async def test_an_error_of_the_caller_passes_through(opened: Opened) -> None:
    """Also one that looks like a broken connection to a worker."""
    async with opened(ONE) as client:
        with pytest.raises(BrokenPipeError, match="mine"):
            async with client.open(Echo(), model="one"):
                raise BrokenPipeError("mine")
        assert (await run_one(client, payload=b"x")).payload == b"x"
        assert [i.served for i in (await client.status()).instances] == [2]


async def test_a_result_is_there_only_at_the_end(opened: Opened) -> None:
    async with opened(ONE) as client, client.open(Echo(), model="one") as call:
        with pytest.raises(WorkerMisbehaved, match="no result yet"):
            _ = call.result
        assert [event async for event in call] == []
        assert isinstance(call.result, Echoed)


async def test_what_is_too_large_never_leaves(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_host.frames.MAX_FRAME_BYTES", 1000)
    async with opened(ONE) as client:
        with pytest.raises(TooLarge):
            await run_one(client, payload=b"x" * 1001)
        assert (await client.status()).instances == ()


async def test_a_task_that_an_engine_does_not_know_is_an_error_of_the_engine(
    opened: Opened,
) -> None:
    async with opened(ONE) as client:
        with pytest.raises(InvalidInput, match="is for echo, not for transcribe"):
            await client.run(Transcribe(audio=[0.0]), model="one")


@pytest.mark.parametrize(
    ("model", "nearest"), [("onne", "one"), ("whisper-bas", "whisper-base"), ("", None)]
)
async def test_an_unknown_model_suggests_the_nearest(
    opened: Opened, model: str, nearest: str | None
) -> None:
    async with opened(ONE) as client:
        with pytest.raises(UnknownName) as caught:
            await client.run(Echo(), model=model)
        assert caught.value.detail["nearest"] == nearest


async def test_an_unknown_language_suggests_the_nearest(host_settings: HostSettings) -> None:
    async with open_client(host_settings, embedded=True) as client:
        with pytest.raises(UnknownName) as caught:
            await client.run(Transcribe(audio=[0.0], language="hindi"))
        assert caught.value.detail["nearest"] == "hi"
        assert (await client.status()).instances == ()


async def test_a_card_that_is_off_runs_only_when_allowed(opened: Opened) -> None:
    cards = {"one": {"top": "default_on = false"}}
    async with opened(cards) as client:
        with pytest.raises(Unavailable, match="off by default") as caught:
            await run_one(client)
        assert "ALLOW" in caught.value.fix


async def test_a_card_that_is_off_runs_when_allowed(opened: Opened) -> None:
    async with opened({"one": {"top": "default_on = false"}}, allow=("one",)) as client:
        assert (await run_one(client, payload=b"x")).payload == b"x"


async def test_a_home_whose_path_is_too_long_for_sockets_has_them_elsewhere(
    host_settings: HostSettings,
) -> None:
    long = host_settings.model_copy(update={"home": host_settings.home / ("x" * 90)})
    assert not long.run_dir.is_relative_to(long.home)
    async with open_client(long, embedded=True) as client:
        reply = await client.run(Echo(payload=b"x"))
        assert isinstance(reply.result, Echoed)
        assert reply.result.payload == b"x"
    shutil.rmtree(long.run_dir)


async def test_sockets_of_hosts_that_were_killed_are_swept(
    opened: Opened, host_settings: HostSettings
) -> None:
    folder = host_settings.run_dir / "workers"
    folder.mkdir(parents=True)
    dead, alive = folder / "a-b-99999999-1.sock", folder / f"a-{os.getpid()}-1.sock"
    for path in (dead, alive, folder / "odd.sock"):
        path.touch()
    async with open_client(host_settings, embedded=True):
        assert not dead.exists()
        assert alive.exists()
