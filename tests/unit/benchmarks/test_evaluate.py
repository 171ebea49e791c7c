"""The whole evaluation with answerers whose result is known."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.evaluation.__main__ import evaluate
from benchmarks.evaluation.score import Answer
from benchmarks.evaluation.world import World, load_world


@pytest.fixture(scope="module")
def world() -> World:
    return load_world("c")


def figure(report: dict[str, Any], name: str) -> float | None:
    value: float | None = report["figures"][name]["share"]
    return value


async def test_who_knows_the_truth_gets_everything(world: World) -> None:
    truth = {question.question: question for question in world.questions}

    async def oracle(question: str, corpus: str) -> Answer:
        known = truth[question]
        if not known.answerable:
            return {"answer": "", "abstained": True, "citations": []}
        place = known.places[0]
        cited: dict[str, Any] = {"source": place.source, "quote": f"It is {place.fact}."}
        cited |= {"start_s": place.start_s, "end_s": place.end_s, "page": place.page}
        return {"answer": f"It is {place.fact}.", "abstained": False, "citations": [cited]}

    report = await evaluate(world, oracle, "x", lambda line: None)
    for name in ("answer_hit", "citation_precision", "quote_precision", "correct_abstention"):
        assert figure(report, name) == 1.0, name
    assert figure(report, "false_abstention") == 0.0


async def test_who_is_always_silent_only_abstains(world: World) -> None:
    async def silent(question: str, corpus: str) -> Answer:
        return {"answer": "", "abstained": True, "citations": []}

    report = await evaluate(world, silent, "x", lambda line: None)
    assert figure(report, "answer_hit") == 0.0
    assert figure(report, "citation_precision") is None
    assert figure(report, "correct_abstention") == figure(report, "false_abstention") == 1.0


async def test_who_cites_the_wrong_place_is_found_out(world: World) -> None:
    async def careless(question: str, corpus: str) -> Answer:
        place = world.questions[0].places[0]
        cited: dict[str, Any] = {"source": place.source, "quote": "Good morning.", "page": None}
        cited |= {"start_s": 0.0, "end_s": 0.5}
        return {"answer": "Yes.", "abstained": False, "citations": [cited]}

    report = await evaluate(world, careless, "x", lambda line: None)
    assert figure(report, "citation_precision") == 0.0
    assert figure(report, "answer_hit") == 0.0
