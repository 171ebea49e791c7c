"""The HTTP side of a worker: `POST /run`, `GET /stream` (WebSocket), `GET /health`.

A request is one frame of type `task`; the answer is a stream of frames `event/<Class>` and, last,
`result` or `error`. In a duplex stream the caller sends `event/<Class>` frames and `end`. Closing
the connection cancels the call inside the engine.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import WSMessage, WSMsgType, web
from pydantic import BaseModel, ValidationError

from model_host.catalog.engines import ENGINES
from model_host.engines.base import Cancel, Engine
from model_host.errors import InvalidInput, SutradharError, first_problem
from model_host.frames import MAX_FRAME_BYTES, Frame, encode, read_frame, slices, split
from model_host.tasks import EVENTS, REQUESTS, Event, Request, Result
from model_host.workers.wire import as_error, footprint

if TYPE_CHECKING:
    from model_host.workers.main import Spec

_PENDING_EVENTS = 64  # an engine further ahead of its caller than this waits
_ENGINE = web.AppKey("engine", Engine)
_POOL = web.AppKey("pool", ThreadPoolExecutor)
_CLOSING = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
log = logging.getLogger("worker")

M = TypeVar("M", bound=BaseModel)
Send = Callable[[bytes], Awaitable[None]]


async def open_app(spec: Spec) -> web.Application:
    """Load the engine (on a thread) and make the application around it."""
    pool = ThreadPoolExecutor(spec.card.memory.slots, thread_name_prefix="engine")
    loop = asyncio.get_running_loop()

    def load() -> Engine:
        module, _, name = ENGINES[spec.card.engine].place.partition(":")
        kind: type[Engine] = getattr(importlib.import_module(module), name)
        return kind(spec.card, spec.folder, spec.threads)

    engine = await loop.run_in_executor(pool, load)
    app = web.Application()
    app[_ENGINE] = engine
    app[_POOL] = pool
    app.router.add_post("/run", _run)
    app.router.add_get("/stream", _stream)
    app.router.add_get("/health", _health)
    return app


@asynccontextmanager
async def serve(app: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve on a Unix socket while the block runs."""
    runner = web.AppRunner(
        app, handler_cancellation=True, access_log=None, shutdown_timeout=1, read_bufsize=1 << 20
    )
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        yield
    finally:
        await runner.cleanup()


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", **footprint()})


async def _run(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    try:
        frame, _ = await read_frame(request.content.readexactly)
        asked = _request(frame)
    except (SutradharError, asyncio.IncompleteReadError) as error:
        await response.prepare(request)
        await response.write_eof(_error(error))
        return response
    await response.prepare(request)
    last = await _call(request.app, asked, None, response.write)
    *most, end = slices(last)
    for piece in most:
        await response.write(piece)
    await response.write_eof(bytes(end) if most else last)  # with the end: the connection is kept
    return response


async def _stream(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES, compress=False)
    await socket.prepare(request)
    try:
        asked = _request(_frame(await socket.receive()))
    except SutradharError as error:
        await socket.send_bytes(_error(error))
        return socket
    inputs = _Inputs()

    async def feed() -> None:
        """Until the caller has gone: also after `end`, or nobody would notice."""
        while (message := await socket.receive()).type not in _CLOSING:
            frame = _frame(message)
            name = frame.type.removeprefix("event/")
            end = frame.type == "end"
            await inputs.put(None if end else _parsed("event", EVENTS, name, frame.body))

    feeding = asyncio.create_task(feed())
    calling = asyncio.create_task(_call(request.app, asked, iter(inputs), socket.send_bytes))
    try:
        await asyncio.wait({feeding, calling}, return_when=asyncio.FIRST_COMPLETED)
        if calling.done():
            await socket.send_bytes(calling.result())
        elif garbage := feeding.exception():
            await socket.send_bytes(_error(garbage))
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the caller has gone
    finally:
        feeding.cancel()
        calling.cancel()
        inputs.close()
        await asyncio.gather(feeding, calling, return_exceptions=True)
    await socket.close()
    return socket


class _Inputs:
    """What a caller sends, for an engine's thread; a caller far ahead of its engine waits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_PENDING_EVENTS)
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    async def put(self, event: Event | None) -> None:
        """None: no more."""
        await self._room.acquire()
        self._queue.put(event)

    def close(self) -> None:
        self._queue.put(None)

    def __iter__(self) -> Iterator[Event]:
        while (event := self._queue.get()) is not None:
            self._loop.call_soon_threadsafe(self._room.release)
            yield event


def _frame(message: WSMessage) -> Frame:
    if message.type is not WSMsgType.BINARY:
        raise InvalidInput("A stream takes binary frames.")
    return split(message.data)


def _error(error: BaseException) -> bytes:
    return encode("error", as_error(error).to_wire())


def _parsed(what: str, kinds: Mapping[str, type[M]], name: str, body: object) -> M:
    """Raises InvalidInput for a name that is none of `kinds`, or a body that is not its."""
    if name not in kinds:
        raise InvalidInput(f"There is no {what} '{name}'.")
    try:
        return kinds[name].model_validate(body)
    except ValidationError as error:
        field, problem = first_problem(error)
        raise InvalidInput(
            f"The '{field}' of a {kinds[name].__name__} is wrong.", why=f"{problem}."
        ) from None


def _request(frame: Frame) -> Request:
    return _parsed("task", REQUESTS, frame.type, frame.body)


async def _call(
    app: web.Application, asked: Request, inputs: Iterator[Event] | None, send: Send
) -> bytes:
    """Run one call on an engine thread, send what it emits, in order; returns the last frame."""
    loop = asyncio.get_running_loop()
    out: asyncio.Queue[bytes | None] = asyncio.Queue()
    room = threading.Semaphore(_PENDING_EVENTS)
    cancel = Cancel()
    engine: Any = app[_ENGINE]

    def emit(event: Event) -> None:
        while not room.acquire(timeout=0.1):
            cancel.check()
        cancel.check()
        frame = encode(f"event/{type(event).__name__}", event)
        loop.call_soon_threadsafe(out.put_nowait, frame)

    def work() -> bytes:
        try:
            cancel.check()
            if inputs is None:
                result: Result = engine.run(asked, cancel, emit)
            elif hasattr(engine, "stream"):
                result = engine.stream(asked, inputs, cancel, emit)
            else:
                raise InvalidInput(f"The model's {type(engine).__name__} takes no input midway.")
            return encode("result", result)
        except Exception as error:
            if not isinstance(error, SutradharError):
                log.exception("call failed")
            return _error(error)

    running = loop.run_in_executor(app[_POOL], work)
    running.add_done_callback(lambda _: out.put_nowait(None))
    try:
        while (frame := await out.get()) is not None:
            room.release()
            await send(frame)
        return running.result()
    finally:
        cancel.set()
