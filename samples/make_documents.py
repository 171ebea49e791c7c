"""Makes the PDF of the demo and its spoken question: `python -m samples.make_documents`.

`documents/works_report.pdf` comes from `works_report.pdf.src`; the Hindi text beside it is
written by hand. The question needs a voice, and is only made with `--models DIR`.
"""

from __future__ import annotations

import asyncio
import tempfile
import wave
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.evaluation.markup import read_script
from benchmarks.evaluation.render import pdf_bytes
from model_host.tasks import Synthesize
from samples.narration import Speak, product_voices, resampled

FOLDER = Path(__file__).parent
QUESTION = "How much money was approved for the storm drain?"
QUESTION_RATE_HZ = 16000


def make_pdf(folder: Path) -> Path:
    """The works report, the same bytes each time."""
    script = read_script(folder / "works_report.pdf.src")
    path = folder / script.file_name
    path.write_bytes(pdf_bytes(script))
    return path


async def make_question(path: Path, speak: Speak) -> None:
    """A spoken question as 16-bit mono WAV."""
    request = Synthesize(text=QUESTION, language="en", voice="bf_emma")
    audio = resampled(*await speak(request, "kokoro-82m"), QUESTION_RATE_HZ)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(QUESTION_RATE_HZ)
        out.writeframes((np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes())


def main(
    models: Annotated[
        Path | None, typer.Option(help="where weights are kept", envvar="SUTRADHAR_MODELS")
    ] = None,
) -> None:
    """Writes the PDF, and the question when there are weights."""
    make_pdf(FOLDER / "documents")
    if models is None:
        return

    async def run(models: Path) -> None:
        with tempfile.TemporaryDirectory() as home:
            async with product_voices(Path(home), models) as speak:
                await make_question(FOLDER / "questions" / "drain_budget.wav", speak)

    asyncio.run(run(models))


if __name__ == "__main__":
    typer.run(main)
