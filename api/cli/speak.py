"""`sutradhar speak`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli.run import Run
from model_host.errors import InvalidInput


async def command(
    run: Run,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What to say; - reads it from stdin.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The WAV file to write.")
    ] = Path("speech.wav"),
    language: Annotated[
        str | None, typer.Option(help="hi, ta, kok …; default: as the script tells.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="See --voices.")] = None,
    model: Annotated[str | None, typer.Option(help="Card id.")] = None,
    speed: Annotated[float, typer.Option(help="0.5 to 2.0 times the usual speed.")] = 1.0,
    voices: Annotated[bool, typer.Option("--voices", help="List the voices instead.")] = False,
) -> None:
    """Say a text aloud into a WAV file."""
    if voices:
        return _voices(run, language, model)
    if text is None:
        raise InvalidInput(
            "There is nothing to say.", fix="Give a text, or - to read it from standard input."
        )
    from api.requests import check_writable
    from tools.synthesize import card_with_voice, synthesize

    check_writable(output)
    async with run.client() as client:
        if voice is not None and model is None:
            model = card_with_voice(client, voice)
        speech = await synthesize(
            client,
            sys.stdin.read() if text == "-" else text,
            language=language,
            voice=voice,
            speed=speed,
            model=model,
            output=output,
        )
    run.out.text(f"{output}: {speech.duration_s:.1f} s, {speech.model}, voice {speech.voice}")
    run.out.result(
        {
            "path": output,
            "duration_s": speech.duration_s,
            "rate_hz": speech.rate_hz,
            "language": speech.language,
            "voice": speech.voice,
            "model": speech.model,
            "first_audio_s": speech.first_audio_s,
        }
    )
    return None


def _voices(run: Run, language: str | None, model: str | None) -> None:
    cards = [run.catalog.get(model)] if model else run.catalog.for_task("synthesize")
    known = [
        (card, voice)
        for card in cards
        for voice in card.voices
        if language in (None, voice.language)
    ]
    run.out.table(
        ["voice", "language", "gender", "model"],
        [[voice.id, voice.language, voice.gender, card.id] for card, voice in known],
    )
    run.out.result([{**voice.model_dump(), "model": card.id} for card, voice in known])
