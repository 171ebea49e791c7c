"""The HTTP application: served on a Unix socket by `sutradhar serve`, mounted by Studio's server.

Long operations answer with lines of JSON (`application/x-ndjson`), one event a line; an error
after the first line is a line of type `error`. A client that closes the connection cancels its
operation.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from api.errors import problem
from api.schemas import Ask, Index, Loading
from api.settings import Settings, load_settings
from model_host.errors import InvalidInput, SutradharError, Unavailable, first_problem

if TYPE_CHECKING:
    from api.backend import LocalBackend
    from model_host.client import Notice

log = logging.getLogger("api")


def create_app(settings: Settings | None = None, *, backend: LocalBackend | None = None) -> FastAPI:
    """The application over `backend`; without one it opens its own, which lives as long as it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if backend is not None:
            yield
            return
        from api.backend import open_local

        chosen = await asyncio.to_thread(load_settings) if settings is None else settings
        async with open_local(chosen) as app.state.backend:
            yield

    app = FastAPI(title="Sutradhar", lifespan=lifespan)
    app.state.backend = backend
    app.state.running = set()
    app.state.stopping = False
    app.add_exception_handler(SutradharError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/ask")
    async def ask(request: Ask, backend: Backend, http: Request) -> StreamingResponse:
        if request.audio is not None or request.speak is not None:
            _only_at_home(http)
        await backend.prepare(request)
        return _lines(app, _with_notices(backend, backend.ask(request)))

    @app.post("/index")
    async def index(request: Index, backend: Backend, http: Request) -> StreamingResponse:
        _only_at_home(http)
        await backend.prepare(request)
        return _lines(app, _with_notices(backend, backend.index(request)))

    @app.get("/corpora")
    async def corpora(backend: Backend) -> list[dict[str, Any]]:
        return [info.model_dump(mode="json") for info in await backend.corpora()]

    @app.get("/sources")
    async def sources(corpus: str, backend: Backend) -> list[dict[str, Any]]:
        return [info.model_dump(mode="json") for info in await backend.sources(corpus)]

    @app.get("/moments")
    async def moments(
        corpus: str, backend: Backend, source: str | None = None
    ) -> list[dict[str, Any]]:
        found = await backend.moments(corpus, source)
        return [moment.model_dump(mode="json", exclude={"moment_id"}) for moment in found]

    @app.delete("/corpora")
    async def remove(corpus: str, backend: Backend, source: str | None = None) -> None:
        await backend.remove(corpus, source)

    return app


def _only_at_home(request: Request) -> None:
    """Paths name files of this machine: they are taken from the user's own Unix socket alone, not
    from a TCP port (Studio's), which any page in a browser can reach. Raises InvalidInput."""
    _, port = request.scope.get("server") or (None, None)
    if port is not None:
        raise InvalidInput(
            "Files are not taken over a network port.",
            why="The path would name a file of this machine.",
            fix="Use the command line, which talks to 'sutradhar serve' through its socket.",
        )


def stop(app: FastAPI) -> None:
    """End the running operations; each tells its client why."""
    app.state.stopping = True
    for task in tuple(app.state.running):
        task.cancel()


def _backend(request: Request) -> LocalBackend:
    backend: LocalBackend = request.app.state.backend
    return backend


Backend = Annotated[Any, Depends(_backend)]


async def _with_notices(
    backend: LocalBackend, events: AsyncGenerator[BaseModel, None]
) -> AsyncGenerator[BaseModel, None]:
    """The events of an operation, and between them what the host pulls and loads meanwhile."""
    lines: asyncio.Queue[BaseModel | None] = asyncio.Queue()

    def heard(notice: Notice) -> None:
        lines.put_nowait(Loading(notice=notice))

    async def work() -> None:
        try:
            async with aclosing(events) as stream:
                async for event in stream:
                    lines.put_nowait(event)
        finally:
            lines.put_nowait(None)

    backend.listeners.add(heard)
    working = asyncio.create_task(work())
    try:
        while (line := await lines.get()) is not None:
            yield line
        await working  # raises what ended it
    finally:
        backend.listeners.discard(heard)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _lines(app: FastAPI, events: AsyncGenerator[BaseModel, None]) -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        task = asyncio.current_task()
        assert task is not None
        app.state.running.add(task)
        try:
            async with aclosing(events) as stream:
                async for event in stream:
                    yield event.model_dump_json() + "\n"
        except SutradharError as error:
            yield _error_line(error)
        except asyncio.CancelledError:
            if not app.state.stopping:
                raise
            task.uncancel()
            yield _error_line(
                Unavailable("The server is stopping.", fix="Run the same command again.")
            )
        except Exception as error:
            log.exception("an operation failed")
            why = f"{type(error).__name__}: {error}."
            yield _error_line(SutradharError("Something went wrong inside the server.", why=why))
        finally:
            app.state.running.discard(task)

    return StreamingResponse(body(), media_type="application/x-ndjson")


def _error_line(error: SutradharError) -> str:
    return json.dumps({"type": "error", **error.to_wire()}, default=str) + "\n"


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SutradharError)
    body = jsonable_encoder(problem(error))
    return JSONResponse(body, body["status"], media_type="application/problem+json")


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    where, reason = first_problem(error)
    return await _problem(
        request, InvalidInput("The request is not valid.", why=f"{where}: {reason}.")
    )


app = create_app()
