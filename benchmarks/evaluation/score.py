"""What an answer is worth. Pure: no model, no corpus.

- *Answer hit* (answerable questions): the system did not abstain, and an accepted answer stands,
  in one spelling, in the answer or in the quote of a right citation. For `when-said` questions:
  the first citation is right, or the answer contains a time code inside the interval.
- *Citation precision*: of the citations of the answers given to answerable questions, the share
  that is right: right source, and the interval overlaps the one where the fact is, or the page is
  its page, or the quote contains the fact. `precision_of_all` also counts, as wrong, the citations
  of answers to questions that have none.
- *Quote precision*: the same citations, but the quote itself must contain the fact or an accepted
  answer. Stricter; speech recognition and OCR count against it.
- *Correct abstention* (unanswerable) and *false abstention* (answerable).

Each share comes with its 95 % Wilson interval.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from benchmarks.evaluation.normalise import contains
from benchmarks.evaluation.world import Place, Question

Answer = Mapping[str, Any]  # what `sutradhar ask --json` prints
_TIME_CODE = re.compile(r"\b(?:(\d{1,2}):)?(\d{1,3}):([0-5]\d)\b")
_SLACK_S = 1.0  # a time code is rounded


@dataclass(frozen=True)
class Share:
    """`hits` of `count`, with its 95 % Wilson interval; all None when nothing was counted."""

    hits: int
    count: int

    @property
    def value(self) -> float | None:
        return self.hits / self.count if self.count else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.hits, self.count) if self.count else None


def wilson(hits: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval. Raises ValueError when nothing was counted."""
    if count <= 0 or not 0 <= hits <= count:
        raise ValueError(f"no interval for {hits} of {count}")
    share, square = hits / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Outcome:
    """How one question went."""

    question: Question
    abstained: bool
    hit: bool  # of an answerable question
    hit_in_text: bool  # without the help of quotes
    citations: int
    right: int
    quoting: int
    words: int  # of the answer: a long one hits by luck
    seconds: float | None = None

    @property
    def passed(self) -> bool:
        return self.hit if self.question.answerable else self.abstained


def judge(question: Question, answer: Answer, seconds: float | None = None) -> Outcome:
    """Compares one answer with the truth. Raises KeyError when the answer lacks a field."""
    text = answer["answer"] or ""
    abstained = bool(answer["abstained"])
    cited = [] if abstained else list(answer["citations"])
    right = [c for c in cited if any(points_at(c, p) for p in question.places)]
    in_text = not abstained and question.answerable and _says(question, text)
    quoted = any(_accepted(question, c.get("quote") or "") for c in right)
    if question.kind == "when-said":
        in_text = in_text or (bool(cited) and cited[:1] == right[:1])
        quoted = False
    return Outcome(
        question=question,
        abstained=abstained,
        hit=in_text or quoted,
        hit_in_text=in_text,
        citations=len(cited),
        right=len(right),
        quoting=sum(_quotes(question, c) for c in right),
        words=0 if abstained else len(text.split()),
        seconds=seconds,
    )


def _says(question: Question, text: str) -> bool:
    if question.kind != "when-said":
        return _accepted(question, text)
    said = [int(h or 0) * 3600 + int(m) * 60 + int(s) for h, m, s in _TIME_CODE.findall(text)]
    return any(
        place.start_s - _SLACK_S <= at <= place.end_s + _SLACK_S
        for place in question.places
        if place.start_s is not None and place.end_s is not None
        for at in said
    )


def _accepted(question: Question, text: str) -> bool:
    return any(contains(text, answer) for answer in question.answers)


def _quotes(question: Question, citation: Mapping[str, Any]) -> bool:
    quote = citation.get("quote") or ""
    facts = (p.fact for p in question.places if p.source == citation["source"])
    return _accepted(question, quote) or any(contains(quote, fact) for fact in facts)


def points_at(citation: Mapping[str, Any], place: Place) -> bool:
    if citation["source"] != place.source:
        return False
    start, end, page = citation.get("start_s"), citation.get("end_s"), citation.get("page")
    if place.start_s is not None and place.end_s is not None and start is not None:
        return bool(start < place.end_s and (start if end is None else end) > place.start_s)
    if place.page is not None and page == place.page:
        return True
    return contains(citation.get("quote") or "", place.fact)


def summary(outcomes: Sequence[Outcome]) -> dict[str, Share]:
    """The figures of a set of questions."""
    answerable = [o for o in outcomes if o.question.answerable]
    unanswerable = [o for o in outcomes if not o.question.answerable]
    given = sum(o.citations for o in answerable)
    right = sum(o.right for o in answerable)
    return {
        "answer_hit": _share(o.hit for o in answerable),
        "answer_hit_in_text": _share(o.hit_in_text for o in answerable),
        "citation_precision": Share(right, given),
        "precision_of_all": Share(right, given + sum(o.citations for o in unanswerable)),
        "quote_precision": Share(sum(o.quoting for o in answerable), given),
        "correct_abstention": _share(o.abstained for o in unanswerable),
        "false_abstention": _share(o.abstained for o in answerable),
    }


def passes_by(outcomes: Sequence[Outcome], field: str) -> dict[str, Share]:
    """The share of questions that went right, for each value of a field of the question."""
    groups: dict[str, list[bool]] = {}
    for outcome in outcomes:
        groups.setdefault(getattr(outcome.question, field), []).append(outcome.passed)
    return {name: _share(passed) for name, passed in sorted(groups.items())}


def _share(flags: Iterable[bool]) -> Share:
    known = list(flags)
    return Share(sum(known), len(known))
