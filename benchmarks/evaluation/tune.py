"""`python -m benchmarks.evaluation.tune`: fits the judge of `graphs/grounding` on worlds A and D.

The sources of a tuning world are indexed as a user would; for each question the real retrieval
gives a pool of passages, and its truth says which of them hold the answer. Two fits:
a conditional logit orders the passages of a question, a logistic regression says whether the best
one answers. Both are ridge-regularised and solved by Newton's method. `weights.json` is written
with the figures reached here; figures that count come from the other worlds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.evaluation.render import render
from benchmarks.evaluation.score import points_at
from benchmarks.evaluation.world import Question, World, load_world
from graphs.grounding.evidence import (
    ANSWERING,
    RANKING,
    Passage,
    Verdict,
    answering_features,
    fitted,
    measure,
    rarity,
)
from graphs.grounding.question import analyse
from graphs.recall.nodes import passages
from tools.recall import recall

WEIGHTS = Path(__file__).parents[2] / "graphs" / "grounding" / "weights.json"
RIDGE = 3.0  # on standardised features; the worlds are small

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """What was retrieved for one question. `right` says which passages hold the answer."""

    question: Question
    passages: list[Passage]
    right: list[bool]
    features: list[dict[str, float]]


async def collect(world: World) -> list[Pool]:
    """Index the world and retrieve for each of its questions."""
    from api.backend import open_local
    from api.schemas import Index
    from api.settings import load_settings

    pools: list[Pool] = []
    with tempfile.TemporaryDirectory(prefix="sutradhar-tune-") as folder:
        sources = Path(folder) / "sources"
        render(world, sources)
        settings = load_settings({"home": Path(folder) / "home"})
        async with open_local(settings) as backend:
            request = Index(corpus="tune", paths=tuple(sorted(sources.iterdir())))
            async for event in backend.index(request):
                print(event.state, event.source, event.moments, file=sys.stderr)
            corpus = await backend.corpus("tune")
            for question in world.questions:
                found = await recall(corpus, backend.client, question.question)
                right = [
                    any(
                        points_at(
                            {
                                "source": item.moment.source,
                                "start_s": item.moment.start_s,
                                "end_s": item.moment.end_s,
                                "page": None,  # a page is too coarse to learn from
                                "quote": item.moment.text,
                            },
                            place,
                        )
                        for place in question.places
                    )
                    for item in found
                ]
                asked = analyse(question.question)
                pool = passages(found)
                weights = rarity(asked, pool)
                features = [measure(asked, passage, pool, weights) for passage in pool]
                pools.append(Pool(question, pool, right, features))
    return pools


def fit_ranking(pools: list[Pool]) -> dict[str, float]:
    """Weights under which a passage that answers comes first: the conditional logit."""
    groups = [(_matrix(p.features, RANKING), np.array(p.right)) for p in pools if any(p.right)]
    rows = np.concatenate([x for x, _ in groups])
    scale = rows.std(axis=0) + 1e-6
    groups = [((x - rows.mean(axis=0)) / scale, y) for x, y in groups]

    def loss(b: Matrix) -> float:
        total = 0.5 * RIDGE * float(b @ b)
        for x, y in groups:
            z = x @ b
            total += float(_logsumexp(z) - _logsumexp(z[y]))
        return total

    b = np.zeros(len(RANKING))
    for _ in range(100):
        gradient, hessian = -RIDGE * b, RIDGE * np.eye(len(b))
        for x, y in groups:
            p = np.exp(x @ b - _logsumexp(x @ b))
            among = np.where(y, p, 0.0)
            gradient += x.T @ (among / among.sum() - p)
            centred = x - p @ x
            hessian += (centred * p[:, None]).T @ centred
        step = np.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-6 and loss(b + length * step) > loss(b):
            length /= 2
        b = b + length * step
        if float(np.abs(length * step).max()) < 1e-5:
            break
    return dict(zip(RANKING, (float(w) for w in b / scale), strict=True))


def best_of(pool: Pool, ranking: dict[str, float]) -> tuple[dict[str, float], bool]:
    """Features of the best passage for the answer model, and whether it is right."""
    verdicts = sorted(
        (
            Verdict(index, sum(ranking[name] * features[name] for name in RANKING), features)
            for index, features in enumerate(pool.features)
        ),
        key=lambda verdict: -verdict.score,
    )
    asked = analyse(pool.question.question)
    weights = rarity(asked, pool.passages)
    return (
        answering_features(asked, verdicts, pool.passages, weights),
        pool.right[verdicts[0].index],
    )


def fit_answering(rows: Matrix, answerable: NDArray[np.bool_]) -> tuple[Matrix, float]:
    """Weights and bias of the probability that a question is answered: logistic regression."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    x = np.c_[(rows - mean) / scale, np.ones(len(rows))]
    b = np.zeros(x.shape[1])
    ridge = np.diag([*[RIDGE] * (x.shape[1] - 1), 1e-6])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ b))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(hessian, x.T @ (answerable - p) - ridge @ b)
        b = b + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return b[:-1] / scale, float(b[-1] - (b[:-1] * mean / scale).sum())


