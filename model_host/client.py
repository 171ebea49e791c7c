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
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from model_host.catalog.load import Catalog, Profile, choose, load_catalog, load_profile
from model_host.errors import (
    SutradharError,
    UnknownName,
    WorkerDied,
    WorkerError,
    WorkerHung,
    WorkerMisbehaved,
)
from model_host.frames import HEAD, MAX_FRAME_BYTES, Frame, decode, encode, sizes, split
from model_host.host.status import HostStatus, Lease, Notice, Wanted
from model_host.settings import HostSettings
from model_host.tasks import EVENTS, Event, Latency, Request, Result

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Call", "Client", "HostStatus", "Notice", "Reply", "open_client", "serve_client"]

_MAX_EVENTS = 1_000_000  # of one call; more is a flood
_MAX_BYTES = 4 << 30
_FATE_WAIT_S = 3.0  # how long the host may need to notice that a worker has died

Notify = Callable[[Notice], None]


class LeasePort(Protocol):
    """What a client asks of a host, in this process or behind a socket."""

    async def lease(self, wanted: Wanted, notify: Notify | None = None) -> Lease: ...

    async def release(self, lease_id: str, *, hung: bool = False) -> None: ...

    async def fate(self, lease_id: str, wait_s: float) -> SutradharError | None: ...

    async def status(self) -> HostStatus: ...

    async def unload(self, card_id: str) -> None: ...


class Reply(NamedTuple):
    """A finished call. `queued_s` is the wait for a lease, `ran_s` the rest."""

    result: Result
    events: list[Event]
    card_id: str
    queued_s: float
    ran_s: float


class Call:
    """A running call: iterate its events, then read `result`."""

    def __init__(self, lease: Lease, kind: type[Result], frames: AsyncIterator[Frame]) -> None:
        self.card_id = lease.card_id
        self._kind = kind
        self._frames = frames
        self._result: Result | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    @property
    def result(self) -> Result:
        """Once the iteration is over; WorkerMisbehaved before."""
        if self._result is None:
            raise WorkerMisbehaved("The call has no result yet.")
        return self._result

    async def send(self, event: Event) -> None:
        """More input for a duplex call."""
        assert self._socket is not None
        await self._socket.send_bytes(encode(f"event/{type(event).__name__}", event))

    async def end(self) -> None:
        """No more input."""
        assert self._socket is not None
        await self._socket.send_bytes(encode("end"))

    async def _events(self) -> AsyncIterator[Event]:
        try:
            async for frame in self._frames:
                if frame.type == "result":
                    self._result = self._kind.model_validate(frame.body)
                    return
                if frame.type == "error":
                    raise SutradharError.from_wire(frame.body)
                kind = EVENTS.get(frame.type.removeprefix("event/"))
                if kind is None:
                    raise WorkerMisbehaved(f"A worker sent '{frame.type}'.")
                yield kind.model_validate(frame.body)
        except ValueError as error:  # pydantic's included
            raise WorkerMisbehaved("A worker sent what its task does not have.") from error


