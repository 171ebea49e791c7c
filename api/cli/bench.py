"""`sutradhar bench scheduling`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.run import Run, add_command, new_app

if TYPE_CHECKING:
    from model_host.scheduling.traces import Workload

app = new_app()


@app.callback()
def bench() -> None:
    """Measure a part of Sutradhar that needs no models."""


async def scheduling(
    run: Run,
    devices: Annotated[
        str, typer.Option(metavar="LIST", help="Devices and RAM, virtual ones.")
    ] = "gpu0=32GiB,gpu1=96GiB,ram=128GiB",
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON lines; default: a family made here.")
    ] = None,
    family: Annotated[
        str, typer.Option(help="mission, diurnal, bursts, hot, alternation or agents.")
    ] = "mission",
    seed: Annotated[int, typer.Option(help="Of a family.")] = 1,
    policy: Annotated[str, typer.Option(metavar="NAME", help="One policy, or all.")] = "all",
) -> None:
    """Run scheduling policies over a trace in a simulation, and set them side by side.

    Waits are from arrival to the start of service; a refused request counts with its deadline.
    Here, --models names a TOML file of models; default: the mission's."""
    from model_host.scheduling.report import POLICIES, compare

    work = await asyncio.to_thread(_workload, run.flags["models"], trace, family, seed)
    budget = _budget(devices)
    names = tuple(POLICIES) if policy == "all" else (policy,)
    figures: dict[str, Any] = {}
    with run.out.bars() as bars:
        for done, name in enumerate(names):
            bars.update("simulating", done, len(names), unit="policies")
            found = await asyncio.to_thread(compare, work, budget, (name,))
            figures |= found["policies"]
        bars.update("simulating", len(names), len(names), unit="policies")
    run.out.result({"requests": len(work.trace), "policies": figures})
    run.out.table(
        ("policy", "p50 s", "p95 s", "p99 s", "longest s", "served", "refused", "missed", "swaps",
         "loaded"),
        [
            (
                name,
                *(f"{row['wait_s']['all'][key]:.1f}" for key in ("p50", "p95", "p99", "max")),
                row["served"],
                row["refused"],
                row["deadline_misses"],
                row["swaps"],
                f"{row['bytes_loaded'] / 1e9:.0f} GB",
            )
            for name, row in figures.items()
        ],
    )  # fmt: skip


def _workload(models: Path | None, trace: Path | None, name: str, seed: int) -> Workload:
    from model_host.errors import InvalidInput
    from model_host.scheduling.traces import (
        Workload,
        family,
        mission_models,
        read_models,
        read_trace,
    )

    if trace is None:
        if models is not None:
            raise InvalidInput("A models file needs a trace.", fix="Give one with --trace.")
        return family(name, seed)
    rows = read_models(models) if models is not None else mission_models()
    return Workload(rows, read_trace(trace, rows))


def _budget(text: str) -> dict[str, int]:
    from api.settings import parse_devices
    from model_host.errors import InvalidInput

    try:
        found: Any = parse_devices(text)
    except ValueError as error:
        raise InvalidInput("The devices cannot be understood.", why=f"{error}.") from None
    return dict(found)


add_command(app, scheduling, "scheduling")
