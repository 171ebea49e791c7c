"""A client that answers with what a test wrote down, and what was asked of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from indexers.readers import Draft, Item, ReadProgress, read_source
from indexers.settings import IndexSettings
from model_host.errors import SutradharError
from model_host.tasks import (
    DetectSpeech,
    Event,
    Read,
    ReadResult,
    Request,
    Result,
    Segment,
    Span,
    SpeechDetected,
    TextLine,
    Transcribe,
    Transcribed,
    Word,
)

Hear = Callable[[Transcribe], Sequence[Segment]]
See = Callable[[Read], Sequence[str]]


class Reply(NamedTuple):
    result: Result
    events: list[Event]


class Scripted:
    """`hear` and `see` answer Transcribe and Read; `speech` is what DetectSpeech finds. Each may
    be an error to raise instead."""

    def __init__(
        self,
        hear: Hear | SutradharError = lambda _: (),
        see: See | SutradharError = lambda _: (),
        speech: Sequence[tuple[float, float]] | SutradharError = (),
    ) -> None:
        self.hear, self.see, self.speech = hear, see, speech
        self.asked: list[Request] = []

    async def run(self, request: Request, *, model: str | None = None, latency: str = "") -> Reply:
        self.asked.append(request)
        if isinstance(request, Transcribe):
            segments = list(_raised(self.hear)(request))
            language = segments[0].language if segments else "und"
            result = Transcribed(language=language, language_confidence=0.9, duration_s=1.0)
            return Reply(result, [*segments])
        if isinstance(request, DetectSpeech):
            spans = tuple(Span(start_s=a, end_s=b) for a, b in _raised(self.speech))
            return Reply(SpeechDetected(spans=spans), [])
        assert isinstance(request, Read)
        texts = _raised(self.see)(request)
        lines = tuple(
            TextLine(text=text, box=(0.1, 0.1 + n / 10, 0.6, 0.18 + n / 10), confidence=0.95)
            for n, text in enumerate(texts)
        )
        return Reply(ReadResult(lines=lines), [])

    @asynccontextmanager
    async def open(self, request: Request, **options: Any) -> AsyncIterator[Any]:
        reply = await self.run(request)

        async def events() -> AsyncGenerator[Event]:
            for event in reply.events:
                yield event

        yield events()

    def count(self, kind: type[Request]) -> int:
        return sum(isinstance(request, kind) for request in self.asked)


def _raised(value: Any) -> Any:
    if isinstance(value, SutradharError):
        raise value
    return value


def spoken(
    text: str, start_s: float, end_s: float, *, language: str = "en", confidence: float = 0.9
) -> Segment:
    """A segment whose words share its time evenly."""
    parts = text.split()
    step = (end_s - start_s) / len(parts)
    words = tuple(
        Word(
            start_s=start_s + n * step,
            end_s=start_s + (n + 1) * step,
            text=part,
            confidence=confidence,
        )
        for n, part in enumerate(parts)
    )
    return Segment(
        start_s=start_s,
        end_s=end_s,
        text=text,
        language=language,
        confidence=confidence,
        words=words,
    )


async def collect(
    path: Path,
    client: Scripted | None = None,
    *,
    language: str | None = None,
    **settings: Any,
) -> tuple[list[Draft], list[ReadProgress]]:
    """All Drafts and all reports of a file."""
    items: list[Item] = []
    source: Any = client or Scripted()
    chosen = IndexSettings(corpora_root=path.parent, **settings)
    async for item in read_source(path, source, chosen, language=language):
        items.append(item)
    return (
        [item for item in items if isinstance(item, Draft)],
        [item for item in items if isinstance(item, ReadProgress)],
    )
