"""Silero voice activity detection on onnxruntime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.audio import usable
from model_host.engines.shared.loading import Options, expect, loading, onnx_session, weights
from model_host.tasks import DetectSpeech, Request, Span, SpeechDetected

RATE_HZ = 16000
WINDOW = 512  # samples, 32 ms
CONTEXT = 64  # samples of the window before


class SileroOptions(Options):
    """Speech starts at `start` and goes on down to `keep` (probabilities)."""

    start: float = Field(0.5, gt=0, lt=1)
    keep: float = Field(0.35, gt=0, lt=1)
    shortest_speech_s: float = Field(0.25, ge=0)
    shortest_pause_s: float = Field(0.3, ge=0)
    pad_s: float = Field(0.1, ge=0)


class Silero:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        self._options = SileroOptions.of(card)
        with loading(card):
            self._session: Any = onnx_session(weights(card, folder, ".onnx"), 1)

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> SpeechDetected:
        """Where somebody speaks. Raises InvalidInput for unusable audio."""
        ask = expect(request, DetectSpeech)
        audio = usable(ask.audio, ask.rate_hz, RATE_HZ)
        found = spans(self._probabilities(audio, cancel), WINDOW / RATE_HZ, self._options)
        end_s = len(audio) / RATE_HZ
        return SpeechDetected(
            spans=tuple(Span(start_s=start, end_s=min(end, end_s)) for start, end in found)
        )

    def close(self) -> None:
        del self._session

    def _probabilities(self, audio: NDArray[np.float32], cancel: Cancel) -> Iterator[float]:
        state = np.zeros((2, 1, 128), np.float32)
        padded = np.pad(audio, (CONTEXT, -len(audio) % WINDOW))
        rate = np.array(RATE_HZ, np.int64)
        for at in range(0, len(padded) - CONTEXT, WINDOW):
            cancel.check()
            window = padded[np.newaxis, at : at + CONTEXT + WINDOW]
            share, state = self._session.run(None, {"input": window, "state": state, "sr": rate})
            yield float(share[0, 0])


def spans(
    probabilities: Iterable[float], step_s: float, options: SileroOptions
) -> list[tuple[float, float]]:
    """Start and end, in seconds, of the stretches of speech; hysteresis, then padding."""
    raw: list[list[float]] = []
    speaking = False
    for index, share in enumerate(probabilities):
        speaking = share >= (options.keep if speaking else options.start)
        if not speaking:
            continue
        start, end = index * step_s, (index + 1) * step_s
        if raw and start - raw[-1][1] < options.shortest_pause_s:
            raw[-1][1] = end
        else:
            raw.append([start, end])
    padded: list[tuple[float, float]] = []
    for start, end in raw:
        if end - start < options.shortest_speech_s:
            continue
        start, end = max(0.0, start - options.pad_s), end + options.pad_s
        if padded and start <= padded[-1][1]:
            padded[-1] = (padded[-1][0], end)
        else:
            padded.append((start, end))
    return padded
