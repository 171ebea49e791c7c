"""The nodes of a conversation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.runtime import Runtime

from graphs.conversation.context import Context
from graphs.conversation.prompts import (
    NOT_ASKED,
    NOT_HEARD,
    alone,
    is_small_talk,
    refers_back,
    small_talk_reply,
    with_topic,
)
from graphs.conversation.state import State, Turn
from graphs.grounding.evidence import match
from graphs.grounding.question import analyse
from graphs.grounding.words import content_stems
from graphs.recall.context import Context as RecallContext
from graphs.recall.graph import graph as recall_graph
from graphs.recall.state import InputState as RecallInput
from graphs.recall.state import OutputState as Recalled
from graphs.services import services
from tools.synthesize import synthesize
from tools.transcribe import transcribe


async def listen(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Hear the question if it was spoken, else take the last message."""
    context = runtime.context or Context()
    audio, speak_to = state.get("audio"), state.get("speak_to")
    if not audio:
        question = _last_human(state["messages"])
        turn = Turn(question=question, language=context.language, speak_to=speak_to, timings_s={})
        return {"turn": turn}
    began = time.perf_counter()
    heard = await transcribe(
        services().client,
        Path(audio),
        language=context.language,
        model=context.transcribe_model,
        words=False,
    )
    turn = Turn(
        question=heard.text,
        language=context.language or heard.language,
        speak_to=speak_to,
        models={"transcribe": heard.model},
        timings_s={"transcribe": time.perf_counter() - began},
    )
    said = [HumanMessage(heard.text)] if heard.text.strip() else []
    return {"turn": turn, "messages": said}


async def decide(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Tell small talk from a question, and give a follow-up what it refers to."""
    turn = state["turn"]
    question = turn["question"]
    search = question
    if refers_back(question):
        asked = [m.text for m in state["messages"] if isinstance(m, HumanMessage)]
        search = with_topic(question, [q for q in asked[-2::-1] if not is_small_talk(q)])
    needs = bool(question.strip()) and not is_small_talk(question)
    return {"turn": Turn(**{**turn, "search": search, "needs_evidence": needs})}


def route(state: State) -> str:
    """`recall` for a question, `reply` for small talk or silence."""
    return "recall" if state["turn"]["needs_evidence"] else "reply"


async def recall(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Answer from the corpus, through the recall graph.

    A follow-up is looked for together with what it refers to, then by itself."""
    context = runtime.context or Context()
    turn = state["turn"]
    question, search = turn["question"], turn["search"]
    inner = RecallContext.model_validate(
        context.model_dump(include=set(RecallContext.model_fields))
    )

    async def ask(text: str) -> Recalled:
        asked: RecallInput = {
            "question": text,
            "corpus": state.get("corpus") or context.corpus,
            "language": _answer_language(turn),
        }
        answer: Any = await recall_graph.ainvoke(asked, context=inner)
        return cast(Recalled, answer)

    result = await ask(search)
    if search != question and not _follows_up(question, search, result):
        result = await ask(alone(question))
    return _answered(
        turn,
        answer=result["answer"],
        spoken=result["spoken"],
        abstained=result["abstained"],
        citations=result["citations"],
        language=result["language"],
        models={**turn.get("models", {}), **result["models"]},
        timings_s={**turn.get("timings_s", {}), **result["timings_s"]},
    )


async def reply(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Answer small talk, or say that nothing was heard."""
    context = runtime.context or Context()
    turn = state["turn"]
    language = analyse(turn["question"], _answer_language(turn)).language
    corpus = state.get("corpus") or context.corpus
    if turn["question"].strip():
        text = small_talk_reply(language, corpus)
    else:
        silence = NOT_HEARD if "transcribe" in turn.get("models", {}) else NOT_ASKED
        text = silence.get(language, silence["en"])
    return _answered(
        turn,
        answer=text,
        spoken=text,
        abstained=not turn["question"].strip(),
        citations=[],
        language=language,
        models=turn.get("models", {}),
        timings_s=turn.get("timings_s", {}),
    )


def wants_speech(state: State) -> str:
    """`speak` when the answer is to be heard, else the end."""
    return "speak" if state["turn"].get("speak_to") else "end"


async def speak(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Say the answer into the file that was asked for."""
    context = runtime.context or Context()
    turn = state["turn"]
    target = turn.get("speak_to")
    assert target is not None
    began = time.perf_counter()
    speech = await synthesize(
        services().client,
        turn["spoken"],
        language=turn.get("language") or "en",
        voice=context.voice,
        model=context.speech_model,
        output=Path(target),
    )
    timings = {
        **turn["timings_s"],
        "first_audio": speech.first_audio_s,
        "speak": time.perf_counter() - began,
    }
    models = {**turn["models"], "synthesize": speech.model}
    spoken = Turn(**{**turn, "timings_s": timings, "models": models, "speech": target})
    return {"turn": spoken}


def _follows_up(question: str, search: str, result: Recalled) -> bool:
    """False when the answer is about the earlier question alone: a word that is new in this one
    must stand in the evidence, unless it has none ("and when was that?")."""
    new = set(analyse(question).terms) & set(analyse(search).terms)
    quoted = content_stems(" ".join(citation["quote"] for citation in result["citations"]))
    held = any(match(term, quoted) > 0 for term in new)
    return held if new else not result["abstained"]


def _answered(turn: Turn, **answer: Any) -> dict[str, Any]:
    done = Turn(**{**turn, **answer, "speech": None})  # type: ignore[typeddict-item]
    message = AIMessage(
        done["answer"],
        additional_kwargs={"citations": done["citations"], "abstained": done["abstained"]},
    )
    return {"turn": done, "messages": [message]}


def _answer_language(turn: Turn) -> str | None:
    """The language heard, if the graphs have phrases for it; else by the question's script."""
    language = turn.get("language")
    return language if language in ("en", "hi") else None


def _last_human(messages: list[AnyMessage]) -> str:
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            return message.text
    return ""
