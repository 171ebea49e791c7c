"""What the command line and the HTTP API ask and answer; one shape for both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from model_host.client import Notice


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _text(self) -> Self:
        for name, value in self:
            if isinstance(value, str) and not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError:
                    raise ValueError(f"the {name} is not valid text (UTF-8)") from None
        return self


class Ask(_Schema):
    """One question, typed or spoken. `thread` continues a conversation."""

    question: str | None = None
    audio: Path | None = None
    corpus: str
    speak: Path | None = None
    thread: str | None = None
    language: str | None = None
    voice: str | None = None
    model: str | None = None
    draft: bool | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Ask:
        if (self.question is None) == (self.audio is None):
            raise ValueError("give a question in words, or one in a recording")
        if self.question is not None and not self.question.strip():
            raise ValueError("the question is empty")
        if self.thread is not None and not self.thread.strip():
            raise ValueError("the name of the conversation is empty")
        return self


class Cited(_Schema):
    """Evidence. Times are seconds from the start of the source; null for documents. `at` is when
    it happened in the world (ISO 8601), where the source says."""

    source: str
    moment_id: str
    modality: str
    start_s: float | None
    end_s: float | None
    page: int | None
    quote: str
    section: str | None = None
    speaker: str | None = None
    at: str | None = None


class Answer(_Schema):
    """The answer to one question. Fields may be added, never renamed."""

    type: Literal["answer"] = "answer"
    question: str
    answer: str
    abstained: bool
    citations: tuple[Cited, ...]
    language: str
    models: dict[str, str]
    timings_s: dict[str, float]
    speech: str | None = None
    thread: str | None = None

    def public(self) -> dict[str, Any]:
        """The object that `sutradhar ask --json` prints."""
        return self.model_dump(mode="json", exclude={"type"})


class Stage(_Schema):
    """A step of the graph has begun."""

    type: Literal["stage"] = "stage"
    name: str


class Loading(_Schema):
    """The host pulls or loads a model that the operation waits for; see `Notice`."""

    type: Literal["loading"] = "loading"
    notice: Notice


class Index(_Schema):
    """Files or folders to index into a corpus."""

    corpus: str
    paths: tuple[Path, ...]
    name: str | None = None  # of the source, when one file is indexed
    language: str | None = None


class Indexed(_Schema):
    """What happened to one source. `error` is the wire form of the typed error."""

    type: Literal["indexed"] = "indexed"
    source: str
    state: str
    path: str | None = None
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    moments: int = 0
    eta_s: float | None = None  # of the whole run
    error: dict[str, Any] | None = None
    note: str = ""

    def public(self) -> dict[str, Any]:
        """How a source ended, as `sutradhar index --json` lists it."""
        fields = {"source", "state", "path", "moments", "error", "note"}
        return self.model_dump(mode="json", include=fields)
