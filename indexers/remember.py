"""Model calls of a reading that a kill must not cost again.

An hour of speech is heard in portions, a video's screens one by one, and a reading is staged when
all of it is there. Until then each answer is kept beside the corpus, under the content of the file
and the call itself; a run that comes back for the same file gets it from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from anyio import to_thread

from indexers.docstore import Docstore
from model_host.client import Reply
from model_host.frames import encode, split
from model_host.tasks import EVENTS, Event, Latency, Request, Result

if TYPE_CHECKING:
    from model_host.client import Client


class _Answering(Protocol):
    def __aiter__(self) -> AsyncIterator[Event]: ...
    async def __anext__(self) -> Event: ...
    @property
    def result(self) -> Result: ...


class Remembering:
    """What readers use of a `Client`: `run` and `open`, for one file."""

    def __init__(self, client: Client, docs: Docstore, content_hash: str) -> None:
        self._client = client
        self._docs = docs
        self._content_hash = content_hash

    async def run(
        self, request: Request, *, model: str | None = None, latency: Latency = "interactive"
    ) -> Reply:
        async with self.open(request, model=model, latency=latency) as call:
            events = [event async for event in call]
            return Reply(call.result, events, model or "")

    @asynccontextmanager
    async def open(
        self, request: Request, *, model: str | None = None, latency: Latency = "interactive"
    ) -> AsyncIterator[_Answering]:
        """Raises what the client raises; a call that failed or was left is not kept."""
        key = await to_thread.run_sync(_key, request, model)
        kept = await to_thread.run_sync(self._docs.answers, self._content_hash, key)
        if kept:
            yield _Kept(request, kept)
            return
        async with self._client.open(request, model=model, latency=latency) as call:
            heard = _Heard(call)
            yield heard
        if heard.frames is not None:
            await to_thread.run_sync(self._docs.keep, self._content_hash, key, heard.frames)


class _Heard:
    """A running call; `frames` once it is through."""

    def __init__(self, call: _Answering) -> None:
        self._call = call
        self._frames: list[bytes] = []
        self.frames: list[bytes] | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        try:
            event = await self._call.__anext__()
        except StopAsyncIteration:
            self.frames = [*self._frames, encode("result", self._call.result)]
            raise
        self._frames.append(encode(type(event).__name__, event))
        return event

    @property
    def result(self) -> Result:
        return self._call.result


class _Kept:
    """A call of an earlier run, again."""

    def __init__(self, request: Request, frames: list[bytes]) -> None:
        *events, last = map(split, frames)
        self._events = iter([EVENTS[frame.type].model_validate(frame.body) for frame in events])
        self.result: Result = request.result.model_validate(last.body)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        for event in self._events:
            return event
        raise StopAsyncIteration


def _key(request: Request, model: str | None) -> str:
    return hashlib.sha256(encode(f"{request.task} {model}", request)).hexdigest()
