"""Speaks a script with the product's own voices, and knows when each line was said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation.markup import Script, Unit, slide_lines
from model_host.client import open_client
from model_host.settings import HostSettings
from model_host.tasks import AudioChunk, Synthesize

Samples = NDArray[np.float32]
Speak = Callable[[Synthesize, str], Awaitable[tuple[Samples, int]]]  # and its card → sound, rate_hz

RATE_HZ = 24000
_LEAD_S = 1.0  # before the first word
_GAP_S = 0.45  # between utterances of one speaker
_TURN_S = 0.8  # before another speaker, or when the slide changes
_TAIL_S = 1.5
_LEVEL = 0.08  # root mean square that every voice is brought to


class Narration(NamedTuple):
    audio: Samples  # mono, RATE_HZ
    times: list[tuple[float, float]]  # of each unit of the script, in seconds


@asynccontextmanager
async def product_voices(home: Path, models: Path) -> AsyncIterator[Speak]:
    """Speech through the model host; a missing voice is pulled."""
    async with open_client(HostSettings(home=home, models_root=models)) as client:

        async def speak(request: Synthesize, card: str) -> tuple[Samples, int]:
            reply = await client.run(request, model=card, latency="batch")
            chunks = [event for event in reply.events if isinstance(event, AudioChunk)]
            return np.concatenate([chunk.audio for chunk in chunks]), chunks[0].rate_hz

        yield speak


async def narrate(script: Script, speak: Speak) -> Narration:
    """The script's utterances one after the other. A slide stands from just before the utterance
    after it to the next slide. Raises KeyError for a speaker without a `@voice`."""
    parts: list[Samples] = [_silence(_LEAD_S)]
    starts: list[float] = []
    ends: list[float | None] = []
    at = len(parts[0])
    before: Unit | None = None
    for unit in script.units:
        if unit.role == "slide":
            starts.append(0.0 if before is None else at / RATE_HZ)
            ends.append(None)
            before = unit
            continue
        if before is not None:
            gap = _silence(_GAP_S if before.speaker == unit.speaker else _TURN_S)
            parts.append(gap)
            at += len(gap)
        card, _, voice = script.settings[f"voice {unit.speaker}"].partition("/")
        request = Synthesize(text=unit.text, language=unit.language, voice=voice)
        audio = _levelled(resampled(*await speak(request, card)))
        starts.append(at / RATE_HZ)
        parts.append(audio)
        at += len(audio)
        ends.append(at / RATE_HZ)
        before = unit
    parts.append(_silence(_TAIL_S))
    audio = np.concatenate(parts)
    slides = [s for s, end in zip(starts, ends, strict=True) if end is None]
    slides.append(len(audio) / RATE_HZ)
    times = [
        (start, end if end is not None else next(s for s in slides if s > start))
        for start, end in zip(starts, ends, strict=True)
    ]
    return Narration(audio, times)


def write_truth(path: Path, script: Script, narration: Narration) -> None:
    """What is said and shown, and when: one entry a unit of the script, in its order."""
    units = []
    for unit, (start_s, end_s) in zip(script.units, narration.times, strict=True):
        entry: dict[str, Any] = {"role": unit.role}
        if unit.role == "slide":
            title, *lines = slide_lines(unit.text)
            entry |= {"title": title, "lines": lines}
        else:
            voice = script.settings[f"voice {unit.speaker}"]
            entry |= {"speaker": unit.speaker, "voice": voice, "language": unit.language}
            entry |= {"text": unit.text}
        units.append(entry | {"start_s": round(start_s, 3), "end_s": round(end_s, 3)})
    truth = {"duration_s": round(len(narration.audio) / RATE_HZ, 3), "units": units}
    path.write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def resampled(audio: Samples, rate_hz: int, to_hz: int = RATE_HZ) -> Samples:
    """The same sound at another rate."""
    if rate_hz == to_hz:
        return audio
    import av

    frame = av.AudioFrame.from_ndarray(audio[None, :], format="flt", layout="mono")
    frame.sample_rate = rate_hz
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to_hz)
    out = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([np.asarray(part.to_ndarray()[0], np.float32) for part in out])


def _levelled(audio: Samples) -> Samples:
    """Without silence at the ends, and as loud as the other voices."""
    loud = np.flatnonzero(np.abs(audio) > 0.01)
    audio = audio[loud[0] : loud[-1] + 1]
    gain = _LEVEL / float(np.sqrt(np.mean(np.square(audio))))
    return np.asarray(np.clip(audio * gain, -0.98, 0.98), np.float32)
