"""`sutradhar serve`: one process that owns models and corpora, for all commands of a user."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from api.settings import Settings
from indexers.lock import disk_error
from model_host.errors import Busy, InvalidInput

if TYPE_CHECKING:
    from fastapi import FastAPI

_PATH_BYTES = 107  # the kernel's limit
_GRACE_S = 5


async def serve(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Serve until cancelled. Raises Busy when another server runs for this data home."""
    from api.app import create_app
    from api.backend import open_local

    with alone(settings.api_socket):
        async with open_local(settings, shared=True) as backend:
            with listening(settings.api_socket) as listener:
                await run(create_app(backend=backend), listener, on_ready)


async def run(app: FastAPI, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve an application until cancelled; running operations then end and say why."""
    import uvicorn

    from api.app import stop

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # signals cancel our task

    server = Server(
        uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_GRACE_S, lifespan="off")
    )
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        stop(app)
        await serving
        raise


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the right to serve on `path`; the kernel gives it back when we die.

    Raises Busy naming the holder, InvalidInput (path too long for a socket), StoreError."""
    if len(os.fsencode(path)) > _PATH_BYTES:
        raise InvalidInput(
            f"The path of the socket is too long: {path}.",
            why=f"A Unix socket's path has at most {_PATH_BYTES} bytes.",
            fix="Choose a shorter data home (SUTRADHAR_HOME).",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = path.with_suffix(".lock").open("a+")
    except OSError as error:
        raise disk_error(path.parent, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip()
            raise Busy(
                f"A server is running already{f' (process {pid})' if pid else ''}.",
                why=f"It serves on {path}.",
                fix="Use it: every command finds it by itself.",
                retry_after_s=5.0,
                pid=int(pid) if pid.isdigit() else None,
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A Unix socket of this user alone, removed at the end; call it inside `alone`."""
    path.unlink(missing_ok=True)  # a killed server's
    with socket.socket(socket.AF_UNIX) as listener:
        umask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(umask)
        listener.listen(128)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)
