"""The state of recall: plain JSON values, so that every checkpointer can hold it."""

from __future__ import annotations

import operator
from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict  # pydantic makes no schema of Python 3.11's own


class Citation(TypedDict):
    """Evidence for an answer. `quote` is found verbatim in the Moment's text; `at` is when it
    happened in the world (ISO 8601, UTC), where the source says."""

    source: str
    moment_id: str
    modality: str
    start_s: float | None
    end_s: float | None
    page: int | None
    quote: str
    section: str | None
    speaker: str | None
    at: str | None


class Candidate(TypedDict):
    """A Moment under judgement. `context` may lend names to a claim (see `support.py`)."""

    moment: dict[str, Any]
    context: str
    score: float
    quote: str


class InputState(TypedDict):
    question: str
    corpus: NotRequired[str]
    language: NotRequired[str | None]


class OutputState(TypedDict):
    answer: str
    spoken: str
    abstained: bool
    citations: list[Citation]
    language: str
    models: dict[str, str]
    timings_s: dict[str, float]


class State(TypedDict):
    question: str
    corpus: NotRequired[str]
    language: NotRequired[str | None]
    candidates: NotRequired[list[Candidate]]
    probability: NotRequired[float]  # that the best candidate answers
    looked_for: NotRequired[list[str]]
    draft: NotRequired[str]
    answer: NotRequired[str]
    spoken: NotRequired[str]
    abstained: NotRequired[bool]
    citations: NotRequired[list[Citation]]
    dropped: NotRequired[list[str]]
    models: Annotated[dict[str, str], operator.or_]
    timings_s: Annotated[dict[str, float], operator.or_]