def threshold(
    probabilities: Matrix, right: NDArray[np.bool_], answerable: NDArray[np.bool_]
) -> float:
    """Where the shares of right answers and of right abstentions together are highest."""

    def gain(at: float) -> float:
        answered = probabilities >= at
        hits = float((answered & right).sum()) / max(1, int(answerable.sum()))
        return hits + float((~answered)[~answerable].mean())

    grid = [round(0.2 + 0.01 * step, 2) for step in range(70)]
    return max(grid, key=gain)


def fit(pools: list[Pool]) -> dict[str, Any]:
    """The content of `weights.json`."""
    pools = [pool for pool in pools if pool.passages]
    ranking = fit_ranking(pools)
    best = [best_of(pool, ranking) for pool in pools]
    rows = _matrix([features for features, _ in best], ANSWERING)
    right = np.array([is_right for _, is_right in best])
    answerable = np.array([pool.question.answerable for pool in pools])
    weights, bias = fit_answering(rows, answerable)
    probabilities = 1 / (1 + np.exp(-(rows @ weights + bias)))
    plain = np.array([pool.question.style == "plain" for pool in pools])
    at = threshold(probabilities[plain], right[plain], answerable[plain])
    answered = probabilities >= at
    old = fitted()
    return {
        "ranking": {name: round(value, 3) for name, value in ranking.items()},
        "answering": {
            name: round(float(w), 3) for name, w in zip(ANSWERING, weights, strict=True)
        },
        "answering_bias": round(bias, 3),
        "answer_at": at,
        "second_within": old.second_within,
        "support_coverage": old.support_coverage,
        "support_cosine": old.support_cosine,
        "figures": {
            "questions": len(pools),
            "in_pool": _share(np.array([any(p.right) for p in pools])[answerable]),
            "first_is_right": _share(right[answerable]),
            "answered_right": _share((right & answered)[answerable]),
            "abstained_right": _share((~answered)[~answerable]),
        },
    }  # fmt: skip


def _share(flags: NDArray[np.bool_]) -> float:
    return round(float(flags.mean()), 3)


def _matrix(rows: list[dict[str, float]], names: tuple[str, ...]) -> Matrix:
    return np.array([[row[name] for name in names] for row in rows], dtype=np.float64)


def _logsumexp(z: Matrix) -> float:
    top = float(z.max())
    return top + float(np.log(np.exp(z - top).sum()))


def main(
    worlds: Annotated[str, typer.Option(help="The worlds to fit on, a letter each.")] = "ad",
    write: Annotated[bool, typer.Option(help="Write graphs/grounding/weights.json.")] = True,
) -> None:
    """Fit the judge; prints what is written."""
    found = fit([pool for name in worlds for pool in asyncio.run(collect(load_world(name)))])
    text = json.dumps(found, indent=1) + "\n"
    if write:
        WEIGHTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    typer.run(main)
