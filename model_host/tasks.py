"""The tasks that a model can be asked, as typed requests, events and results.

This is the vocabulary of the worker protocol: a request goes in, events stream out, a result
closes the call. Audio is mono float32 in [-1, 1]; images are uint8 RGB; both travel as raw
bytes (see `frames.py`), never as base64. Times are seconds from the start of the input.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Latency = Literal["realtime", "interactive", "batch"]


def _array(dtype: type[np.generic], ndim: int, last: int | None = None) -> Any:
    def check(value: object) -> NDArray[Any]:
        array = np.ascontiguousarray(value, dtype=dtype)
        if array.ndim != ndim or (last is not None and array.shape[-1] != last):
            raise ValueError(f"expected {ndim} dimensions of {dtype.__name__}, got {array.shape}")
        return array

    return BeforeValidator(check)


Samples = Annotated[NDArray[np.float32], _array(np.float32, 1)]  # (n,)
Image = Annotated[NDArray[np.uint8], _array(np.uint8, 3, 3)]  # (height, width, 3), RGB
Vectors = Annotated[NDArray[np.float32], _array(np.float32, 2)]  # (n, dimension)


class Wire(BaseModel):
    """Anything that travels between a client and a worker."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid")


class Event(Wire):
    """Something that happened during a call."""


class Result(Wire):
    """What closes a call."""


class Request(Wire):
    """What a caller asks. `task` names it, `result` is what closes it."""

    task: ClassVar[str]
    result: ClassVar[type[Result]]

    @property
    def wanted_language(self) -> str | None:
        """ISO 639-1 code (kok for Konkani) that the model must know, if any."""
        return None


class Progress(Event):
    """How far a call is; `total` may be unknown. Units are the engine's (seconds, tokens)."""

    done: float
    total: float | None = None


# -- transcribe ---------------------------------------------------------------------------


class Word(Wire):
    start_s: float
    end_s: float
    text: str
    confidence: float


class Segment(Event):
    start_s: float
    end_s: float
    text: str
    language: str
    confidence: float
    words: tuple[Word, ...] = ()


class Transcribed(Result):
    language: str
    language_confidence: float
    duration_s: float


class Transcribe(Request):
    task: ClassVar[str] = "transcribe"
    result: ClassVar[type[Result]] = Transcribed

    audio: Samples
    rate_hz: int = 16000
    language: str | None = None
    words: bool = True
    prompt: str | None = None

    @property
    def wanted_language(self) -> str | None:
        return self.language


# -- synthesize ---------------------------------------------------------------------------


class AudioChunk(Event):
    audio: Samples
    rate_hz: int


class Synthesized(Result):
    rate_hz: int
    duration_s: float
    voice: str


class Synthesize(Request):
    task: ClassVar[str] = "synthesize"
    result: ClassVar[type[Result]] = Synthesized

    text: str = Field(min_length=1, max_length=100_000)
    language: str = "en"
    voice: str | None = None
    speed: float = Field(1.0, ge=0.5, le=2.0)

    @property
    def wanted_language(self) -> str | None:
        return self.language


# -- translate ----------------------------------------------------------------------------


class Translated(Result):
    text: str


class Translate(Request):
    task: ClassVar[str] = "translate"
    result: ClassVar[type[Result]] = Translated

    text: str
    source: str
    target: str

    @property
    def wanted_language(self) -> str | None:
        return self.target


# -- chat ---------------------------------------------------------------------------------


class Message(Wire):
    role: Literal["system", "user", "assistant"]
    content: str


class TextDelta(Event):
    text: str


class Chatted(Result):
    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int


class Chat(Request):
    task: ClassVar[str] = "chat"
    result: ClassVar[type[Result]] = Chatted

    messages: tuple[Message, ...] = Field(min_length=1)
    max_tokens: int = Field(256, ge=1)
    temperature: float = Field(0.0, ge=0.0, le=2.0)
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: dict[str, Any] | None = None


# -- embed_text ---------------------------------------------------------------------------


class Embedded(Result):
    vectors: Vectors


class EmbedText(Request):
    task: ClassVar[str] = "embed_text"
    result: ClassVar[type[Result]] = Embedded

    texts: tuple[str, ...]
    kind: Literal["query", "passage"] = "passage"


# -- read (OCR) ---------------------------------------------------------------------------


class TextLine(Wire):
    """One line of text; `box` is left, top, right, bottom as fractions of the image."""

    text: str
    box: tuple[float, float, float, float]
    confidence: float


class ReadResult(Result):
    lines: tuple[TextLine, ...]


class Read(Request):
    task: ClassVar[str] = "read"
    result: ClassVar[type[Result]] = ReadResult

    image: Image


# -- detect_speech (voice activity) ---------------------------------------------------------


class Span(Wire):
    start_s: float
    end_s: float


class SpeechDetected(Result):
    spans: tuple[Span, ...]


class DetectSpeech(Request):
    task: ClassVar[str] = "detect_speech"
    result: ClassVar[type[Result]] = SpeechDetected

    audio: Samples
    rate_hz: int = 16000


# -- echo (tests and benchmarks only) -------------------------------------------------------


class Echoed(Result):
    payload: bytes
    slept_s: float


class EchoEvent(Event):
    index: int
    payload: bytes = b""


class Echo(Request):
    """Sends back what it got. `misbehave` breaks the worker in a named way, for tests."""

    task: ClassVar[str] = "echo"
    result: ClassVar[type[Result]] = Echoed

    payload: bytes = b""
    sleep_s: float = 0.0
    event_count: int = 0
    misbehave: Literal["", "raise", "die", "hang", "hold_gil", "flood", "garbage", "leak"] = ""


REQUESTS: dict[str, type[Request]] = {
    cls.task: cls
    for cls in (Transcribe, Synthesize, Translate, Chat, EmbedText, Read, DetectSpeech, Echo)
}
EVENTS: dict[str, type[Event]] = {
    cls.__name__: cls for cls in (Progress, Segment, AudioChunk, TextDelta, EchoEvent)
}
