"""The result of an evaluation as JSON and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.evaluation.score import Answer, Outcome, Share, passes_by, summary

_AIMS = {
    "answer_hit": ">= 0.85",
    "citation_precision": ">= 0.95",
    "correct_abstention": ">= 0.90",
    "false_abstention": "<= 0.10",
}
_GROUPS = ("kind", "language", "style")


def as_json(
    world: str, use: str, outcomes: Sequence[Outcome], answers: Sequence[Answer]
) -> dict[str, Any]:
    """Everything: the figures, the groups, and each question with its answer."""
    return {
        "world": world,
        "use": use,
        "questions": len(outcomes),
        "unanswerable": sum(not o.question.answerable for o in outcomes),
        "figures": {name: _plain(share) for name, share in summary(outcomes).items()},
        **{
            f"by_{field}": {name: _plain(x) for name, x in passes_by(outcomes, field).items()}
            for field in _GROUPS
        },
        "median_answer_words": _median([o.words for o in outcomes if not o.abstained]),
        "median_seconds": _median([o.seconds for o in outcomes if o.seconds is not None]),
        "details": [_detail(o, a) for o, a in zip(outcomes, answers, strict=True)],
    }


def as_table(report: dict[str, Any]) -> str:
    """The figures of `as_json` for people; then what went wrong, a line a question."""
    lines = [
        f"world {report['world']} ({report['use']}): {report['questions']} questions, "
        f"{report['unanswerable']} of them without an answer",
        f"{'':22}{'share':>7}  {'95 % interval':15}{'of':>5}  aim",
    ]
    for name, share in report["figures"].items():
        lines.append(_row(name.replace("_", " "), share) + f"  {_AIMS.get(name, '')}".rstrip())
    for field in _GROUPS:
        lines += ["", f"by {field} (hit, or rightly abstained)"]
        lines += [_row(name, share) for name, share in report[f"by_{field}"].items()]
    lines += [
        "",
        f"median answer: {report['median_answer_words']} words, {report['median_seconds']} s",
    ]
    wrong = [d for d in report["details"] if not d["passed"] or d["right"] < d["citations"]]
    lines += ["", f"not quite right: {len(wrong)}"] if wrong else []
    for detail in wrong:
        said = "abstained" if detail["abstained"] else detail["answer"].replace("\n", " ")[:90]
        mark = "ok  " if detail["passed"] else "MISS"
        lines.append(
            f"{mark} {detail['id']} [{detail['kind']}] {detail['question']}\n"
            f"       {said}  ({detail['right']}/{detail['citations']} citations right)"
        )
    return "\n".join(lines)


def _row(name: str, share: dict[str, Any]) -> str:
    if share["share"] is None:
        return f"{name:22}{'-':>7}  {'':15}{0:>5}"
    low, high = share["interval"]
    return f"{name:22}{share['share']:>7.3f}  {low:.3f} – {high:.3f}  {share['count']:>5}"


def _plain(share: Share) -> dict[str, Any]:
    interval = share.interval
    return {
        "share": None if share.value is None else round(share.value, 4),
        "interval": None if interval is None else [round(bound, 4) for bound in interval],
        "hits": share.hits,
        "count": share.count,
    }


def _median(values: Sequence[float]) -> float | None:
    return round(median(values), 2) if values else None


def _detail(outcome: Outcome, answer: Answer) -> dict[str, Any]:
    question = outcome.question
    return {
        "id": question.id,
        "question": question.question,
        "kind": question.kind,
        "language": question.language,
        "answerable": question.answerable,
        "accepted": list(question.answers),
        "passed": outcome.passed,
        "abstained": outcome.abstained,
        "hit": outcome.hit,
        "citations": outcome.citations,
        "right": outcome.right,
        "answer": answer["answer"],
        "cited": list(answer["citations"]),
        "places": [place.__dict__ for place in question.places],
        "seconds": outcome.seconds,
    }
