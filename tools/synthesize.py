"""Text to speech."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from model_host.errors import InvalidInput, UnknownName, first_problem
from model_host.tasks import AudioChunk, Latency, Synthesize, Synthesized
from tools.languages import guess_language

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from model_host.client import Client


class Speech(NamedTuple):
    """Mono samples in [-1, 1]. `first_audio_s` is how long the first of them took."""

    audio: NDArray[np.float32]
    rate_hz: int
    duration_s: float
    language: str
    voice: str
    model: str
    first_audio_s: float
    path: Path | None


async def synthesize(
    client: Client,
    text: str,
    *,
    language: str | None = None,
    voice: str | None = None,
    speed: float = 1.0,
    model: str | None = None,
    output: Path | None = None,
    latency: Latency = "interactive",
    on_chunk: Callable[[AudioChunk], None] | None = None,
) -> Speech:
    """Say `text`, and write it to the WAV file `output` if there is one.

    Without `language` the text's script decides. `speed` is 0.5 to 2.0. `on_chunk` gets the
    sound as it comes. Raises InvalidInput (empty, too long, speed), UnknownName (language, voice,
    model) and what the host raises."""
    request = _request(text, language or guess_language(text), voice, speed)
    began = time.perf_counter()
    first_s: float | None = None
    chunks: list[NDArray[np.float32]] = []
    async with client.open(request, model=model, latency=latency) as call:
        async for event in call:
            if isinstance(event, AudioChunk):
                if first_s is None:
                    first_s = time.perf_counter() - began
                chunks.append(event.audio)
                if on_chunk is not None:
                    on_chunk(event)
        assert isinstance(call.result, Synthesized)
        result, card_id = call.result, call.card_id
    audio = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    if output is not None:
        await asyncio.to_thread(_write, output, audio, result.rate_hz)
    return Speech(
        audio=audio,
        rate_hz=result.rate_hz,
        duration_s=len(audio) / result.rate_hz,
        language=request.language,
        voice=result.voice,
        model=card_id,
        first_audio_s=first_s if first_s is not None else time.perf_counter() - began,
        path=output,
    )


def card_with_voice(client: Client, voice: str) -> str:
    """The first card of the profile that has this voice. Raises UnknownName with the nearest."""
    cards = [client.catalog.get(i) for i in client.profile.serves.get("synthesize", ())]
    for card in cards:
        if any(known.id == voice for known in card.voices):
            return card.id
    known = [known.id for card in cards for known in card.voices]
    raise UnknownName.among("voice", voice, known, fix="List them: sutradhar speak --voices.")


def _request(text: str, language: str, voice: str | None, speed: float) -> Synthesize:
    if not text.strip():
        raise InvalidInput("There is nothing to say.", fix="Give a text with at least one word.")
    try:
        return Synthesize(text=text.strip(), language=language, voice=voice, speed=speed)
    except ValidationError as error:
        field, problem = first_problem(error)
        raise InvalidInput(f"The {field} cannot be used.", why=f"{problem}.") from None


def _write(path: Path, audio: NDArray[np.float32], rate_hz: int) -> None:
    from indexers.media.audio import write_wav

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, audio, rate_hz)
    except OSError as error:
        raise InvalidInput(
            f"The file {path} cannot be written.", why=f"{error.strerror or error}."
        ) from error


class SynthesizeArgs(BaseModel):
    text: str = Field(description="What to say.")
    file: str = Field(description="Name of the WAV file to write.")
    language: str | None = Field(
        None, description="ISO 639-1 code (kok for Konkani); without it the script decides."
    )


def build_tool(client: Client, folder: Path) -> BaseTool:
    """The LangChain tool: writes below `folder`; the artifact is the file's path."""
    from langchain_core.tools import StructuredTool

    from tools.files import inside

    async def run(text: str, file: str, language: str | None = None) -> tuple[str, str]:
        path = inside(folder, file)
        speech = await synthesize(client, text, language=language, output=path)
        return f"{file}: {speech.duration_s:.1f} s, voice {speech.voice}", str(path)

    return StructuredTool.from_function(
        coroutine=run,
        name="synthesize",
        description="Say a text aloud into a WAV file.",
        args_schema=SynthesizeArgs,
        response_format="content_and_artifact",
    )
