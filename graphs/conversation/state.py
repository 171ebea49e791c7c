"""The state of a conversation. What belongs to one turn stands in `turn`, made anew each time."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from graphs.recall.state import Citation


class Turn(TypedDict, total=False):
    """One question and its answer."""

    question: str
    search: str  # the question with what it refers back to
    language: str | None
    needs_evidence: bool
    answer: str
    spoken: str
    abstained: bool
    citations: list[Citation]
    models: dict[str, str]
    timings_s: dict[str, float]
    speech: str | None  # path of the spoken answer


class InputState(TypedDict):
    messages: NotRequired[Annotated[list[AnyMessage], add_messages]]
    audio: NotRequired[str | None]  # path of a spoken question, read by the server's process
    speak_to: NotRequired[str | None]  # path for the spoken answer (WAV)
    corpus: NotRequired[str]


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    audio: NotRequired[str | None]
    speak_to: NotRequired[str | None]
    corpus: NotRequired[str]
    turn: NotRequired[Turn]
