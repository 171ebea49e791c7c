"""Audio as speech models want it: finite, mono, at their rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_host.errors import InvalidInput

RATES_HZ = range(4000, 384_001)
LOUDEST = 8.0  # far over [-1, 1]: integers that nobody scaled
_BLOCK = 1 << 20  # samples in one frame of the resampler


def usable(audio: NDArray[np.float32], rate_hz: int, to_hz: int = 16000) -> NDArray[np.float32]:
    """`audio` at `to_hz` samples a second.

    Raises InvalidInput when it is empty, not finite, not scaled to [-1, 1], or has an absurd
    rate."""
    if audio.size == 0:
        raise InvalidInput("The audio is empty.", fix="Send at least one sample.")
    if rate_hz not in RATES_HZ:
        raise InvalidInput(
            f"{rate_hz} Hz is not a sample rate of speech.",
            fix=f"Send {RATES_HZ.start} to {RATES_HZ.stop - 1} Hz.",
        )
    peak = max(abs(float(audio.max())), abs(float(audio.min())))
    if not np.isfinite(peak):
        raise InvalidInput("The audio has samples that are not numbers (NaN or infinite).")
    if peak > LOUDEST:
        raise InvalidInput(
            f"The audio has a peak of {peak:.0f}.", why="Samples are floats from -1 to 1."
        )
    return audio if rate_hz == to_hz else resample(audio, rate_hz, to_hz)


def resample(audio: NDArray[np.float32], rate_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Band-limited resampling by FFmpeg's polyphase filter; keeps the duration to a sample."""
    import av

    resampler: Any = av.AudioResampler(format="flt", layout="mono", rate=to_hz)
    parts: list[NDArray[np.float32]] = []
    for at in range(0, len(audio), _BLOCK):
        block = np.ascontiguousarray(audio[at : at + _BLOCK]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout="mono")
        frame.sample_rate = rate_hz
        frame.pts = at
        parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    length = round(len(audio) * to_hz / rate_hz)
    joined = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.ascontiguousarray(np.pad(joined[:length], (0, max(0, length - len(joined)))))
