from __future__ import annotations

import numpy as np
import pytest

from model_host.engines.shared.audio import resample, usable
from model_host.errors import InvalidInput

SPEECH = np.full(16000, 0.1, np.float32)


def with_one(value: float) -> np.ndarray:
    audio = SPEECH.copy()
    audio[7] = value
    return audio


@pytest.mark.parametrize(
    ("audio", "rate_hz", "reason"),
    [
        (np.zeros(0, np.float32), 16000, "empty"),
        (with_one(np.nan), 16000, "not numbers"),
        (with_one(np.inf), 16000, "not numbers"),
        (with_one(-np.inf), 16000, "not numbers"),
        (SPEECH * 32767, 16000, "floats from -1 to 1"),
        (SPEECH, 0, "sample rate"),
        (SPEECH, -16000, "sample rate"),
        (SPEECH, 10_000_000, "sample rate"),
    ],
)
def test_unusable(audio: np.ndarray, rate_hz: int, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        usable(audio, rate_hz)


def test_the_same_rate_is_not_copied() -> None:
    assert usable(SPEECH, 16000) is SPEECH


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 24000, 44100, 48000, 96000])
def test_resampling_keeps_duration_pitch_level_and_place(rate_hz: int) -> None:
    seconds = 3.0
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    audio = (0.5 * np.sin(2 * np.pi * 440 * at) * (at > 1.0)).astype(np.float32)
    out = usable(audio, rate_hz, 16000)
    assert len(out) == 48000
    assert out.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(out[20000:36000]))
    assert int(spectrum.argmax()) == 440
    assert np.abs(out[20000:]).max() == pytest.approx(0.5, abs=0.03)
    assert np.abs(out[:15800]).max() < 0.01
    assert np.abs(out[16000:16400]).max() > 0.3


def test_resampling_removes_what_the_lower_rate_cannot_hold() -> None:
    at = np.arange(48000) / 48000
    above = (0.5 * np.sin(2 * np.pi * 11000 * at)).astype(np.float32)
    assert np.abs(resample(above, 48000, 16000)[1000:-1000]).max() < 0.02


@pytest.mark.parametrize("length", [1, 2, 100, 3000])
def test_short_and_odd_lengths(length: int) -> None:
    out = resample(np.ones(length, np.float32) * 0.1, 44100, 16000)
    assert len(out) == round(length * 16000 / 44100)
