"""Transcription through the model host, against faster-whisper called directly.

    python -m benchmarks.transcribe [--rounds 5] [--model whisper-base] [--audio FILE] [--json]

The recording is `two_cities.wav` of the package moonshine-voice unless `--audio` says otherwise.
Each round runs the three ways in turn, so that a drift of the machine's speed hits all, with the
same weights, threads, precision and beam; ratios are medians over rounds.

- `host`: a client, a host in this process, a worker process.
- `engine`: the same engine's method in this process: what the host adds is host / engine.
- `faster-whisper`: its own `transcribe` with its own voice filter and word times. It cuts the
  recording in other places, so its work differs a little; host / faster-whisper is the price of
  everything that is ours.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from api.settings import load_settings
from indexers.media.audio import decode_audio
from model_host.client import open_client
from model_host.engines.base import Cancel
from model_host.engines.faster_whisper import FasterWhisper
from model_host.tasks import Segment, Transcribe

RATE_HZ = 16000


def recording() -> Path:
    """A real recording that comes with a dependency of the tests."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise typer.BadParameter("install moonshine-voice, or give --audio")
    return Path(spec.origin).with_name("assets") / "two_cities.wav"


def direct(root: Path, audio: NDArray[np.float32]) -> Callable[[], int]:
    """faster-whisper as its own documentation calls it; returns characters."""
    from faster_whisper import WhisperModel

    model: Any = WhisperModel(
        str(root), device="cpu", compute_type="int8", cpu_threads=_threads(), local_files_only=True
    )

    def run() -> int:
        segments, _ = model.transcribe(
            audio,
            language="en",
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=True,
        )
        return sum(len(segment.text.strip()) for segment in segments)

    return run


async def measure(rounds: int, model: str, path: Path) -> dict[str, Any]:
    """Seconds of each way, and their ratios."""
    audio = np.ascontiguousarray(decode_audio(path, RATE_HZ))
    request = Transcribe(audio=audio, rate_hz=RATE_HZ, language="en")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        settings = load_settings({"home": Path(folder)}).host
        async with open_client(settings, embedded=True) as client:

            async def through_host() -> int:
                reply = await client.run(request, model=model)
                return _characters(reply.events)

            await through_host()  # pulls and loads
            card, root = client.catalog.get(model), settings.models_root / model
            engine = FasterWhisper(card, root, _threads())

            def in_engine() -> int:
                events: list[object] = []
                engine.run(request, Cancel(), events.append)
                return _characters(events)

            whisper = direct(root, audio)
            ways = {"host": None, "engine": in_engine, "faster-whisper": whisper}
            taken: dict[str, list[float]] = {way: [] for way in ways}
            characters: dict[str, int] = {}
            for number in range(rounds + 1):
                for way, run in ways.items():
                    began = time.perf_counter()
                    count = await through_host() if run is None else run()
                    if number:  # the first round warms up
                        taken[way].append(time.perf_counter() - began)
                        characters[way] = count
    pairs = {way: zip(taken["host"], taken[way], strict=True) for way in ways if way != "host"}
    return {
        "audio_s": len(audio) / RATE_HZ,
        "seconds": {way: median(times) for way, times in taken.items()},
        "characters": characters,
        "host_over": {way: median(a / b for a, b in both) for way, both in pairs.items()},
    }


def _characters(events: list[Any]) -> int:
    return sum(len(event.text) for event in events if isinstance(event, Segment))


def _threads() -> int:
    return len(os.sched_getaffinity(0))


def main(
    rounds: Annotated[int, typer.Option(help="Rounds that count.")] = 5,
    model: Annotated[str, typer.Option(help="A card of faster-whisper.")] = "whisper-base",
    audio: Annotated[Path | None, typer.Option(help="Another recording, in English.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone on stdout.")] = False,
) -> None:
    """Measure transcription through the host."""
    figures = asyncio.run(measure(rounds, model, audio or recording()))
    if as_json:
        print(json.dumps(figures, indent=1))
        return
    print(f"{figures['audio_s']:.1f} s of speech, {model}, medians of {rounds}")
    for way, seconds in figures["seconds"].items():
        ratio = figures["host_over"].get(way)
        note = f"  host / {way}: {ratio:.3f}" if ratio else ""
        print(f"{way:16}{seconds:7.2f} s  {figures['characters'][way]:5} characters{note}")


if __name__ == "__main__":
    typer.run(main)
