"""Sound as mono float32, through PyAV.

Sample n lies at n / rate_hz seconds of the container's timeline: a track that starts late or has
a hole is padded with silence, so sound and pictures stay together. A damaged file is read as far
as it goes; `UnreadableMedia` is raised only when nothing at all can be decoded.
"""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.media.probe import MediaInfo, decoded, open_media, origin_s, probe, unreadable

__all__ = ["MediaInfo", "cut_at_quiet", "decode_audio", "iter_audio", "probe", "write_wav"]

Samples = NDArray[np.float32]
_SLACK_S = 0.1  # time stamps jitter; smaller holes are not padded
_MAX_HOLE_S = 3600.0  # a longer one is a broken time stamp
_CUT_WITHIN_S = 20.0  # of a window's end, the quietest place


def decode_audio(path: Path, rate_hz: int = 16000) -> Samples:
    """The whole recording (64 KB of memory a second at 16 kHz). Raises UnreadableMedia."""
    blocks = [block for _, block in iter_audio(path, rate_hz)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def iter_audio(
    path: Path, rate_hz: int = 16000, block_s: float = 60.0
) -> Iterator[tuple[float, Samples]]:
    """Blocks of `block_s` seconds (the last is shorter), each with its start in seconds.

    Holds one block in memory. Raises UnreadableMedia when there is no sound to decode."""
    size = round(block_s * rate_hz)
    parts: list[Samples] = []
    held = start = 0
    for samples in _pieces(path, rate_hz):
        at = 0
        while at < len(samples):
            part = samples[at : at + size - held]
            parts.append(part)
            held += len(part)
            at += len(part)
            if held == size:
                yield start / rate_hz, np.concatenate(parts)
                parts, held, start = [], 0, start + size
    if held:
        yield start / rate_hz, np.concatenate(parts)
    elif not start:
        raise unreadable(path, "It holds no sound (0 seconds).")


def _pieces(path: Path, rate_hz: int) -> Iterator[Samples]:
    """Decoded sound without holes, from the start of the container's timeline."""
    import av

    with open_media(path) as container:
        if not container.streams.audio:
            raise unreadable(path, "It has no sound track.")
        stream = container.streams.audio[0]
        origin = origin_s(container)
        resampler: Any = None
        shape: tuple[Any, ...] = ()
        done = 0  # samples handed out
        for frame in decoded(container, stream):
            if shape != (frame.rate, frame.layout.name, frame.format.name):
                # some broadcasts change channels half-way; the resampler cannot
                if resampler is not None:
                    for out in resampler.resample(None):
                        yield (piece := _mono(out))
                        done += len(piece)
                shape = (frame.rate, frame.layout.name, frame.format.name)
                resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
            if frame.pts is not None and frame.time is not None:
                hole_s = frame.time - origin - done / rate_hz
                if _SLACK_S < hole_s < _MAX_HOLE_S:
                    yield (piece := np.zeros(round(hole_s * rate_hz), np.float32))
                    done += len(piece)
            frame.pts = None  # holes are padded above, not by the resampler
            for out in resampler.resample(frame):
                yield (piece := _mono(out))
                done += len(piece)
        if resampler is not None:
            for out in resampler.resample(None):
                yield _mono(out)


def _mono(frame: Any) -> Samples:
    samples: Samples = frame.to_ndarray().reshape(-1)
    return np.clip(samples, -1.0, 1.0)  # several loud channels can add up to more


def cut_at_quiet(
    blocks: Iterable[Samples], window_s: float, rate_hz: int = 16000
) -> Iterator[tuple[float, Samples]]:
    """Blocks as windows of about `window_s` seconds that end where it is quiet, each with its start
    in seconds. Nothing at all is one empty window."""
    start = 0
    held = np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate((held, block))
        if len(held) >= window_s * rate_hz:
            cut = quietest(held, max(0, len(held) - round(_CUT_WITHIN_S * rate_hz)), rate_hz)
            yield start / rate_hz, held[:cut]
            start, held = start + cut, held[cut:]
    if len(held) or not start:
        yield start / rate_hz, held


def quietest(audio: Samples, after: int, rate_hz: int = 16000) -> int:
    """The sample in the middle of the quietest third of a second after sample `after`."""
    step = rate_hz // 30
    tail = audio[after:]
    count = len(tail) // step
    if count <= 10:
        return len(audio)
    energy = np.square(tail[: count * step]).reshape(count, step).mean(axis=1)
    level = np.convolve(energy, np.ones(10), "valid")
    return after + (int(level.argmin()) + 5) * step


def write_wav(path: Path, audio: Samples, rate_hz: int) -> None:
    """Mono 16-bit PCM; values outside [-1, 1] are clipped."""
    # Opened first: a wave that was never open complains when it is thrown away.
    with path.open("wb") as file, wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes((np.clip(audio, -1.0, 1.0) * 32767).astype("<i2").tobytes())
