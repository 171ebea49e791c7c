"""`python -m benchmarks.evaluation --world B [--json]`: asks, scores, prints.

The sources are written to a folder, indexed, and asked about through the product. `--build DIR`
only writes the files and `questions.json`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.evaluation.render import render
from benchmarks.evaluation.report import as_json, as_table
from benchmarks.evaluation.score import Answer, judge
from benchmarks.evaluation.world import USE, World, load_world

Ask = Callable[[str, str], Awaitable[Answer]]  # question, corpus name → the object of `ask --json`


@asynccontextmanager
async def open_asker(sources: Sequence[Path], corpus: str) -> AsyncIterator[Ask]:
    """Indexes `sources` as `corpus` in a home of its own and yields what answers questions.

    The one place where the evaluation meets the product."""
    from api.backend import open_local
    from api.schemas import Answer as Answered
    from api.schemas import Ask as Asked
    from api.schemas import Index
    from api.settings import load_settings

    with tempfile.TemporaryDirectory(prefix="sutradhar-home-") as home:
        async with open_local(load_settings({"home": Path(home)})) as backend:
            async for event in backend.index(Index(corpus=corpus, paths=tuple(sources))):
                print(event.state, event.source, event.moments, file=sys.stderr)

            async def ask(question: str, name: str) -> Answer:
                async for event in backend.ask(Asked(question=question, corpus=name)):
                    if isinstance(event, Answered):
                        return event.model_dump()
                raise RuntimeError(f"no answer came to {question!r}")

            yield ask


async def evaluate(
    world: World, ask: Ask, corpus: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """One question after the other, so that the seconds of each mean something."""
    outcomes, answers = [], []
    for question in world.questions:
        begun = time.perf_counter()
        answer = await ask(question.question, corpus)
        outcome = judge(question, answer, round(time.perf_counter() - begun, 3))
        say(f"{question.id} {'ok' if outcome.passed else 'MISS'} {question.question}")
        outcomes.append(outcome)
        answers.append(answer)
    return as_json(world.name, USE[world.name], outcomes, answers)


def build(world: World, folder: Path) -> None:
    """Writes the sources to `folder`/sources and the truth to `folder`/questions.json."""
    render(world, folder / "sources")
    truth = [{**asdict(q), "answerable": q.answerable} for q in world.questions]
    text = json.dumps(truth, ensure_ascii=False, indent=1)
    (folder / "questions.json").write_text(text + "\n", encoding="utf-8")


def main(
    world: Annotated[str, typer.Option(help="a, d (tune), b (score), c, e, f (held out)")] = "b",
    as_json_: Annotated[bool, typer.Option("--json", help="JSON alone on stdout")] = False,
    spoken: Annotated[bool, typer.Option(help="with recordings, which need speech models")] = True,
    build_dir: Annotated[
        Path | None, typer.Option("--build", help="write the files here and stop")
    ] = None,
) -> None:
    """Asks every question of a world and reports how it went."""
    chosen = load_world(world, spoken=spoken)
    if build_dir is not None:
        build(chosen, build_dir)
        return

    async def run() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="sutradhar-evaluation-") as folder:
            sources = render(chosen, Path(folder))
            corpus = f"evaluation-{chosen.name}"
            async with open_asker(sources, corpus) as ask:
                return await evaluate(chosen, ask, corpus, partial(print, file=sys.stderr))

    report = asyncio.run(run())
    print(json.dumps(report, ensure_ascii=False, indent=1) if as_json_ else as_table(report))


if __name__ == "__main__":
    typer.run(main)
