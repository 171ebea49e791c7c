"""A client without a host: it hears and says what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from model_host.tasks import (
    AudioChunk,
    Event,
    Request,
    Result,
    Segment,
    Synthesize,
    Synthesized,
    Transcribe,
    Transcribed,
    Word,
)


class FakeCall:
    def __init__(self, events: Iterable[Event], result: Result, card_id: str) -> None:
        self._events = list(events)
        self.result = result
        self.card_id = card_id

    async def __aiter__(self) -> AsyncIterator[Event]:
        for event in self._events:
            yield event


class FakeClient:
    """Each call of `transcribe` hears one word in the middle of what it got."""

    def __init__(self, languages: tuple[str, ...] = ("en",)) -> None:
        self.requests: list[Any] = []
        self._languages = languages

    @asynccontextmanager
    async def open(
        self, request: Request, *, model: str | None = None, latency: str = "interactive"
    ) -> AsyncIterator[FakeCall]:
        self.requests.append(request)
        if isinstance(request, Transcribe):
            yield self._heard(request)
        elif isinstance(request, Synthesize):
            chunks = [AudioChunk(audio=np.full(800, 0.5), rate_hz=8000) for _ in range(2)]
            result = Synthesized(rate_hz=8000, duration_s=0.2, voice=request.voice or "anna")
            yield FakeCall(chunks, result, model or "fake-voice")

    def _heard(self, request: Transcribe) -> FakeCall:
        language = self._languages[min(len(self.requests), len(self._languages)) - 1]
        length_s = len(request.audio) / request.rate_hz
        at = {"start_s": length_s / 2, "end_s": length_s / 2 + 0.5}
        number = len(self.requests)
        word = Word(**at, text=f"word{number}", confidence=0.9)
        segment = Segment(
            **at, text=f" word{number} ", language=language, confidence=0.9, words=(word,)
        )
        result = Transcribed(language=language, language_confidence=0.8, duration_s=length_s)
        return FakeCall([segment] if length_s else [], result, "fake-ears")
