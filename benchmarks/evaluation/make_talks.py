"""Speaks the talks of the worlds: `python -m benchmarks.evaluation.make_talks --models DIR`.

The recordings are committed beside their scripts, so nobody needs to run this.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.evaluation.markup import read_script
from benchmarks.evaluation.world import WORLDS
from samples.mux import write_ogg
from samples.narration import RATE_HZ, Speak, narrate, product_voices, write_truth


async def make_all(speak: Speak) -> None:
    """Every `*.ogg.src` of every world, as Opus with its truth beside it."""
    for path in sorted(WORLDS.glob("*/*.ogg.src")):
        script = read_script(path)
        narration = await narrate(script, speak)
        write_ogg(path.with_suffix(""), narration.audio, RATE_HZ)
        write_truth(path.with_suffix("").with_suffix(".truth.json"), script, narration)


def main(
    models: Annotated[Path, typer.Option(help="where weights are kept", envvar="SUTRADHAR_MODELS")],
) -> None:
    """Speaks and writes the talks."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as home:
            async with product_voices(Path(home), models) as speak:
                await make_all(speak)

    asyncio.run(run())


if __name__ == "__main__":
    typer.run(main)
