"""The lease port on a Unix socket, so that several processes share one host.

Frames (see `frames.py`) both ways: a call is `{id, method, args}`, answered by `reply` or `error`
with the same id, and before that by any number of `notice`. When a client's connection closes, its
calls are cancelled and its leases released.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from model_host.errors import Busy, InvalidInput, SutradharError
from model_host.frames import HEAD, Frame, decode, encode, sizes
from model_host.host.host import Host
from model_host.host.status import Notice, Wanted

VERSION = 1


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame, None at the end. Raises WorkerMisbehaved for garbage."""
    try:
        head, parts = sizes(await reader.readexactly(HEAD.size))
        body = await reader.readexactly(head + parts)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return decode(body[:head], memoryview(body)[head:])


@asynccontextmanager
async def serve_host(host: Host, path: Path) -> AsyncIterator[None]:
    """Serve while the block runs. Raises Busy when another host serves there."""
    if await answers(path):
        raise Busy(
            "Another host is running already.",
            why=f"It serves on {path}.",
            fix="Use it, or stop it first.",
            retry_after_s=5.0,
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _Connection(host, writer).serve(reader)
        finally:
            connections.discard(task)
            writer.close()

    umask = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(connected, path)
    finally:
        os.umask(umask)
    try:
        yield
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        path.unlink(missing_ok=True)


async def answers(path: Path) -> bool:
    """True when a host serves on this socket."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


class _Connection:
    """One client: its calls run concurrently, its leases end with it."""

    def __init__(self, host: Host, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._writer = writer
        self._leases: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        self._send("hello", {"version": VERSION, "pid": os.getpid()})
        calls: set[asyncio.Task[None]] = set()
        try:
            while (frame := await read_frame(reader)) is not None:
                call = asyncio.create_task(self._answer(frame.type, frame.body))
                calls.add(call)
                call.add_done_callback(calls.discard)
        finally:
            for call in tuple(calls):
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            for lease in tuple(self._leases):
                await self._host.release(lease)

    async def _answer(self, method: str, body: dict[str, Any]) -> None:
        number = body["id"]
        try:
            value = await self._do(method, body.get("args", {}), number)
            self._send("reply", {"id": number, "value": value})
        except SutradharError as error:
            self._send("error", {"id": number, "error": error.to_wire()})
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

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
            return await host.release(args["lease_id"], hung=bool(args.get("hung")))
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
        self._numbers = iter(range(1, 1 << 62))
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._listeners: dict[int, Any] = {}

    async def lease(self, wanted: Wanted, notify: Any = None) -> Any:
        from model_host.host.status import Lease

        return Lease(*await self._call("lease", wanted.model_dump(), notify))

    async def release(self, lease_id: str, *, hung: bool = False) -> None:
        await self._call("release", {"lease_id": lease_id, "hung": hung})

    async def fate(self, lease_id: str, wait_s: float) -> SutradharError | None:
        body = await self._call("fate", {"lease_id": lease_id, "wait_s": wait_s})
        return SutradharError.from_wire(body) if body else None

    async def status(self) -> Any:
        from model_host.host.status import HostStatus

        return HostStatus.model_validate(await self._call("status", {}))

    async def unload(self, card_id: str) -> None:
        await self._call("unload", {"card_id": card_id})

    async def _call(self, method: str, args: dict[str, Any], notify: Any = None) -> Any:
        number = next(self._numbers)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        if notify is not None:
            self._listeners[number] = notify
        try:
            if self._writer.is_closing():
                raise _gone()
            self._writer.write(encode(method, {"id": number, "args": args}))
            return await waiting
        finally:
            self._waiting.pop(number, None)
            self._listeners.pop(number, None)

    async def listen(self) -> None:
        """Hand answers to their callers until the connection ends."""
        while (frame := await read_frame(self._reader)) is not None:
            number = frame.body["id"]
            waiting = self._waiting.get(number)
            if frame.type == "notice" and number in self._listeners:
                self._listeners[number](Notice(*frame.body["notice"]))
            elif waiting is None or waiting.done():
                if frame.type == "reply" and isinstance(frame.body["value"], list):
                    # A lease that came after its caller was cancelled.
                    lost = encode("release", {"id": 0, "args": {"lease_id": frame.body["value"][0]}})
                    self._writer.write(lost)
            elif frame.type == "reply":
                waiting.set_result(frame.body["value"])
            elif frame.type == "error":
                waiting.set_exception(SutradharError.from_wire(frame.body["error"]))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_gone())


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[RemoteHost | None]:
    """The host that serves on this socket, or None when there is none."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
        hello = await asyncio.wait_for(read_frame(reader), 5.0)
    except (OSError, TimeoutError):
        yield None
        return
    if hello is None or hello.body.get("version") != VERSION:
        writer.close()
        raise Busy(
            "The running host is of another version.",
            fix="Stop it ('sutradhar serve') and start it again.",
            retry_after_s=5.0,
        )
    remote = RemoteHost(reader, writer)
    listening = asyncio.create_task(remote.listen())
    try:
        yield remote
    finally:
        writer.close()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def _gone() -> SutradharError:
    from model_host.errors import Unavailable

    return Unavailable(
        "The host has gone.", why="Its process ended.", fix="Run the command again."
    )
