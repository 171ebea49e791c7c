"""How fast sources are indexed, and what memory it takes, with the starter models.

    .venv/bin/python -m benchmarks.indexing [SCENARIO…] [--models FOLDER] [--seconds 120]
        [--pages 40] [--moments 500] [--json FILE]

Scenarios: `audio` (speech), `video` (slides with speech), `pdf`, `moments` (a transcript: embedding
and the store alone). Audio and video are made from `--speech`, a recording that is repeated to the
length asked for; speed is media seconds a second (× real time), pages a second or Moments a
second. Peak memory is the largest resident set seen of this process and of each worker, sampled
five times a second. A warm-up source loads the models first; its time is reported apart.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import shutil
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from api.settings import default_models
from indexers.corpora import Corpora
from indexers.ingest import ingest
from indexers.settings import IndexSettings
from model_host.client import Client, open_client
from model_host.settings import HostSettings

SAMPLE_S = 0.2


class Scenario(NamedTuple):
    make: Callable[[Path, float, argparse.Namespace], Path]  # folder, amount → a file
    unit: str
    warm: float  # amount of the warm-up

    def amount(self, args: argparse.Namespace) -> float:
        return float({"s": args.seconds, "pages": args.pages}.get(self.unit, args.moments))


def audio(folder: Path, amount_s: float, args: argparse.Namespace) -> Path:
    samples = _speech(args.speech, amount_s)
    path = folder / f"audio{amount_s:g}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


def video(folder: Path, amount_s: float, args: argparse.Namespace) -> Path:
    """640x360 at 25 frames a second; a new slide every ten seconds."""
    import av
    from PIL import Image, ImageDraw

    path = folder / f"video{amount_s:g}.mp4"
    with av.open(str(path), "w") as out:
        pictures = out.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        pictures.width, pictures.height, pictures.pix_fmt = 640, 360, "yuv420p"
        sound = out.add_stream("aac", rate=16000, layout="mono")
        for number in range(int(amount_s * 25)):
            slide, fresh = divmod(number, 250)
            if fresh == 0:
                image = Image.new("RGB", (640, 360), ((37 * slide) % 256, 90, 140))
                text = f"Ward meeting\nItem {slide}: road {slide * 7}"
                ImageDraw.Draw(image).text((60, 120), text, font_size=40)
                picture = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            picture.pts = number
            out.mux(pictures.encode(picture))
        samples = _speech(args.speech, amount_s)
        for first in range(0, len(samples), 1024):
            block = samples[None, first : first + 1024]
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.rate, frame.pts = 16000, first
            out.mux(sound.encode(frame))
        out.mux(pictures.encode())
        out.mux(sound.encode())
    return path


def pdf(folder: Path, amount: float, args: argparse.Namespace) -> Path:
    from reportlab.pdfgen.canvas import Canvas

    path = folder / f"pages{amount:g}.pdf"
    canvas = Canvas(str(path))
    for page in range(int(amount)):
        for line in range(40):
            words = f"Page {page + 1}, line {line}: the council spent {line * 137} rupees on roads."
            canvas.drawString(60, 780 - 18 * line, words)
        canvas.showPage()
    canvas.save()
    return path


def moments(folder: Path, amount: float, args: argparse.Namespace) -> Path:
    path = folder / f"talk{amount:g}.moments.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(int(amount)):
            text = f"Speaker {i % 7} says that road {i} will be repaired for {i * 250} rupees."
            file.write(json.dumps({"start_s": i * 5, "end_s": i * 5 + 5, "text": text}) + "\n")
    return path


SCENARIOS = {
    "audio": Scenario(audio, "s", 5),
    "video": Scenario(video, "s", 5),
    "pdf": Scenario(pdf, "pages", 1),
    "moments": Scenario(moments, "moments", 1),
}


async def measure(scenario: Scenario, client: Client, args: argparse.Namespace) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    amount = scenario.amount(args)
    try:
        warm = scenario.make(folder, scenario.warm, args)
        path = scenario.make(folder, amount, args)
        settings = IndexSettings(corpora_root=folder / "corpora")
        async with Corpora(settings).open("bench", create=True) as corpus, _peaks(client) as peaks:
            warm_s, _ = await _index(corpus, warm, client)
            took_s, found = await _index(corpus, path, client)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "amount": amount,
        "unit": scenario.unit,
        "took_s": round(took_s, 2),
        "per_s": round(amount / took_s, 2),
        "moments": found,
        "warm_up_s": round(warm_s, 2),
        "peak_mb": {name: round(size / 2**20) for name, size in sorted(peaks.items())},
    }


async def _index(corpus: Any, path: Path, client: Client) -> tuple[float, int]:
    started, found = time.perf_counter(), 0
    async with aclosing(ingest(corpus, [path], client)) as events:
        async for event in events:
            if event.error is not None:
                raise event.error
            found = event.moments
    return time.perf_counter() - started, found


@asynccontextmanager
async def _peaks(client: Client) -> AsyncIterator[dict[str, int]]:
    """Largest resident set by process, in bytes."""
    psutil: Any = importlib.import_module("psutil")
    peaks: dict[str, int] = {}
    me = psutil.Process()

    async def sample() -> None:
        while True:
            names = {i.pid: i.card_id for i in (await client.status()).instances}
            for process in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    name = names.get(process.pid, "indexer" if process.pid == me.pid else "other")
                    peaks[name] = max(peaks.get(name, 0), process.memory_info().rss)
            await asyncio.sleep(SAMPLE_S)

    sampling = asyncio.create_task(sample())
    try:
        yield peaks
    finally:
        sampling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sampling


def _speech(path: Path | None, amount_s: float) -> np.ndarray[Any, np.dtype[np.int16]]:
    from indexers.media.audio import decode_audio

    if path is None:
        package = importlib.util.find_spec("moonshine_voice")
        if package is None or package.origin is None:
            raise SystemExit("Give a recording with --speech, or install moonshine-voice.")
        path = next(Path(package.origin).parent.rglob("two_cities.wav"))
    once = (decode_audio(path) * 32767).astype(np.int16)
    return np.resize(once, int(amount_s * 16000))


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("scenario", nargs="*", help=", ".join(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=120, help="of audio and video")
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--moments", type=int, default=500)
    parser.add_argument("--speech", type=Path, help="a recording (two_cities.wav)")
    parser.add_argument("--models", type=Path, default=default_models(), help="model root")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results: dict[str, Any] = {}
    if unknown := set(args.scenario) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    for name in args.scenario or SCENARIOS:
        with tempfile.TemporaryDirectory(prefix="bench-") as home:
            settings = HostSettings(home=Path(home), models_root=args.models)
            async with open_client(settings, embedded=True) as client:
                results[name] = await measure(SCENARIOS[name], client, args)
        print(name, json.dumps(results[name], indent=1), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
