"""Waiting for a slot, leaving early, cancelling."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from model_host.client import Client
from model_host.errors import Busy
from model_host.tasks import Echo, EchoEvent, Latency

from .conftest import Opened, until

ONE: dict[str, dict[str, Any]] = {"one": {}}


async def run_one(client: Client, latency: Latency = "interactive", **fields: object) -> object:
    request = Echo.model_validate(fields)
    return (await client.run(request, model="one", latency=latency)).result


async def test_leaving_early_cancels_the_engine(opened: Opened) -> None:
    async with opened(ONE) as client, asyncio.timeout(60):
        async with client.open(Echo(sleep_s=3600), model="one"):
            pass
        async with client.open(Echo(event_count=10**9), model="one") as call:
            await anext(aiter(call))
        await run_one(client)
        assert len((await client.status()).instances) == 1


async def test_breaking_off_an_iteration_cancels_the_engine(opened: Opened) -> None:
    async with opened(ONE) as client, asyncio.timeout(60):
        async with client.open(Echo(event_count=10**9), model="one") as call:
            async for event in call:
                if isinstance(event, EchoEvent) and event.index == 100:
                    break
        await run_one(client)


async def test_cancelling_the_caller_cancels_the_engine(opened: Opened) -> None:
    async with opened(ONE) as client, asyncio.timeout(60):
        call = asyncio.create_task(run_one(client, sleep_s=3600))
        await until(client.status, lambda s: any(i.in_flight for i in s.instances))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await client.status()).instances[0].in_flight == 0
        await run_one(client)
        assert (await client.status()).instances[0].served == 2


async def test_cancelling_one_who_waits_leaves_no_trace(opened: Opened) -> None:
    async with opened(ONE) as client, asyncio.timeout(60):
        async with client.duplex(Echo(), model="one"):
            waiting = asyncio.create_task(run_one(client))
            await until(client.status, lambda s: s.waiting == 1)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert (await client.status()).waiting == 0
        await run_one(client)
        assert (await client.status()).instances[0].served == 2


async def test_cancelling_while_a_model_loads_keeps_the_model(opened: Opened) -> None:
    async with opened(ONE) as client, asyncio.timeout(60):
        waiting = asyncio.create_task(run_one(client))
        await until(client.status, lambda s: bool(s.instances))
        waiting.cancel()
        await asyncio.wait({waiting})
        await until(client.status, lambda s: s.instances[0].state == "ready")
        await run_one(client)
        assert (await client.status()).instances[0].served == 1


async def test_a_full_queue_says_when_to_try_again(opened: Opened) -> None:
    async with opened(ONE, queue_limit=1) as client, asyncio.timeout(60):
        async with client.duplex(Echo(), model="one"):
            waiting = asyncio.create_task(run_one(client))
            await until(client.status, lambda s: s.waiting == 1)
            with pytest.raises(Busy) as caught:
                await run_one(client)
            assert caught.value.detail["retry_after_s"] > 0
        await waiting


async def test_a_long_wait_ends(opened: Opened) -> None:
    cards: dict[str, dict[str, Any]] = {"one": {"load_s": 10}}
    async with opened(cards, lease_wait_s=0.1) as client, client.duplex(Echo(), model="one"):
        with pytest.raises(Busy, match="free in time"):
            await run_one(client)


async def test_realtime_goes_before_interactive_and_batch(opened: Opened) -> None:
    served: list[str] = []
    order: tuple[Latency, ...] = ("batch", "interactive", "batch", "realtime", "interactive")

    async def wait_for(client: Client, latency: Latency, name: str) -> None:
        await run_one(client, latency)
        served.append(name)

    async with opened(ONE) as client, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        busy = client.duplex(Echo(), model="one")
        await busy.__aenter__()
        for number, latency in enumerate(order):
            tasks.create_task(wait_for(client, latency, f"{latency}{number}"))
            await until(client.status, lambda s, n=number: s.waiting == n + 1)  # type: ignore[misc]
        await busy.__aexit__(None, None, None)
    assert served == ["realtime3", "interactive1", "interactive4", "batch0", "batch2"]
