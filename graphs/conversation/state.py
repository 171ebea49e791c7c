"""The state of a conversation. What belongs to one turn stands in `turn`, made anew each time.

`audio` and `speak_to` are ephemeral: the first node alone sees them. A turn that was cancelled or
failed leaves nothing behind that the next one would take for its own.
"""

from __future__ import annotations

from typing import Annotated, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # pydantic makes no schema of Python 3.11's own

from graphs.recall.state import Citation


class Turn(TypedDict, total=False):
    """One question and its answer."""

    question: str
    search: str  # the question with what it refers back to
    speak_to: str | None
    language: str | None
    needs_evidence: bool
    answer: str
    spoken: str
    abstained: bool
    citations: list[Citation]
    models: dict[str, str]
    timings_s: dict[str, float]
    speech: str | None  # path of the spoken answer


Once = Annotated[str | None, EphemeralValue]


class InputState(TypedDict):
    messages: NotRequired[Annotated[list[AnyMessage], add_messages]]
    audio: NotRequired[Once]  # path of a spoken question, read by the server's process
    speak_to: NotRequired[Once]  # path for the spoken answer (WAV)
    corpus: NotRequired[str]  # stays that of the conversation until another is given


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    audio: NotRequired[Once]
    speak_to: NotRequired[Once]
    corpus: NotRequired[str]
    turn: NotRequired[Turn]
