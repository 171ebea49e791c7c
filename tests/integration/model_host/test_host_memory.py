"""What fits, what has to go, what goes by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from model_host.client import Client
from model_host.errors import DoesNotFit, UnknownName
from model_host.tasks import Echo

from .conftest import MB, Opened, until

# Estimates stand until a call has been served, and measured workers are smaller than these.
HALF: dict[str, Any] = {"weights_bytes": 600 * MB}
BUDGET = {"cpu": 1000 * MB}


async def run(client: Client, model: str, **fields: object) -> None:
    await client.run(Echo.model_validate(fields), model=model)


async def loaded(client: Client) -> list[str]:
    return [instance.card_id for instance in (await client.status()).instances]


async def test_the_idle_one_makes_room(opened: Opened) -> None:
    async with opened({"one": {**HALF}, "two": {**HALF}}, devices={"cpu": 650 * MB}) as client:
        for model in ("one", "two", "one"):
            await run(client, model)
            assert await loaded(client) == [model]
            device = (await client.status()).devices[0]
            assert device.reserved_bytes + device.committed_bytes <= device.budget_bytes


async def test_a_busy_one_is_waited_for(opened: Opened) -> None:
    cards = {"one": {**HALF}, "two": {**HALF}}
    async with opened(cards, devices=BUDGET) as client, asyncio.timeout(60):
        async with client.duplex(Echo(), model="one"):
            waiting = asyncio.create_task(run(client, "two"))
            await until(client.status, lambda s: s.waiting == 1)
            assert await loaded(client) == ["one"]
        await waiting
        assert await loaded(client) == ["two"]


async def test_two_that_fit_stay(opened: Opened) -> None:
    async with opened({"one": {**HALF}, "two": {**HALF}}, devices={"cpu": 1200 * MB}) as client:
        await asyncio.gather(run(client, "one"), run(client, "two"))
        assert sorted(await loaded(client)) == ["one", "two"]


async def test_what_can_never_fit_says_how_much_is_missing(opened: Opened) -> None:
    async with opened({"one": {"weights_bytes": 1500 * MB}}, devices=BUDGET) as client:
        with pytest.raises(DoesNotFit, match="500,000,000 bytes are missing") as caught:
            await run(client, "one")
        assert caught.value.detail["missing_bytes"] == 500 * MB
        assert await loaded(client) == []


async def test_a_pinned_one_is_never_sent_away(opened: Opened) -> None:
    cards = {"one": {**HALF, "pinned": "true", "idle_s": 0}, "two": {"weights_bytes": 990 * MB}}
    async with opened(cards, devices=BUDGET) as client:
        await run(client, "one")
        with pytest.raises(DoesNotFit):
            await run(client, "two")
        assert await loaded(client) == ["one"]


async def test_a_device_that_is_not_here(opened: Opened) -> None:
    async with opened({"one": {}}, devices={"gpu7": 1000 * MB}) as client:
        with pytest.raises(DoesNotFit, match="needs cpu, which is not here"):
            await run(client, "one")


async def test_an_idle_one_goes_and_comes_back(opened: Opened) -> None:
    async with opened({"one": {"idle_s": 0}}) as client, asyncio.timeout(60):
        for _ in range(2):
            await run(client, "one")
            empty = await until(client.status, lambda s: not s.instances)
            assert empty.devices[0].committed_bytes == empty.devices[0].reserved_bytes == 0


async def test_idle_time_does_not_run_during_a_call(opened: Opened) -> None:
    async with opened({"one": {"idle_s": 0.1}}) as client:
        await run(client, "one", sleep_s=0.5)
        assert [i.served for i in (await client.status()).instances] in ([1], [])


async def test_unload_waits_for_the_call_and_admits_no_other(opened: Opened) -> None:
    async with opened({"one": {}}) as client, asyncio.timeout(60):
        async with client.duplex(Echo(), model="one"):
            pid = (await client.status()).instances[0].pid
            unloading = asyncio.create_task(client.unload("one"))
            await until(client.status, lambda s: s.instances[0].in_flight == 1)
            waiting = asyncio.create_task(run(client, "one"))
            await until(client.status, lambda s: s.waiting == 1)
            assert not unloading.done()
        await asyncio.gather(unloading, waiting)
        assert (await client.status()).instances[0].pid != pid


async def test_unload_of_what_is_not_loaded(opened: Opened) -> None:
    async with opened({"one": {}}) as client:
        await client.unload("one")
        with pytest.raises(UnknownName, match="Did you mean 'one'"):
            await client.unload("onne")
