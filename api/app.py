"""The HTTP application: served on a Unix socket by `sutradhar serve`, mounted by Studio's server.

Long operations answer with lines of JSON (`application/x-ndjson`), one event a line; an error
after the first line is a line of type `error`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from api.errors import problem
from api.schemas import Ask, Index
from api.settings import Settings, load_settings
from model_host.errors import SutradharError

if TYPE_CHECKING:
    from api.backend import LocalBackend


def create_app(
    settings: Settings | None = None,
    *,
    on_ready: Callable[[], None] | None = None,
    shared: bool = False,
) -> FastAPI:
    """The application over its own backend, which lives as long as the application.

    `shared`: its model host serves other processes, too."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        from api.backend import open_local

        chosen = settings or await asyncio.to_thread(load_settings)
        async with open_local(chosen, shared=shared) as backend:
            app.state.backend = backend
            if on_ready is not None:
                on_ready()
            yield

    app = FastAPI(title="Sutradhar", lifespan=lifespan)
    app.add_exception_handler(SutradharError, _problem)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/ask")
    async def ask(request: Ask, backend: Backend) -> StreamingResponse:
        await backend.corpus(request.corpus)
        return _lines(backend.ask(request))

    @app.post("/index")
    async def index(request: Index, backend: Backend) -> StreamingResponse:
        await backend.corpus(request.corpus, create=True)
        return _lines(backend.index(request))

    @app.get("/corpora")
    async def corpora(backend: Backend) -> list[dict[str, Any]]:
        return [info.model_dump(mode="json") for info in await backend.corpora()]

    @app.get("/sources")
    async def sources(corpus: str, backend: Backend) -> list[dict[str, Any]]:
        return [info.model_dump(mode="json") for info in await backend.sources(corpus)]

    @app.delete("/corpora")
    async def remove(corpus: str, backend: Backend, source: str | None = None) -> None:
        await backend.remove(corpus, source)

    return app


def _backend(request: Request) -> LocalBackend:
    backend: LocalBackend = request.app.state.backend
    return backend


Backend = Annotated[Any, Depends(_backend)]


def _lines(events: AsyncIterator[BaseModel]) -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        async with contextlib.aclosing(events) as stream:  # type: ignore[type-var]
            try:
                async for event in stream:
                    yield event.model_dump_json() + "\n"
            except SutradharError as error:
                yield json.dumps({"type": "error", **error.to_wire()}) + "\n"

    return StreamingResponse(body(), media_type="application/x-ndjson")


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SutradharError)
    body = jsonable_encoder(problem(error))
    return JSONResponse(body, body["status"], media_type="application/problem+json")


app = create_app()
