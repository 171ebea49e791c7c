"""`sutradhar serve`: one process that owns models and corpora, for all commands of a user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from api.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

_GRACE_S = 5


async def serve(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Serve until cancelled. Raises Busy when another server runs for this data home."""
    from api.app import create_app
    from api.backend import open_local

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
def listening(path: Path) -> Iterator[socket.socket]:
    """A Unix socket of this user alone, removed at the end. The lock of the host that serves beside
    it keeps other servers away."""
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
