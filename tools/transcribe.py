"""Speech to text: a recording or video becomes a transcript with times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from model_host.tasks import Latency, Segment, Transcribe, Transcribed, Word

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from model_host.client import Client

RATE_HZ = 16000
WINDOW_S = 600.0  # what one call hears: bounds memory, whatever the recording's length

Samples = NDArray[np.float32]


class Transcript(BaseModel):
    """Times are seconds from the start of the recording; `model` is the card that heard it."""

    model_config = ConfigDict(frozen=True)

    text: str
    language: str
    language_confidence: float
    duration_s: float
    segments: tuple[Segment, ...]
    model: str


async def transcribe(
    client: Client,
    audio: Path | Samples,
    *,
    language: str | None = None,
    model: str | None = None,
    words: bool = True,
    latency: Latency = "interactive",
    on_segment: Callable[[Segment], None] | None = None,
) -> Transcript:
    """What is said in a file, or in mono samples at 16 kHz.

    Without `language` each window of ten minutes finds its own. `on_segment` gets each segment
    as it is heard. Raises UnreadableMedia, UnknownName (language, model) and what the host
    raises."""
    segments: list[Segment] = []
    heard: list[Transcribed] = []
    card_id = ""
    async for start_s, window in _windows(audio):
        request = Transcribe(audio=window, rate_hz=RATE_HZ, language=language, words=words)
        async with client.open(request, model=model, latency=latency) as call:
            async for event in call:
                if isinstance(event, Segment):
                    segments.append(shift(event, start_s))
                    if on_segment is not None:
                        on_segment(segments[-1])
            assert isinstance(call.result, Transcribed)
            heard.append(call.result)
            card_id = call.card_id
    seconds: dict[str, float] = {}
    for part in heard:
        seconds[part.language] = seconds.get(part.language, 0.0) + part.duration_s
    main = max(seconds, key=lambda code: seconds[code])
    return Transcript(
        text=" ".join(segment.text.strip() for segment in segments).strip(),
        language=main,
        language_confidence=max(p.language_confidence for p in heard if p.language == main),
        duration_s=sum(part.duration_s for part in heard),
        segments=tuple(segments),
        model=card_id,
    )


def shift(segment: Segment, by_s: float) -> Segment:
    """The segment and its words, `by_s` seconds later."""
    if not by_s:
        return segment
    moved = {"start_s": segment.start_s + by_s, "end_s": segment.end_s + by_s}
    words = tuple(
        Word(
            start_s=word.start_s + by_s,
            end_s=word.end_s + by_s,
            text=word.text,
            confidence=word.confidence,
        )
        for word in segment.words
    )
    return segment.model_copy(update={**moved, "words": words})


async def _windows(audio: Path | Samples) -> AsyncIterator[tuple[float, Samples]]:
    from indexers.media.audio import cut_at_quiet, iter_audio

    if isinstance(audio, Path):
        blocks = (block for _, block in iter_audio(audio, RATE_HZ, WINDOW_S))
    else:
        size = round(WINDOW_S * RATE_HZ)
        blocks = (audio[at : at + size] for at in range(0, len(audio), size))
    windows = cut_at_quiet(blocks, WINDOW_S, RATE_HZ)
    while (window := await asyncio.to_thread(next, windows, None)) is not None:
        yield window


class TranscribeArgs(BaseModel):
    file: str = Field(description="Name of the audio or video file.")
    language: str | None = Field(
        None, description="ISO 639-1 code of the language spoken, if known (kok for Konkani)."
    )


def build_tool(client: Client, folder: Path) -> BaseTool:
    """The LangChain tool: files below `folder`; the artifact is the Transcript."""
    from langchain_core.tools import StructuredTool

    from tools.files import inside

    async def run(file: str, language: str | None = None) -> tuple[str, Transcript]:
        found = await transcribe(client, inside(folder, file), language=language)
        return found.text, found

    return StructuredTool.from_function(
        coroutine=run,
        name="transcribe",
        description="Write down what is said in an audio or video file.",
        args_schema=TranscribeArgs,
        response_format="content_and_artifact",
    )
