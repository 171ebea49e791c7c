"""Makes `ward_meeting/ward_meeting.mp4` and its truth from `ward_meeting.mp4.src`.

    python -m samples.make_ward_meeting

The ward and everybody in it are invented. Ten minutes on two cores; the result is committed, so
the demo does not need it.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.evaluation.markup import read_script, slide_lines
from samples.mux import write_mp4
from samples.narration import RATE_HZ, Speak, narrate, product_voices, write_truth
from samples.slides import draw_slide

FOLDER = Path(__file__).parent / "ward_meeting"


async def make(folder: Path, speak: Speak) -> None:
    """Reads the script in `folder`; writes the video and its truth beside it."""
    script = read_script(folder / "ward_meeting.mp4.src")
    narration = await narrate(script, speak)
    slides = [
        (slide_lines(unit.text), start_s, end_s)
        for unit, (start_s, end_s) in zip(script.units, narration.times, strict=True)
        if unit.role == "slide"
    ]
    pictures = [
        (draw_slide(lines, number, len(slides)), start_s, end_s)
        for number, (lines, start_s, end_s) in enumerate(slides, 1)
    ]
    write_mp4(folder / "ward_meeting.mp4", pictures, narration.audio, RATE_HZ)
    write_truth(folder / "ward_meeting.truth.json", script, narration)


def main(
    models: Annotated[Path, typer.Option(help="where weights are kept", envvar="SUTRADHAR_MODELS")],
) -> None:
    """Speaks, draws and writes the video."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as home:
            async with product_voices(Path(home), models) as speak:
                await make(FOLDER, speak)

    asyncio.run(run())


if __name__ == "__main__":
    typer.run(main)
