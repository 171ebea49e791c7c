"""The lease port on a Unix socket, so that several processes share one host.

Frames (see `frames.py`) both ways: a call is `{id, method, args}`, answered by `reply` or `error`
with the same id, and before that by any number of `notice`. When a client's connection closes, its
calls are cancelled and its leases released.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from model_host.errors import (
    Busy,
    Cancelled,
    InvalidInput,
    SutradharError,
    Unavailable,
    WorkerError,
)
from model_host.frames import encode, read_frame
from model_host.host.host import Host
from model_host.host.status import HostStatus, Lease, Notice, Wanted
from model_host.lock import lock_file

VERSION = 1
_HELLO_S = 5.0
log = logging.getLogger("host")


@asynccontextmanager
async def serve_host(host: Host, path: Path) -> AsyncIterator[None]:
    """Serve while the block runs. Raises Busy when another host serves there."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _Connection(host, writer).serve(reader)
        except asyncio.CancelledError:
            pass  # by us, below; asyncio would log it
        finally:
            connections.discard(task)
            writer.close()

    with alone(path):
        server = await asyncio.start_unix_server(connected, path)
        try:
            yield
        finally:
            server.close()
            for task in tuple(connections):
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the right to serve on `path`. Raises Busy naming the holder, StoreError."""
    with contextlib.closing(lock_file(path.with_suffix(".lock"))) as lock:
        if not lock.take():
            pid = lock.holder().get("pid")
            raise Busy(
                f"A server is running already{f' (process {pid})' if pid else ''}.",
                why=f"It serves on {path}.",
                fix="Use it: every command finds it by itself.",
                retry_after_s=5.0,
                pid=pid,
            )
        path.unlink(missing_ok=True)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


class _Connection:
    """One client: its calls run concurrently, its leases end with it."""

    def __init__(self, host: Host, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._writer = writer
        self._leases: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        self._send("hello", {"version": VERSION, "pid": os.getpid()})
        calls: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                frame, _ = await read_frame(reader.readexactly)
                number = int(frame.body["id"])
                if frame.type == "cancel":
                    if number in calls:
                        calls[number].cancel()
                    continue
                call = asyncio.create_task(self._answer(frame.type, frame.body["args"], number))
                calls[number] = call
                call.add_done_callback(partial(self._done, calls, number))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        except (SutradharError, KeyError, TypeError, ValueError) as error:
            log.warning("a client of the host sent garbage: %r", error)
        finally:
            for call in tuple(calls.values()):
                call.cancel()
            await asyncio.gather(*calls.values(), return_exceptions=True)
            for lease in tuple(self._leases):
                self._host.release(lease)

    async def _answer(self, method: str, args: dict[str, Any], number: int) -> None:
        try:
            value = await self._do(method, args, number)
            self._send("reply", {"id": number, "value": value})
        except Exception as error:
            if not isinstance(error, SutradharError):
                log.exception("'%s' failed", method)
                error = WorkerError("The host failed.", why=f"{type(error).__name__}: {error}.")
            self._send("error", {"id": number, "error": error.to_wire()})
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    def _done(
        self, calls: dict[int, asyncio.Task[None]], number: int, call: asyncio.Task[None]
    ) -> None:
        calls.pop(number, None)
        if call.cancelled():  # also when it had not begun
            error = Cancelled("The call was cancelled.")
            self._send("error", {"id": number, "error": error.to_wire()})

    async def _do(self, method: str, args: dict[str, Any], number: int) -> Any:
        host = self._host
        if method == "lease":
            lease = await host.lease(
                Wanted.model_validate(args),
                lambda notice: self._send("notice", {"id": number, "notice": list(notice)}),
            )
            self._leases.add(lease.id)
            return list(lease)
        if method == "release":
            self._leases.discard(args["lease_id"])
            return host.release(args["lease_id"], hung=bool(args.get("hung")))
        if method == "fate":
            error = await host.fate(args["lease_id"], float(args["wait_s"]))
            return error.to_wire() if error else None
        if method == "status":
            return await host.status()
        if method == "unload":
            return await host.unload(args["card_id"])
        raise InvalidInput(f"The host has no method '{method}'.")

    def _send(self, kind: str, body: object) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(kind, body))


class RemoteHost:
    """The lease port over a socket: what `Host` is in process. Use `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._listeners: dict[int, Callable[[Notice], None]] = {}

    async def lease(self, wanted: Wanted, notify: Callable[[Notice], None] | None = None) -> Lease:
        return Lease(*await self._call("lease", wanted.model_dump(), notify))

    def release(self, lease_id: str, *, hung: bool = False) -> None:
        self._send("release", 0, lease_id=lease_id, hung=hung)  # nobody waits for the answer

    async def fate(self, lease_id: str, wait_s: float) -> SutradharError | None:
        body = await self._call("fate", {"lease_id": lease_id, "wait_s": wait_s})
        return SutradharError.from_wire(body) if body else None

    async def status(self) -> HostStatus:
        return HostStatus.model_validate(await self._call("status", {}))

    async def unload(self, card_id: str) -> None:
        await self._call("unload", {"card_id": card_id})

    def _send(self, method: str, number: int, **args: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(method, {"id": number, "args": args}))

    async def _call(
        self, method: str, args: dict[str, Any], notify: Callable[[Notice], None] | None = None
    ) -> Any:
        if self._writer.is_closing():
            raise _gone()
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        if notify is not None:
            self._listeners[number] = notify
        self._send(method, number, **args)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._hear("reply", {"id": number, "value": waiting.result()})  # just came
            self._send("cancel", number)
            raise
        finally:
            del self._waiting[number]
            self._listeners.pop(number, None)

    async def listen(self) -> None:
        """Hand answers to their callers until the connection ends."""
        try:
            while True:
                frame, _ = await read_frame(self._reader.readexactly)
                self._hear(frame.type, frame.body)
        except (asyncio.IncompleteReadError, ConnectionError, SutradharError):
            pass
        finally:
            self._writer.close()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(_gone())

    def _hear(self, kind: str, body: dict[str, Any]) -> None:
        number = body["id"]
        waiting = self._waiting.get(number)
        if kind == "notice" and number in self._listeners:
            self._listeners[number](Notice(*body["notice"]))
        elif kind == "reply" and waiting is not None and not waiting.done():
            waiting.set_result(body["value"])
        elif kind == "reply" and isinstance(body["value"], list):
            self.release(body["value"][0])  # a lease has crossed its caller's cancellation
        elif kind == "error" and waiting is not None and not waiting.done():
            waiting.set_exception(SutradharError.from_wire(body["error"]))


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[RemoteHost | None]:
    """The host that serves on this socket, or None when there is none."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        yield None
        return
    try:
        async with asyncio.timeout(_HELLO_S):
            hello, _ = await read_frame(reader.readexactly)
        if hello.body.get("version") != VERSION:
            raise Busy(
                "The running host is of another version.",
                fix="Stop it ('sutradhar serve') and start it again.",
                retry_after_s=5.0,
            )
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        writer.close()
        yield None
        return
    except SutradharError:
        writer.close()
        raise
    remote = RemoteHost(reader, writer)
    listening = asyncio.create_task(remote.listen())
    try:
        yield remote
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def _gone() -> SutradharError:
    return Unavailable("The host has gone.", why="Its process ended.", fix="Run the command again.")
