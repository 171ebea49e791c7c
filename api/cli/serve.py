"""`sutradhar serve`."""

from __future__ import annotations

import asyncio

from api.cli.run import Run


async def command(run: Run) -> None:
    """Run the host and the API for all commands of this user.

    It owns models and corpora; other commands find it by its socket and become its clients, so
    that models stay loaded between them. Ctrl-C stops it."""
    import uvicorn

    from api.app import create_app
    from api.backend import own_sockets

    settings = run.settings
    with own_sockets(settings) as sockets:
        app = create_app(settings, on_ready=lambda: run.out.note(f"ready on {settings.api_socket}"))
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5, lifespan="on")
        )
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve(sockets=[sockets]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
