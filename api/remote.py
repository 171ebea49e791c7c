"""A running server's operations, over its Unix socket: lines of JSON, one event a line."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from api.schemas import Answer, Ask, Index, Indexed, Loading, Stage
from api.settings import Settings
from model_host.errors import SutradharError, Unavailable

if TYPE_CHECKING:
    import httpx

    from api.backend import Listener
    from indexers.corpora import CorpusInfo, SourceInfo
    from indexers.moments import Moment

_EVENTS: dict[str, type[Stage | Answer | Indexed]] = {
    "stage": Stage,
    "answer": Answer,
    "indexed": Indexed,
}


async def connect(
    settings: Settings, stack: AsyncExitStack, on_notice: Listener | None = None
) -> RemoteBackend | None:
    """A backend over the server's socket, or None when no server answers there."""
    if not _exists(settings.api_socket):
        return None
    import httpx

    client = await stack.enter_async_context(
        httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(settings.api_socket)),
            base_url="http://sutradhar",
            timeout=httpx.Timeout(None, connect=2.0),
        )
    )
    try:
        (await client.get("/health", timeout=5.0)).raise_for_status()
    except httpx.HTTPError:
        return None  # a socket left by a killed server
    return RemoteBackend(client, on_notice)


class RemoteBackend:
    def __init__(self, client: httpx.AsyncClient, on_notice: Listener | None) -> None:
        self._client = client
        self._on_notice = on_notice

    async def ask(self, request: Ask) -> AsyncGenerator[Stage | Answer, None]:
        async with aclosing(self._events("/ask", request)) as events:
            async for event in events:
                assert isinstance(event, Stage | Answer)
                yield event

    async def index(self, request: Index) -> AsyncGenerator[Indexed, None]:
        async with aclosing(self._events("/index", request)) as events:
            async for event in events:
                assert isinstance(event, Indexed)
                yield event

    async def corpora(self) -> list[CorpusInfo]:
        from indexers.corpora import CorpusInfo

        return [CorpusInfo.model_validate(row) for row in await self._call("GET", "/corpora")]

    async def sources(self, corpus: str) -> list[SourceInfo]:
        from indexers.corpora import SourceInfo

        rows = await self._call("GET", "/sources", corpus=corpus)
        return [SourceInfo.model_validate(row) for row in rows]

    async def moments(self, corpus: str, source: str | None = None) -> list[Moment]:
        from indexers.moments import Moment

        named = {"corpus": corpus} | ({"source": source} if source is not None else {})
        rows = await self._call("GET", "/moments", **named)
        return [Moment.model_validate(row) for row in rows]

    async def remove(self, corpus: str, source: str | None = None) -> None:
        named = {"corpus": corpus} | ({"source": source} if source is not None else {})
        await self._call("DELETE", "/corpora", **named)

    async def _call(self, method: str, path: str, **params: str) -> Any:
        import httpx

        try:
            response = await self._client.request(method, path, params=params)
            if response.is_error:
                raise _problem(response.content)
            return json.loads(response.content) if response.content else None
        except (httpx.HTTPError, ValueError) as error:
            raise _gone(error) from error

    async def _events(
        self, path: str, request: BaseModel
    ) -> AsyncGenerator[Stage | Answer | Indexed, None]:
        import httpx

        # ASCII, so that file names which are not UTF-8 get through.
        body = json.dumps(request.model_dump(mode="json")).encode("ascii")
        headers = {"content-type": "application/json"}
        try:
            async with self._client.stream("POST", path, content=body, headers=headers) as response:
                if response.is_error:
                    raise _problem(await response.aread())
                async with aclosing(response.aiter_lines()) as lines:  # type: ignore[type-var]
                    async for text in lines:
                        line = json.loads(text)
                        if line["type"] == "error":
                            raise SutradharError.from_wire(line)
                        if line["type"] == "loading":
                            if self._on_notice is not None:
                                self._on_notice(Loading.model_validate(line).notice)
                            continue
                        yield _EVENTS[line["type"]].model_validate(line)
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise _gone(error) from error


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # False for a path that is too long, too


def _problem(content: bytes) -> SutradharError:
    """A JSON problem of the server as the error it was. Raises ValueError."""
    body = json.loads(content)
    return SutradharError.from_wire({**body, "detail": body.get("data", {})})


def _gone(error: Exception) -> Unavailable:
    return Unavailable(
        "The running server stopped answering.",
        why=f"{type(error).__name__}.",
        fix="Start it again with 'sutradhar serve', or run the command again without it.",
    )
