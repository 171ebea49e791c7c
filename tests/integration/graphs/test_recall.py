"""recall with real models over a small corpus."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from graphs.recall.context import Context
from graphs.recall.graph import graph
from graphs.recall.state import InputState
from graphs.services import services
from model_host.errors import Unavailable, UnknownName

from .conftest import World

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]


async def ask(question: str, *, corpus: str = "ward", **context: Any) -> dict[str, Any]:
    asked: InputState = {"question": question, "corpus": corpus}
    answer: dict[str, Any] = await graph.ainvoke(asked, context=Context(**context))
    return answer


async def quoted(world: World, answer: dict[str, Any]) -> list[str]:
    """The quotes, each found verbatim in the Moment that its citation names."""
    moments = {moment.moment_id: moment for moment in await world.corpus.moments()}
    for citation in answer["citations"]:
        moment = moments[citation["moment_id"]]
        assert citation["quote"] in moment.text
        assert citation["source"] == moment.source
        assert citation["start_s"] == moment.start_s
        assert citation["end_s"] == moment.end_s
    return [citation["quote"] for citation in answer["citations"]]


@pytest.mark.parametrize("draft", [False, True])
async def test_an_answer_cites_the_second_and_quotes_verbatim(world: World, draft: bool) -> None:
    answer = await ask("How much money was approved for the storm drain?", draft=draft)

    assert not answer["abstained"]
    assert "450,000" in answer["answer"]
    assert "450,000" in answer["spoken"]
    assert "council" in answer["answer"]
    assert (await quoted(world, answer))[0] == RECORDED
    assert answer["citations"][0]["start_s"] == 8.0
    assert answer["models"].get("embed_text")
    assert ("chat" in answer["models"]) is draft
    assert answer["timings_s"].keys() >= {"retrieve", "judge", "ground"}


async def test_without_a_draft_the_answer_is_the_quote(world: World) -> None:
    answer = await ask("How much money was approved for the storm drain?", draft=False)

    assert answer["answer"] == f"Anita Desai: {RECORDED} (council, 0:08)"
    assert answer["spoken"] == f"In council, at 8 seconds: Anita Desai: {RECORDED}"


async def test_a_document_is_cited_without_times(world: World) -> None:
    answer = await ask("When does the reading room open?", draft=False)

    assert not answer["abstained"]
    assert "12 March" in (await quoted(world, answer))[0]
    assert answer["citations"][0]["source"] == "notes.md"
    assert answer["citations"][0]["start_s"] is None


@pytest.mark.parametrize(
    ("question", "term"),
    [
        ("What is the capital of Mongolia?", "mongolia"),
        ("Who won the football match?", "football"),
        ("How many elephants live in the zoo?", "elephants"),
    ],
)
async def test_what_the_corpus_does_not_say_is_not_answered(
    world: World, question: str, term: str
) -> None:
    answer = await ask(question)

    assert answer["abstained"]
    assert answer["citations"] == []
    assert "I found nothing in 'ward'" in answer["answer"]
    assert term in answer["answer"].casefold()
    assert "draft" not in answer["timings_s"]  # nothing is phrased that has no evidence


async def test_a_hindi_question_gets_a_hindi_frame(world: World) -> None:
    answer = await ask("नीलकंठ बावड़ी किसने बनवाई थी?")

    assert answer["language"] == "hi"
    assert not answer["abstained"]
    assert "राजा मान सिंह" in (await quoted(world, answer))[0]
    assert answer["spoken"].startswith("baori में:")


async def test_a_hindi_question_without_an_answer_is_told_so_in_hindi(world: World) -> None:
    answer = await ask("मंगोलिया की राजधानी क्या है?")

    assert answer["abstained"]
    assert "'ward' में इसका उत्तर नहीं मिला।" in answer["answer"]
    assert "मंगोलिया" in answer["answer"]


async def test_an_empty_corpus_says_that_it_is(world: World) -> None:
    answer = await ask("How much was approved?", corpus="bare")

    assert answer["abstained"]
    assert answer["answer"] == "The corpus 'bare' holds nothing yet."


async def test_an_unknown_corpus_is_named_with_the_nearest(world: World) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'ward'"):
        await ask("How much was approved?", corpus="wart")


async def test_the_stages_arrive_before_the_answer(world: World) -> None:
    seen: list[str] = []
    asked: InputState = {"question": "Who leads the reading room?", "corpus": "ward"}
    steps: Any = graph.astream(asked, context=Context(draft=True), stream_mode=["tasks", "values"])
    async for mode, data in steps:
        if mode == "tasks" and "input" in data:
            seen.append(data["name"])
        elif mode == "values" and "answer" in data:
            seen.append("answered")

    assert seen == ["retrieve", "draft", "ground", "answered"]


async def test_another_event_loop_is_refused_clearly(world: World) -> None:
    def elsewhere() -> None:
        async def use() -> None:
            services()

        asyncio.run(use())

    with pytest.raises(Unavailable, match="BG_JOB_ISOLATED_LOOPS"):
        await asyncio.to_thread(elsewhere)


RECORDED = "The council approved 450,000 rupees for the storm drain on Temple Street."
