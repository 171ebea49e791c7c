"""From the end of a spoken question to the first sound of the answer, stage by stage.

    python -m benchmarks.spoken [--rounds 5] [--json]

Indexes the Hindi text and the report of `samples/` in a home of its own, asks the recorded question
of `samples/questions` and has the answer spoken. The first round loads the models and is shown
apart; peak memory of this process and of each worker stands beside.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from api.backend import open_local
from api.schemas import Answer, Ask, Index
from api.settings import load_settings

SAMPLES = Path(__file__).parents[1] / "samples"
QUESTION = SAMPLES / "questions" / "drain_budget.wav"
NOTES = (
    "The storm drain in Temple Road costs forty two lakh rupees. The money was approved in July."
)


def peak_bytes(pid: int) -> int:
    """Peak resident memory of a running process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def measure(rounds: int, draft: bool) -> dict[str, Any]:
    """Seconds per stage of each round, and memory at the end."""
    stages: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="sutradhar-bench-") as folder:
        notes = Path(folder) / "notes.md"
        notes.write_text(NOTES, encoding="utf-8")
        settings = load_settings({"home": Path(folder) / "home"})
        async with open_local(settings) as backend:
            paths = (notes, SAMPLES / "documents" / "works_report.pdf")
            async for event in backend.index(Index(corpus="bench", paths=paths)):
                print(event.state, event.source, file=sys.stderr)
            for number in range(rounds + 1):
                ask = Ask(
                    audio=QUESTION,
                    corpus="bench",
                    speak=Path(folder) / f"{number}.wav",
                    draft=draft,
                )
                async for step in backend.ask(ask):
                    if isinstance(step, Answer):
                        before = sum(
                            seconds
                            for name, seconds in step.timings_s.items()
                            if name not in ("first_audio", "speak", "total")
                        )
                        total = before + step.timings_s["first_audio"]
                        stages.append({**step.timings_s, "to_first_audio": total})
            status = await backend.client.status()
            memory = {row.card_id: peak_bytes(row.pid) for row in status.instances}
    memory["this process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    warm = stages[1:]
    return {
        "draft": draft,
        "first_round_s": round(stages[0]["to_first_audio"], 2),
        "warm_median_s": {
            name: round(median(stage[name] for stage in warm), 3) for name in warm[0]
        },
        "peak_bytes": memory,
    }


def main(
    rounds: Annotated[int, typer.Option(help="Warm rounds.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone on stdout.")] = False,
) -> None:
    """Time a spoken question."""
    rows = [asyncio.run(measure(rounds, draft)) for draft in (False, True)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print("with the chat model's draft" if row["draft"] else "in quotes, without a draft")
        print(f"  cold, models to load: {row['first_round_s']} s to the first sound")
        for name, seconds in row["warm_median_s"].items():
            print(f"  {name:16} {seconds:7.3f} s")
        for name, size in row["peak_bytes"].items():
            print(f"  {name:16} {size / 1e6:7.0f} MB at its peak")


if __name__ == "__main__":
    typer.run(main)
