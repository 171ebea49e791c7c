"""What the model host adds to a call, over the engine's own time.

    python -m benchmarks.host [--calls 400] [--sleep-ms 5] [--json]

The engine is `echo`, whose work is a pause that it times itself; added = wall time of the call
minus that time, in milliseconds. Scenarios:

- `sequential`: one caller, one call after the other, a small payload.
- `open-loop`: 50 calls a second, whether or not those before have ended.
- `megabyte`: one caller, 1 MB there and back.

Ways: `direct` is the engine's method in this process, on a thread; `plain-http` a bare aiohttp
server in a process of its own, on a Unix socket, that pauses on a thread and sends the payload
back; `embedded` and `shared` are the host in this process and in another one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Annotated, NamedTuple

import typer

from model_host.client import Client, open_client, serve_client
from model_host.settings import HostSettings
from model_host.tasks import Echo, Echoed

RATE = 50.0  # calls a second of the open loop
WARM = 40  # calls before any is counted

Ask = Callable[[Echo], Awaitable[float]]  # the engine's own seconds


class Figure(NamedTuple):
    scenario: str
    way: str
    calls: int
    p50_ms: float
    p99_ms: float


@asynccontextmanager
async def direct(folder: Path) -> AsyncIterator[Ask]:
    from model_host.catalog.load import load_catalog
    from model_host.engines.base import Cancel
    from model_host.engines.echo import Echo as Engine

    card = load_catalog(_settings(folder)).get("echo")
    engine = Engine(card, None, 1)

    async def ask(request: Echo) -> float:
        return _own(await asyncio.to_thread(engine.run, request, Cancel(), lambda _: None))

    yield ask


@asynccontextmanager
async def plain_http(folder: Path) -> AsyncIterator[Ask]:
    import aiohttp

    path = folder / "plain.sock"
    async with _child("serve-plain", path):
        connector = aiohttp.UnixConnector(str(path), limit=0)
        async with aiohttp.ClientSession(connector=connector, read_bufsize=1 << 20) as session:

            async def ask(request: Echo) -> float:
                headers = {"pause": str(request.sleep_s)}
                url = "http://plain/"
                async with session.post(url, data=request.payload, headers=headers) as response:
                    assert len(await response.read()) == len(request.payload)
                    return float(response.headers["paused"])

            yield ask


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Ask]:
    async with open_client(_settings(folder), embedded=True) as client:
        yield _asking(client)


@asynccontextmanager
async def shared(folder: Path) -> AsyncIterator[Ask]:
    async with (
        _child("serve-host", folder),
        open_client(_settings(folder), embedded=False) as client,
    ):
        yield _asking(client)


WAYS = {"direct": direct, "plain-http": plain_http, "embedded": embedded, "shared": shared}


async def measure(calls: int, sleep_s: float) -> list[Figure]:
    """Every scenario in every way."""
    figures = []
    small = Echo(payload=b"x" * 100, sleep_s=sleep_s)
    large = Echo(payload=b"x" * 1_000_000, sleep_s=sleep_s)
    scenarios: dict[str, tuple[Echo, float]] = {
        "sequential": (small, 0.0),
        "open-loop": (small, RATE),
        "megabyte": (large, 0.0),
    }
    for way, opening in WAYS.items():
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            async with opening(Path(folder)) as ask:
                for scenario, (request, rate) in scenarios.items():
                    for _ in range(WARM):
                        await ask(request)
                    added = await _calls(ask, request, calls, rate)
                    points = quantiles((1000 * one for one in added), n=100, method="inclusive")
                    figures.append(Figure(scenario, way, calls, points[49], points[98]))
    return sorted(figures, key=lambda figure: list(scenarios).index(figure.scenario))


async def _calls(ask: Ask, request: Echo, calls: int, rate: float) -> list[float]:
    """Seconds added to each call; `rate` 0 is one after the other."""
    added: list[float] = []

    async def one(due: float) -> None:
        own_s = await ask(request)
        added.append(time.perf_counter() - due - own_s)

    if not rate:
        for _ in range(calls):
            await one(time.perf_counter())
        return added
    began = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as tasks:
        for number in range(calls):
            due = began + number / rate  # a call that starts late has waited
            await asyncio.sleep(due - time.perf_counter())
            tasks.create_task(one(due))
    return added


def _asking(client: Client) -> Ask:
    async def ask(request: Echo) -> float:
        return _own((await client.run(request, latency="realtime")).result)

    return ask


def _own(result: object) -> float:
    assert isinstance(result, Echoed)
    return result.slept_s


def _settings(folder: Path) -> HostSettings:
    return HostSettings(home=folder, models_root=folder)


@asynccontextmanager
async def _child(what: str, path: Path) -> AsyncIterator[None]:
    """This module in another process, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.host", "--serve", what, "--path", str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        await process.communicate(b"")  # closes its input


async def serve(what: str, path: Path) -> None:
    """Be the other process, until the input ends."""
    if what == "serve-host":
        async with serve_client(_settings(path)):
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.read)
        return
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        began = time.perf_counter()
        await asyncio.to_thread(time.sleep, float(request.headers["pause"]))
        paused = str(time.perf_counter() - began)
        return web.Response(body=memoryview(body), headers={"paused": paused})

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def main(
    calls: Annotated[int, typer.Option(help="Calls per scenario and way.")] = 400,
    sleep_ms: Annotated[float, typer.Option(help="The engine's own work.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone on stdout.")] = False,
    what: Annotated[str, typer.Option("--serve", hidden=True)] = "",
    path: Annotated[Path, typer.Option(hidden=True)] = Path(),
) -> None:
    """Measure what the host adds to a call."""
    if what:
        asyncio.run(serve(what, path))
        return
    figures = asyncio.run(measure(calls, sleep_ms / 1000))
    if as_json:
        print(json.dumps([figure._asdict() for figure in figures], indent=1))
        return
    print(
        f"{'scenario':12}{'way':12}{'calls':>6}{'p50 ms':>9}{'p99 ms':>9}   added to the engine's"
    )
    for figure in figures:
        print("{:12}{:12}{:6}{:9.2f}{:9.2f}".format(*figure))


if __name__ == "__main__":
    typer.run(main)
