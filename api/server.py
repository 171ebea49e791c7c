"""`sutradhar serve`: one process that owns models and corpora, for all commands of a user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from api.settings import Settings
from model_host.errors import Busy, InvalidInput


async def serve(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Serve until cancelled. Raises Busy when another server runs for this data home."""
    import uvicorn

    from api.app import create_app

    with listening(settings.api_socket) as listener:
        config = uvicorn.Config(
            create_app(settings, on_ready=on_ready, shared=True),
            log_level="warning",
            timeout_graceful_shutdown=5,
            lifespan="on",
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve(sockets=[listener]))  # no signal handlers
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A Unix socket of this user alone, removed at the end."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if len(os.fsencode(path)) > 100:
        raise InvalidInput(
            f"The path of the socket is too long: {path}.",
            why="A Unix socket's path has at most 107 bytes.",
            fix="Choose a shorter data home (SUTRADHAR_HOME).",
        )
    with socket.socket(socket.AF_UNIX) as probe:
        if path.exists() and probe.connect_ex(str(path)) == 0:
            raise Busy(
                "A server is running already.",
                why=f"It serves on {path}.",
                fix="Use it: every command finds it by itself.",
                retry_after_s=5.0,
            )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(umask)
    try:
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)
