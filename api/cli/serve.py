"""`sutradhar serve`."""

from __future__ import annotations

from api.cli.run import Run


async def command(run: Run) -> None:
    """Run the host and the API for all commands of this user.

    It owns models and corpora; other commands find it by its socket and become its clients, so
    that models stay loaded between them. Ctrl-C stops it."""
    from api.server import serve

    settings = run.settings
    await serve(settings, lambda: run.out.note(f"ready on {settings.api_socket}"))
