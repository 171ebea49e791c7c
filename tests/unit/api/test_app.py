"""The HTTP application behind a real server on a Unix socket, and its client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.remote import RemoteBackend, connect
from api.schemas import Answer, Ask, Index, Indexed, Stage
from api.server import listening, run
from api.settings import Settings, load_settings
from indexers.errors import CorpusBusy, UnknownCorpus
from model_host.client import Notice
from model_host.errors import InvalidInput, SutradharError, Unavailable, WorkerDied

ANSWER = Answer(
    question="q",
    answer="उत्तर",
    abstained=True,
    citations=(),
    language="hi",
    models={},
    timings_s={},
)


class Scripted:
    """A backend that does as it is told: `refuse` before the first event, `fail` after it; with
    `hold` it waits there until it is cancelled."""

    def __init__(self) -> None:
        self.refuse: Exception | None = None
        self.fail: Exception | None = None
        self.hold = False
        self.listeners: set[Callable[[Notice], None]] = set()
        self.ended = asyncio.Event()
        self.asked: list[Any] = []
        self.noticed: list[Notice] = []

    async def prepare(self, request: Any) -> None:
        self.asked.append(request)
        if self.refuse:
            raise self.refuse

    async def ask(self, request: Ask) -> AsyncGenerator[Stage | Answer, None]:
        try:
            yield Stage(name="listen")
            for listener in tuple(self.listeners):
                listener(Notice("loading", "echo"))
            if self.hold:
                await asyncio.Event().wait()
            if self.fail:
                raise self.fail
            yield ANSWER
        finally:
            self.ended.set()

    async def index(self, request: Index) -> AsyncGenerator[Indexed, None]:
        for path in request.paths:
            yield Indexed(source=path.name.encode("utf-8", "replace").decode(), state="done")

    async def sources(self, corpus: str) -> list[Any]:
        raise UnknownCorpus.among("corpus", corpus, ["ward"])

    async def remove(self, corpus: str, source: str | None = None) -> None:
        self.asked.append((corpus, source))


Served = tuple[Scripted, RemoteBackend, "asyncio.Task[None]"]


@pytest.fixture
def settings(home: Path) -> Settings:
    return load_settings({"home": home})


async def serving(app: FastAPI, path: Path, stack: AsyncExitStack) -> asyncio.Task[None]:
    """The server's task, once it answers."""
    ready = asyncio.Event()
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = stack.enter_context(listening(path))
    task = asyncio.create_task(run(app, listener, ready.set))

    async def stop() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)
    await ready.wait()
    return task


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        backend = Scripted()
        app = create_app(backend=backend)  # type: ignore[arg-type]
        task = await serving(app, settings.api_socket, stack)
        remote = await connect(settings, stack, backend.noticed.append)
        assert remote is not None
        yield backend, remote, task


async def events(remote: RemoteBackend, **asked: Any) -> list[Any]:
    async with aclosing(remote.ask(Ask(**{"question": "q", "corpus": "c", **asked}))) as stream:
        return [event async for event in stream]


async def test_events_arrive_as_they_were(served: Served) -> None:
    assert await events(served[1]) == [Stage(name="listen"), ANSWER]


async def test_a_client_hears_what_the_host_loads(served: Served) -> None:
    await events(served[1])
    assert served[0].noticed == [Notice("loading", "echo")]
    assert not served[0].listeners


@pytest.mark.parametrize(
    "error",
    [
        CorpusBusy("busy", why="because", fix="wait", pid=7, command="sutradhar index"),
        WorkerDied("died"),
        InvalidInput("wrong"),
    ],
)
@pytest.mark.parametrize("when", ["refuse", "fail"])
async def test_an_error_arrives_as_it_was(served: Served, error: SutradharError, when: str) -> None:
    setattr(served[0], when, error)
    with pytest.raises(type(error)) as caught:
        await events(served[1])
    assert caught.value.to_wire() == error.to_wire()


@pytest.mark.parametrize("when", ["refuse", "fail"])
async def test_a_fault_of_the_server_is_typed(served: Served, when: str) -> None:
    setattr(served[0], when, ZeroDivisionError("oh"))
    with pytest.raises(SutradharError):
        await events(served[1])
    setattr(served[0], when, None)
    assert len(await events(served[1])) == 2


async def test_a_client_that_goes_away_ends_the_work(served: Served) -> None:
    backend, remote, _ = served
    backend.hold = True
    async with aclosing(remote.ask(Ask(question="q", corpus="c"))) as stream:
        assert await anext(stream) == Stage(name="listen")
        assert not backend.ended.is_set()
    async with asyncio.timeout(10):
        await backend.ended.wait()


async def test_a_cancelled_client_ends_the_work(served: Served) -> None:
    backend, remote, _ = served
    backend.hold = True
    begun = asyncio.Event()

    async def ask() -> None:
        async with aclosing(remote.ask(Ask(question="q", corpus="c"))) as stream:
            async for _ in stream:
                begun.set()

    asking = asyncio.create_task(ask())
    await begun.wait()
    asking.cancel()
    async with asyncio.timeout(10):
        await backend.ended.wait()


async def test_a_server_that_stops_says_so(served: Served) -> None:
    backend, remote, task = served
    backend.hold = True
    async with aclosing(remote.ask(Ask(question="q", corpus="c"))) as stream:
        await anext(stream)
        task.cancel()
        with pytest.raises(Unavailable, match="stopping"):
            await anext(stream)
    assert backend.ended.is_set()


async def test_a_request_that_makes_no_sense(served: Served) -> None:
    client = served[1]._client
    for body in ({}, {"corpus": "c"}, {"corpus": "c", "question": " "}, {"corpus": "c", "x": 1}):
        response = await client.post("/ask", json=body)
        assert response.status_code == 422
        assert response.json()["code"] == "invalid_input"
        assert response.headers["content-type"] == "application/problem+json"
    assert served[0].asked == []


async def test_names_that_are_no_text_get_through(served: Served) -> None:
    odd = Path("/a b\n\udcff नाम.txt")
    request = Index(corpus="c", paths=(odd,))
    found = [event async for event in served[1].index(request)]
    assert served[0].asked[0].paths == (odd,)
    assert [event.state for event in found] == ["done"]


async def test_short_operations(served: Served) -> None:
    backend, remote, _ = served
    with pytest.raises(UnknownCorpus, match="'ward'"):
        await remote.sources("wrad")
    await remote.remove("c", "a & b?.txt")
    await remote.remove("c")
    assert backend.asked == [("c", "a & b?.txt"), ("c", None)]


async def test_studio_opens_a_backend_of_its_own(settings: Settings) -> None:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client,
    ):
        assert (await client.get("/corpora")).json() == []
        response = await client.post("/ask", json={"corpus": "none", "question": "q"})
        assert (response.status_code, response.json()["code"]) == (404, "unknown_corpus")


async def test_files_are_not_taken_over_a_network_port() -> None:
    transport = httpx.ASGITransport(app=create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:2024") as client:
        asked = {"audio": "/etc/passwd", "corpus": "c"}
        response = await client.post("/ask", json=asked)
        assert response.status_code == 422
        assert "network port" in response.json()["what"]
        named = {"paths": ["/etc"], "corpus": "c"}
        assert (await client.post("/index", json=named)).status_code == 422
