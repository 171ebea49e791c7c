"""What everything above the model host uses to call a model: `Client`.

    async with open_client(settings) as client:            # a running host, else one of our own
        reply = await client.run(Chat(messages=...))        # collect
        async with client.open(Transcribe(audio=x)) as call:
            async for event in call:                        # Segment, Progress …
                ...
            print(call.result, call.card_id)

Leaving the `open` block early closes the connection, which cancels the work inside the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from model_host.catalog.load import Catalog, Profile, choose, load_catalog, load_profile
from model_host.errors import (
    SutradharError,
    Unavailable,
    UnknownName,
    WorkerDied,
    WorkerHung,
    WorkerMisbehaved,
)
from model_host.frames import MAX_FRAME_BYTES, Frame, encode, read_frame, slices, split
from model_host.heap import keep_heap
from model_host.host.status import HostStatus, Lease, Notice, Wanted
from model_host.settings import HostSettings
from model_host.tasks import EVENTS, Event, Latency, Request, Result

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Call", "Client", "HostStatus", "Notice", "Reply", "open_client", "serve_client"]

_MAX_EVENTS = 1_000_000  # of one call that takes no more input; more is a flood
_MAX_BYTES = 4 << 30
_FATE_WAIT_S = 3.0  # how long the host may need to notice that a worker has died
_SMALL_BYTES = 1 << 20  # what aiohttp sends in one piece
_CLOSE_S = 1.0  # for the worker's side of a closing stream

Notify = Callable[[Notice], None]
T = TypeVar("T")


class LeasePort(Protocol):
    """What a client asks of a host, in this process or behind a socket."""

    async def lease(self, wanted: Wanted, notify: Notify | None = None) -> Lease: ...

    def release(self, lease_id: str, *, hung: bool = False) -> None: ...

    async def fate(self, lease_id: str, wait_s: float) -> SutradharError | None: ...

    async def status(self) -> HostStatus: ...

    async def unload(self, card_id: str) -> None: ...


class Reply(NamedTuple):
    """A finished call."""

    result: Result
    events: list[Event]
    card_id: str


class Call:
    """A running call: iterate its events, then read `result`."""

    def __init__(self, host: LeasePort, lease: Lease, kind: type[Result]) -> None:
        self.card_id = lease.card_id
        self.broken = False  # its worker is of no use any more
        self._host = host
        self._lease = lease
        self._kind = kind
        self._read: Callable[[], Awaitable[tuple[Frame, int]]] | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._result: Result | None = None
        self._failure: SutradharError | None = None
        self._events = self._bytes = 0
        self._patience: asyncio.Timeout | None = None
        self._ended = False  # no more input

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._failure is not None:
            raise self._failure
        if self._result is not None:
            raise StopAsyncIteration
        assert self._read is not None
        silent = self._socket is not None and not self._ended  # it may wait for us
        try:
            async with asyncio.timeout(None if silent else self._lease.stall_s) as self._patience:
                frame, size = await self.guard(self._read())
        except TimeoutError:
            raise self._failure or self._hung() from None
        self._bytes += size
        try:
            if frame.type == "result":
                self._result = self._kind.model_validate(frame.body)
                raise StopAsyncIteration
            if frame.type == "error":
                self._failure = SutradharError.from_wire(frame.body)
                raise self._failure
            event = EVENTS[frame.type.removeprefix("event/")].model_validate(frame.body)
        except (ValueError, KeyError, AttributeError) as error:  # pydantic's included
            raise self._fail(
                WorkerMisbehaved(
                    f"The model '{self.card_id}' sent what its task does not have.",
                    why=f"A frame of type '{frame.type}'.",
                )
            ) from error
        self._events += 1
        if self._socket is None and (self._events > _MAX_EVENTS or self._bytes > _MAX_BYTES):
            raise self._fail(
                WorkerMisbehaved(
                    f"The model '{self.card_id}' sent too much.",
                    why=f"{self._events:,} events, {self._bytes:,} bytes. Its worker is ended.",
                )
            )
        return event

    @property
    def result(self) -> Result:
        """Once the iteration is over; WorkerMisbehaved before."""
        if self._result is None:
            raise WorkerMisbehaved("The call has no result yet.")
        return self._result

    async def send(self, event: Event) -> None:
        """More input for a duplex call. Raises WorkerHung when nobody takes it."""
        await self._send(encode(f"event/{type(event).__name__}", event))

    async def end(self) -> None:
        """No more input: from now on, silence counts."""
        await self._send(encode("end"))
        self._ended = True
        if self._patience is not None and self._patience.when() is None:
            with contextlib.suppress(RuntimeError):  # nobody is reading just now
                now = asyncio.get_running_loop().time()
                self._patience.reschedule(now + self._lease.stall_s)

    def abort(self, error: SutradharError) -> None:
        """Whoever iterates gets this error now."""
        self._failure = error
        if self._patience is not None:
            with contextlib.suppress(RuntimeError):  # nobody is reading just now
                self._patience.reschedule(asyncio.get_running_loop().time())

    async def _send(self, frame: bytes) -> None:
        assert self._socket is not None
        try:
            async with asyncio.timeout(self._lease.stall_s):
                await self.guard(self._socket.send_bytes(frame))
        except TimeoutError:
            raise self._hung() from None

    async def guard(self, step: Awaitable[T]) -> T:
        """Await something of the connection; why it broke is asked of the host."""
        import aiohttp

        try:
            return await step
        except WorkerMisbehaved as error:
            raise self._fail(error) from None
        except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
            known = await self._host.fate(self._lease.id, _FATE_WAIT_S)
            died = WorkerDied(
                "The connection to a model's process broke.",
                why=f"{type(error).__name__}.",
                fix="Try again: the next call gets a new one.",
            )
            raise self._fail(known or died) from error

    def _hung(self) -> SutradharError:
        return self._fail(
            WorkerHung(
                f"The model '{self.card_id}' gave no sign for {self._lease.stall_s:g} seconds.",
                why="Its worker is ended.",
                fix="Try again: the next call gets a new one.",
            )
        )

    def _fail(self, error: SutradharError) -> SutradharError:
        self.broken = True
        self._failure = error
        return error


class Client:
    """Calls models. Get one from `open_client`."""

    def __init__(
        self, host: LeasePort, catalog: Catalog, profile: Profile, notify: Notify | None
    ) -> None:
        keep_heap()
        self.catalog = catalog
        self.profile = profile
        self._host = host
        self._notify = notify
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._calls: set[Call] = set()

    def speaks(self, task: str, language: str | None, *, model: str | None = None) -> bool:
        """True when some card would serve this task in this language."""
        try:
            card = choose(self.catalog, self.profile, task, language=language, model=model)
        except UnknownName:
            return False
        return card.speaks(language)

    async def run(
        self, request: Request, *, model: str | None = None, latency: Latency = "interactive"
    ) -> Reply:
        """The whole call at once."""
        async with self.open(request, model=model, latency=latency) as call:
            events = [event async for event in call]
            return Reply(call.result, events, call.card_id)

    @asynccontextmanager
    async def open(
        self, request: Request, *, model: str | None = None, latency: Latency = "interactive"
    ) -> AsyncIterator[Call]:
        """A call whose events stream. Raises what the host raises for a lease; while iterating,
        what the engine raised, WorkerDied, WorkerHung, WorkerMisbehaved."""
        frame = encode(request.task, request)
        body = frame if len(frame) <= _SMALL_BYTES else _pieces(frame)
        async with self._leased(request, model, latency) as (call, session):
            response = await call.guard(session.post("http://worker/run", data=body))
            try:
                call._read = lambda: read_frame(response.content.readexactly)
                yield call
            finally:
                if response.content.at_eof():
                    response.release()
                else:
                    response.close()  # tells the worker to cancel

    @asynccontextmanager
    async def duplex(
        self, request: Request, *, model: str | None = None, latency: Latency = "realtime"
    ) -> AsyncIterator[Call]:
        """A call that takes more input while it runs (`send`, `end`). Raises as `open`."""
        import aiohttp

        frame = encode(request.task, request)
        async with self._leased(request, model, latency) as (call, session):
            socket = await call.guard(
                session.ws_connect(
                    "http://worker/stream",
                    max_msg_size=MAX_FRAME_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                )
            )
            try:
                call._socket = socket
                call._read = lambda: _message(socket)
                await call._send(frame)
                yield call
            finally:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    await socket.close()

    async def status(self) -> HostStatus:
        """What the host holds."""
        return await self._host.status()

    async def unload(self, card_id: str) -> None:
        """End a model's worker once its calls are done. Raises UnknownName."""
        await self._host.unload(card_id)

    async def aclose(self) -> None:
        """Calls that still run fail with Unavailable."""
        for call in self._calls:
            call.abort(Unavailable("The client was closed during a call."))
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @asynccontextmanager
    async def _leased(
        self, request: Request, model: str | None, latency: Latency
    ) -> AsyncIterator[tuple[Call, aiohttp.ClientSession]]:
        wanted = Wanted(
            task=request.task, language=request.wanted_language, model=model, latency=latency
        )
        lease = await self._host.lease(wanted, self._notify)
        call = Call(self._host, lease, request.result)
        self._calls.add(call)
        try:
            yield call, await self._session(lease.socket_path)
        finally:
            self._calls.discard(call)
            self._host.release(lease.id, hung=call.broken)

    async def _session(self, path: str) -> aiohttp.ClientSession:
        import aiohttp

        session = self._sessions.get(path)
        if session is None:
            session = self._sessions[path] = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=1 << 20,
            )
            for old in [*self._sessions]:
                if old != path and not _exists(old):  # its worker has ended
                    await self._sessions.pop(old).close()
        return session


