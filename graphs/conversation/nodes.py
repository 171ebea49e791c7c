"""The nodes of a conversation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.runtime import Runtime

from graphs.conversation.context import Context
from graphs.conversation.prompts import NOT_HEARD, is_small_talk, refers_back, small_talk_reply
from graphs.conversation.state import State, Turn
from graphs.grounding.question import analyse
from graphs.recall.context import Context as RecallContext
from graphs.recall.graph import graph as recall_graph
from graphs.recall.state import InputState as RecallInput
from graphs.services import services
from tools.synthesize import synthesize
from tools.transcribe import transcribe


async def listen(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Hear the question if it was spoken, else take the last message."""
    context = runtime.context or Context()
    audio = state.get("audio")
    if not audio:
        question = _last_human(state["messages"])
        return {"turn": Turn(question=question, language=context.language, timings_s={})}
    began = time.perf_counter()
    heard = await transcribe(
        services().client, Path(audio), language=context.language, model=context.transcribe_model
    )
    turn = Turn(
        question=heard.text,
        language=context.language or heard.language,
        models={"transcribe": heard.model},
        timings_s={"transcribe": time.perf_counter() - began},
    )
    return {"turn": turn, "audio": None, "messages": [HumanMessage(heard.text)]}


async def decide(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Tell small talk from a question, and give a follow-up what it refers to."""
    turn = state["turn"]
    question = turn["question"]
    search = question
    if refers_back(question):
        earlier = [m for m in state["messages"] if isinstance(m, HumanMessage)][:-1]
        if earlier:
            search = f"{earlier[-1].text} {question}"
    needs = bool(question.strip()) and not is_small_talk(question)
    return {"turn": Turn(**{**turn, "search": search, "needs_evidence": needs})}


def route(state: State) -> str:
    """`recall` for a question, `reply` for small talk or silence."""
    return "recall" if state["turn"]["needs_evidence"] else "reply"


async def recall(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Answer from the corpus, through the recall graph."""
    context = runtime.context or Context()
    turn = state["turn"]
    asked: RecallInput = {
        "question": turn.get("search") or turn["question"],
        "corpus": state.get("corpus") or context.corpus,
        "language": _answer_language(turn),
    }
    inner = RecallContext.model_validate(context.model_dump(include=set(RecallContext.model_fields)))
    result = await recall_graph.ainvoke(asked, context=inner)
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
        text = NOT_HEARD.get(language, NOT_HEARD["en"])
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
    return "speak" if state.get("speak_to") else "end"


async def speak(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Say the answer into the file that was asked for."""
    context = runtime.context or Context()
    turn = state["turn"]
    target = state.get("speak_to")
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
    return {"turn": spoken, "speak_to": None}


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
