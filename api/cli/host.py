"""`sutradhar host`, and `host unload`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.output import megabytes
from api.cli.run import Run, add_command, add_default, new_app
from model_host.errors import Unavailable

if TYPE_CHECKING:
    from model_host.client import HostStatus

app = new_app()


async def host(run: Run) -> None:
    """Show devices and loaded models; unload one.

    Only a host that `sutradhar serve` runs outlives a command."""
    status = await _status(run)
    run.out.result({"running": status is not None, **(status.model_dump() if status else {})})
    if status is None:
        run.out.text("No host is running; each command starts its own. Start one: sutradhar serve")
        return
    run.out.text(f"pid {status.pid}, profile {status.profile}, {status.waiting} calls waiting")
    run.out.table(
        ["device", "budget", "reserved", "committed"],
        [
            [d.name, *map(megabytes, (d.budget_bytes, d.reserved_bytes, d.committed_bytes))]
            for d in status.devices
        ],
    )
    run.out.table(
        ["model", "task", "device", "pid", "state", "size", "running", "served", "idle"],
        [
            [
                *(i.card_id, i.task, i.device, i.pid, i.state, megabytes(i.size_bytes)),
                *(i.in_flight, i.served, f"{i.idle_s:.0f} s"),
            ]
            for i in status.instances
        ],
    )


async def unload(
    run: Run, model: Annotated[str, typer.Argument(metavar="MODEL", help="Card id.")]
) -> None:
    """End a loaded model's process once its calls are done."""
    from model_host.client import open_client

    card = run.catalog.get(model)
    async with open_client(run.settings.host, embedded=False) as client:
        await client.unload(card.id)
    run.out.text(f"{card.id}: unloaded")
    run.out.result({"unloaded": card.id})


async def _status(run: Run) -> HostStatus | None:
    from model_host.client import open_client

    try:
        async with open_client(run.settings.host, embedded=False) as client:
            return await client.status()
    except Unavailable:
        return None


add_default(app, host)
add_command(app, unload, "unload")
