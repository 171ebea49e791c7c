"""`sutradhar transcribe`."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.run import Run

if TYPE_CHECKING:
    from model_host.tasks import Segment
    from tools.transcribe import Transcript


class Format(StrEnum):
    text = "text"
    srt = "srt"
    vtt = "vtt"
    json = "json"


async def command(
    run: Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording or a video.")],
    language: Annotated[
        str | None, typer.Option(help="Language spoken (hi, ta, kok …); default: found out.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Card id.")] = None,
    words: Annotated[
        bool, typer.Option("--words", help="Times of single words (in JSON).")
    ] = False,
    format: Annotated[Format, typer.Option(help="How the transcript is written.")] = Format.text,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: stdout.")
    ] = None,
) -> None:
    """Write down what is said in a recording or video.

    The text format has one line a segment, with the time it starts at."""
    from api.requests import check_readable, check_writable
    from indexers.media.audio import probe
    from tools.transcribe import transcribe

    check_readable(file)
    if output is not None:
        check_writable(output)
    if format is Format.json:
        run.out.as_json = True
    info = await asyncio.to_thread(probe, file)
    doing = f"transcribing {file.name}"
    with run.out.bars() as bars:

        def heard(segment: Segment) -> None:
            bars.update(doing, min(segment.end_s, info.duration_s), info.duration_s, unit="s")

        async with run.client() as client:
            found = await transcribe(
                client, file, language=language, model=model, words=words, on_segment=heard
            )
        bars.update(doing, info.duration_s, info.duration_s, unit="s")
    if output is not None:
        text = run.out.dumps(found) if run.out.as_json else written(found, format)
        run.out.write(output, text)
        run.out.note(f"{output}: {found.duration_s:.1f} s of {found.language}, {found.model}")
    run.out.result(found)
    if output is None:
        run.out.text(written(found, format).rstrip("\n"))


def written(transcript: Transcript, format: Format) -> str:
    """The transcript in a format for people or players."""
    from tools.subtitles import to_srt, to_vtt

    if format is Format.srt:
        return to_srt(transcript.segments)
    if format is Format.vtt:
        return to_vtt(transcript.segments)
    lines = (f"{clock(s.start_s)}  {s.text.strip()}\n" for s in transcript.segments)
    return "".join(lines)


def clock(seconds: float) -> str:
    """`1:02:03` or `02:03`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
