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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web
from pydantic import ValidationError

from model_host.engines.base import Cancel, Engine
from model_host.engines.registry import ENGINES
from model_host.errors import Cancelled, InvalidInput, SutradharError
from model_host.frames import MAX_FRAME_BYTES, Frame, encode, split
from model_host.tasks import EVENTS, REQUESTS, Event, Request, Result

if TYPE_CHECKING:
    from model_host.workers.main import Spec

_PENDING_EVENTS = 64  # an engine further ahead of its caller than this waits
_ENGINE = web.AppKey("engine", Engine)  # type: ignore[type-abstract]
_POOL = web.AppKey("pool", ThreadPoolExecutor)
log = logging.getLogger("worker")

Send = Callable[[bytes], Awaitable[None]]


async def open_app(spec: Spec) -> web.Application:
    """Load the engine (on a thread) and make the application around it."""
    pool = ThreadPoolExecutor(spec.card.memory.slots, thread_name_prefix="engine")
    loop = asyncio.get_running_loop()

    def load() -> Engine:
        module, _, name = ENGINES[spec.card.engine].partition(":")
        kind: type[Engine] = getattr(importlib.import_module(module), name)
        return kind(spec.card, spec.folder, spec.threads)

    engine = await loop.run_in_executor(pool, load)
    app = web.Application(client_max_size=MAX_FRAME_BYTES)
    app[_ENGINE] = engine
    app[_POOL] = pool
    app.router.add_post("/run", _run)
    app.router.add_get("/stream", _stream)
    app.router.add_get("/health", _health)
    return app


@asynccontextmanager
async def serve(app: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve on a Unix socket while the block runs."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        yield
    finally:
        await runner.cleanup()


async def _health(request: web.Request) -> web.Response:
    from model_host.workers.main import footprint

    return web.json_response({"status": "ok", **footprint()})


async def _run(request: web.Request) -> web.StreamResponse:
    asked = _parse(split(await request.read()))
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    await response.prepare(request)
    if isinstance(asked, SutradharError):
        await response.write(encode("error", asked.to_wire()))
    else:
        await _call(request.app, asked, None, response.write)
    await response.write_eof()
    return response


async def _stream(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES)
    await socket.prepare(request)
    first = await socket.receive()
    if first.type is not WSMsgType.BINARY:
        return socket
    asked = _parse(split(first.data))
    if isinstance(asked, SutradharError):
        await socket.send_bytes(encode("error", asked.to_wire()))
        return socket
    inputs: queue.Queue[Event | None] = queue.Queue(_PENDING_EVENTS)

    async def feed() -> None:
        try:
            async for message in socket:
                frame = split(message.data)
                if frame.type == "end":
                    break
                await asyncio.to_thread(inputs.put, as_event(frame))
            else:
                calling.cancel()  # the caller has gone
        finally:
            await asyncio.to_thread(inputs.put, None)

    async with asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(
            _call(request.app, asked, iter(inputs.get, None), socket.send_bytes)
        )
        feeding = tasks.create_task(feed())
        calling.add_done_callback(lambda _: feeding.cancel())
    await socket.close()
    return socket


def _parse(frame: Frame) -> Request | SutradharError:
    kind = REQUESTS.get(frame.type)
    if kind is None:
        return InvalidInput(f"There is no task '{frame.type}'.")
    try:
        return kind.model_validate(frame.body)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return InvalidInput(f"The request's '{field}' is wrong.", why=f"{first['msg']}.")


def as_event(frame: Frame) -> Event:
    """An `event/<Class>` frame as its event. Raises InvalidInput for anything else."""
    kind = EVENTS.get(frame.type.removeprefix("event/"))
    if kind is None:
        raise InvalidInput(f"There is no event '{frame.type}'.")
    return kind.model_validate(frame.body)


async def _call(
    app: web.Application, asked: Request, inputs: Iterator[Event] | None, send: Send
) -> None:
    """Run one call on an engine thread and send what it emits, in order."""
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
        from model_host.workers.main import as_error

        try:
            cancel.check()
            if inputs is None:
                result: Result = engine.run(asked, cancel, emit)
            else:
                result = engine.stream(asked, inputs, cancel, emit)
            return encode("result", result)
        except Cancelled as error:
            return encode("error", error.to_wire())
        except Exception as error:
            if not isinstance(error, SutradharError):
                log.exception("call failed")
            return encode("error", as_error(error).to_wire())

    running = loop.run_in_executor(app[_POOL], work)
    running.add_done_callback(lambda _: out.put_nowait(None))
    try:
        while (frame := await out.get()) is not None:
            room.release()
            await send(frame)
        await send(running.result())
    finally:
        cancel.set()
