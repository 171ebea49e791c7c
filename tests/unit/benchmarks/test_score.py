from __future__ import annotations

from typing import Any

import pytest

from benchmarks.evaluation.report import as_json, as_table
from benchmarks.evaluation.score import Outcome, judge, summary, wilson
from benchmarks.evaluation.world import Place, Question

TIMED = Place("call", "6.4 lakh rupees", 10.0, 20.0)
PAGED = Place("report.pdf", "six lakh forty thousand rupees", page=2)
PLAIN = Place("notes.md", "6,40,000 rupees")


def asked(*places: Place, kind: str = "number") -> Question:
    answers = ("6.4 lakh",) if places else ()
    return Question("t-1", "How much?", kind, "en", "plain", answers, places)


def cited(source: str = "call", **given: Any) -> dict[str, Any]:
    return {"source": source, "start_s": None, "end_s": None, "page": None, "quote": ""} | given


def answered(text: str, *citations: dict[str, Any], abstained: bool = False) -> dict[str, Any]:
    return {"answer": text, "abstained": abstained, "citations": list(citations)}


@pytest.mark.parametrize(
    ("citation", "right"),
    [
        (cited(start_s=19.9, end_s=25.0), True),
        (cited(start_s=20.0, end_s=25.0), False),
        (cited(start_s=0.0, end_s=10.0), False),
        (cited("other", start_s=12.0, end_s=13.0), False),
        (cited("other", quote="6.4 lakh rupees"), False),
        (cited("report.pdf", page=2), True),
        (cited("report.pdf", page=1), False),
        (cited("report.pdf", page=1, quote="It was Rs 6,40,000 rupees"), True),
        (cited("notes.md", quote="costs 6.4 lakh rupees in all"), True),
        (cited("notes.md", quote="costs 7.4 lakh rupees in all"), False),
    ],
)
def test_citation_is_right_when_it_points_at_the_fact(
    citation: dict[str, Any], right: bool
) -> None:
    outcome = judge(asked(TIMED, PAGED, PLAIN), answered("6.4 lakh", citation))
    assert (outcome.right, outcome.citations) == (int(right), 1)


def test_quote_of_a_right_citation_counts_as_the_answer() -> None:
    quote = "It came to six lakh forty thousand rupees."
    outcome = judge(asked(TIMED), answered("As said:", cited(start_s=11, end_s=12, quote=quote)))
    assert (outcome.hit, outcome.hit_in_text) == (True, False)


def test_quote_of_a_wrong_citation_does_not() -> None:
    wrong = cited("other", quote="6.4 lakh rupees")
    assert not judge(asked(TIMED), answered("As said:", wrong)).hit


def test_abstaining_is_no_hit_and_its_citations_do_not_count() -> None:
    given = answered("6.4 lakh", cited(start_s=11, end_s=12), abstained=True)
    outcome = judge(asked(TIMED), given)
    assert (outcome.hit, outcome.citations) == (False, 0)


def test_abstaining_passes_where_there_is_no_answer() -> None:
    question = asked(kind="unanswerable-near")
    assert judge(question, answered("", abstained=True)).passed
    assert not judge(question, answered("6.4 lakh")).passed


@pytest.mark.parametrize(
    ("given", "hit"),
    [
        (answered("At 0:12.", cited("other", start_s=1, end_s=2)), True),
        (answered("At 00:00:19.", cited("other", start_s=1, end_s=2)), True),
        (answered("At 1:12."), False),
        (answered("Then.", cited(start_s=15, end_s=16)), True),
        (answered("Then.", cited("other", start_s=15, end_s=16), cited(start_s=15)), False),
        (answered("6.4 lakh"), False),
    ],
)
def test_when_said_wants_the_time(given: dict[str, Any], hit: bool) -> None:
    assert judge(asked(TIMED, kind="when-said"), given).hit is hit


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilson_interval(hits: int, count: int, low: float, high: float) -> None:
    assert wilson(hits, count) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("hits", "count"), [(0, 0), (2, 1), (-1, 3)])
def test_wilson_refuses_impossible_counts(hits: int, count: int) -> None:
    with pytest.raises(ValueError, match="no interval"):
        wilson(hits, count)


def outcomes() -> tuple[list[Outcome], list[dict[str, Any]]]:
    right, wrong = cited(start_s=11.0, end_s=12.0), cited("other")
    nowhere = asked(kind="unanswerable-far")
    answers = [
        answered("6.4 lakh", right),
        answered("7 lakh", wrong),
        answered("", abstained=True),
        answered("", abstained=True),
        answered("invented", wrong, wrong),
    ]
    questions = [asked(TIMED), asked(TIMED), asked(TIMED), nowhere, nowhere]
    return [judge(q, a, 0.5) for q, a in zip(questions, answers, strict=True)], answers


def test_figures_of_a_set() -> None:
    figures = summary(outcomes()[0])
    assert {name: (share.hits, share.count) for name, share in figures.items()} == {
        "answer_hit": (1, 3),
        "answer_hit_in_text": (1, 3),
        "citation_precision": (1, 2),
        "precision_of_all": (1, 4),
        "quote_precision": (0, 2),
        "correct_abstention": (1, 2),
        "false_abstention": (1, 3),
    }


def test_table_names_what_went_wrong() -> None:
    report = as_json("a", "tune", *outcomes())
    table = as_table(report)
    assert table.count("MISS") == 3
    assert "citation precision" in table
    assert report["by_kind"]["number"]["hits"] == 1


def test_nothing_asked_is_no_division_by_zero() -> None:
    assert "-" in as_table(as_json("a", "tune", [], []))