def _exists(path: str) -> bool:
    return os.path.exists(path)


async def _message(socket: aiohttp.ClientWebSocketResponse) -> tuple[Frame, int]:
    import aiohttp

    message = await socket.receive()
    if message.type is aiohttp.WSMsgType.BINARY:
        return split(message.data), len(message.data)
    if message.type is aiohttp.WSMsgType.TEXT:
        raise WorkerMisbehaved("A worker sent text.")
    raise aiohttp.ServerDisconnectedError


async def _pieces(frame: bytes) -> AsyncIterator[memoryview]:
    for piece in slices(frame):
        yield piece


@asynccontextmanager
async def open_client(
    settings: HostSettings, *, on_notice: Notify | None = None, embedded: bool | None = None
) -> AsyncIterator[Client]:
    """A client of the host that runs on `settings.host_socket`, else of one in this process.

    `embedded` True or False asks for one of the two. Raises Unavailable when a running host was
    asked for and there is none."""
    catalog = await asyncio.to_thread(load_catalog, settings)
    profile = await asyncio.to_thread(load_profile, settings, catalog)
    async with AsyncExitStack() as stack:
        host: LeasePort | None = None
        if embedded is not True:
            from model_host.host.server import connect

            host = await stack.enter_async_context(connect(settings.host_socket))
        if host is None and embedded is False:
            raise Unavailable(
                "No host is running.", why=f"Nothing serves on {settings.host_socket}.",
                fix="Start one: sutradhar serve.",
            )  # fmt: skip
        if host is None:
            from model_host.host.host import open_host

            host = await stack.enter_async_context(open_host(settings))
        async with aclosing(Client(host, catalog, profile, on_notice)) as client:
            yield client


@asynccontextmanager
async def serve_client(
    settings: HostSettings, *, on_notice: Notify | None = None
) -> AsyncIterator[Client]:
    """A client of a host in this process that also serves others on `settings.host_socket`.

    Raises Busy when another host serves there."""
    from model_host.host.host import open_host
    from model_host.host.server import serve_host

    async with (
        open_host(settings) as host,
        serve_host(host, settings.host_socket),
        aclosing(Client(host, host.catalog, host.profile, on_notice)) as client,
    ):
        yield client