class Client:
    """Calls models. Get one from `open_client`."""

    def __init__(
        self, host: LeasePort, catalog: Catalog, profile: Profile, notify: Notify | None
    ) -> None:
        self.catalog = catalog
        self.profile = profile
        self._host = host
        self._notify = notify
        self._sessions: dict[str, aiohttp.ClientSession] = {}

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
        began = time.perf_counter()
        async with self.open(request, model=model, latency=latency) as call:
            leased = time.perf_counter()
            events = [event async for event in call]
            done = time.perf_counter()
            return Reply(call.result, events, call.card_id, leased - began, done - leased)

    @asynccontextmanager
    async def open(
        self, request: Request, *, model: str | None = None, latency: Latency = "interactive"
    ) -> AsyncIterator[Call]:
        """A call whose events stream. Raises what the host raises for a lease; while iterating,
        what the engine raised, WorkerDied, WorkerHung, WorkerMisbehaved."""
        async with self._leased(request, model, latency) as (lease, session, guard):
            async with guard():
                body = encode(request.task, request)
                async with session.post("http://worker/run", data=body) as response:
                    frames = _limited(_from_body(response.content), lease)
                    yield Call(lease, request.result, frames)

    @asynccontextmanager
    async def duplex(
        self, request: Request, *, model: str | None = None, latency: Latency = "realtime"
    ) -> AsyncIterator[Call]:
        """A call that takes more input while it runs (`send`, `end`). Raises as `open`."""
        async with self._leased(request, model, latency) as (lease, session, guard):
            async with guard():
                async with session.ws_connect(
                    "http://worker/stream", max_msg_size=MAX_FRAME_BYTES
                ) as socket:
                    await socket.send_bytes(encode(request.task, request))
                    call = Call(lease, request.result, _limited(_from_socket(socket), lease))
                    call._socket = socket
                    yield call

    async def status(self) -> HostStatus:
        """What the host holds."""
        return await self._host.status()

    async def unload(self, card_id: str) -> None:
        """End a model's worker once its calls are done. Raises UnknownName."""
        await self._host.unload(card_id)

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @asynccontextmanager
    async def _leased(
        self, request: Request, model: str | None, latency: Latency
    ) -> AsyncIterator[tuple[Lease, aiohttp.ClientSession, Callable[[], AbstractAsyncContextManager[None]]]]:
        wanted = Wanted(
            task=request.task, language=request.wanted_language, model=model, latency=latency
        )
        lease = await self._host.lease(wanted, self._notify)
        hung = False

        @asynccontextmanager
        async def guard() -> AsyncIterator[None]:
            nonlocal hung
            import aiohttp

            try:
                yield
            except (WorkerHung, WorkerMisbehaved):
                hung = True
                raise
            except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
                reason = await self._host.fate(lease.id, _FATE_WAIT_S)
                hung = reason is None
                raise (reason or _broken(error)) from error

        try:
            yield lease, self._session(lease.socket_path), guard
        finally:
            await asyncio.shield(self._host.release(lease.id, hung=hung))

    def _session(self, path: str) -> aiohttp.ClientSession:
        import aiohttp

        session = self._sessions.get(path)
        if session is None or session.closed:
            session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path, limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
                read_bufsize=1 << 20,
            )
            self._sessions[path] = session
        return session


async def _from_body(content: aiohttp.StreamReader) -> AsyncIterator[Frame]:
    while True:
        head, parts = sizes(await content.readexactly(HEAD.size))
        body = await content.readexactly(head + parts)
        yield decode(body[:head], memoryview(body)[head:])


async def _from_socket(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Frame]:
    import aiohttp

    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise WorkerMisbehaved("A worker sent text.")
        yield split(message.data)
    raise aiohttp.ServerDisconnectedError


async def _limited(frames: AsyncIterator[Frame], lease: Lease) -> AsyncIterator[Frame]:
    """Frames, with a limit on silence and on their number."""
    count = 0
    while True:
        try:
            async with asyncio.timeout(lease.stall_s):
                frame = await anext(frames)
        except TimeoutError:
            raise WorkerHung(
                f"The model '{lease.card_id}' gave no sign for {lease.stall_s:.0f} seconds.",
                why="Its worker is ended.",
                fix="Try again: the next call gets a new one.",
            ) from None
        except StopAsyncIteration:
            return
        count += 1
        if count > _MAX_EVENTS:
            raise WorkerMisbehaved(
                f"The model '{lease.card_id}' sent more than {_MAX_EVENTS:,} events.",
                why="Its worker is ended.",
            )
        yield frame


def _broken(error: Exception) -> WorkerError:
    return WorkerDied(
        "The connection to a model's process broke.",
        why=f"{type(error).__name__}.",
        fix="Try again: the next call gets a new one.",
    )


@asynccontextmanager
async def open_client(
    settings: HostSettings, *, on_notice: Notify | None = None, embedded: bool | None = None
) -> AsyncIterator[Client]:
    """A client of the host that runs on `settings.host_socket`, else of one in this process.

    `embedded` True or False asks for one of the two. Raises Unavailable when a running host was
    asked for and there is none."""
    from model_host.errors import Unavailable

    catalog = load_catalog(settings)
    profile = load_profile(settings, catalog)
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
        client = Client(host, catalog, profile, on_notice)
        try:
            yield client
        finally:
            await client.aclose()


@asynccontextmanager
async def serve_client(
    settings: HostSettings, *, on_notice: Notify | None = None
) -> AsyncIterator[Client]:
    """A client of a host in this process that also serves others on `settings.host_socket`.

    Raises Busy when another host serves there."""
    from model_host.host.host import open_host
    from model_host.host.server import serve_host

    async with open_host(settings) as host, serve_host(host, settings.host_socket):
        client = Client(host, host.catalog, host.profile, on_notice)
        try:
            yield client
        finally:
            await client.aclose()
