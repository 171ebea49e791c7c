"""`make demo`: recordings and documents in, cited and spoken answers out.

Indexes a real speech recording (from the package `moonshine-voice`), a narrated slide video of a
fictional ward meeting, a report (PDF) and a Hindi text, then asks six questions. Leaves
`demo/out/`: `answers.json`, the spoken answers and `timeline.png`. What is there already is neither
pulled nor indexed again.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.backend import open_local
from api.cli.output import Bars, Output
from api.schemas import Answer, Ask, Index, Stage
from api.settings import load_settings
from graphs.recall.prompts import clock
from model_host.client import Notice
from model_host.errors import SutradharError
from samples.timeline import draw

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "samples"
DEMO = ROOT / "demo"
OUT = DEMO / "out"
CORPUS = "demo"


@dataclass(frozen=True)
class Asked:
    """One question of the demo; `audio` is heard in place of the text."""

    about: str
    question: str
    audio: Path | None = None


QUESTIONS = (
    Asked("typed", "How many votes were in favour of the drain?"),
    Asked("spoken", "", SAMPLES / "questions" / "drain_budget.wav"),
    Asked("on a slide", "Which helpline number is on the slide about drinking water?"),
    Asked("when said", "When was it said that the shops will lose their customers?"),
    Asked("in Hindi", "नीलकंठ बावड़ी में कितनी सीढ़ियाँ हैं?"),
    Asked("answer nowhere", "Who won the cricket match at the stadium?"),
)


def media() -> list[Path]:
    """The demo's sources. The real recording is copied out of the package that carries it."""
    found = importlib.util.find_spec("moonshine_voice")
    recordings: list[Path] = []
    if found and found.submodule_search_locations:
        package = Path(found.submodule_search_locations[0])
        recordings = sorted(package.rglob("two_cities.wav"))
    if not recordings:
        raise SystemExit("The recording is missing. Run: make setup")
    copy = DEMO / "media" / "two_cities.wav"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(recordings[0], copy)
    return [
        copy,
        SAMPLES / "ward_meeting" / "ward_meeting.mp4",
        SAMPLES / "documents" / "works_report.pdf",
        SAMPLES / "documents" / "neelkanth_baori.txt",
    ]


async def run(out: Output) -> None:
    """Index, ask, write and show."""
    settings = load_settings({"home": DEMO / "home"})
    OUT.mkdir(parents=True, exist_ok=True)
    with out.bars() as bars:
        async with open_local(settings, on_notice=lambda n: show_notice(bars, n)) as backend:
            request = Index(corpus=CORPUS, paths=tuple(media()))
            async for event in backend.index(request):
                if event.state in ("reading", "embedding"):
                    what = f"{event.state} {event.source}"
                    bars.update(what, event.done, event.total, unit=event.unit)
                elif event.error:
                    raise SutradharError.from_wire(event.error)
                else:
                    out.note(f"{event.source}: {event.state}, {event.moments} Moments")
            answers: list[Answer] = []
            for number, asked in enumerate(QUESTIONS, 1):
                ask = Ask(
                    question=asked.question or None,
                    audio=asked.audio,
                    corpus=CORPUS,
                    speak=OUT / f"answer-{number}.wav",
                )
                async for step in backend.ask(ask):
                    if isinstance(step, Stage):
                        bars.update(f"question {number}: {step.name}", 0, None)
                    else:
                        answers.append(step)
            moments = await (await backend.corpus(CORPUS)).moments()
    cited = {citation.moment_id for answer in answers for citation in answer.citations}
    draw(moments, cited, OUT / "timeline.png")
    rows = [answer.public() for answer in answers]
    text = json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
    (OUT / "answers.json").write_text(text, encoding="utf-8")
    show(answers)


def show_notice(bars: Bars, notice: Notice) -> None:
    total = notice.total_bytes or None
    unit = "bytes" if total else ""
    bars.update(f"{notice.kind} {notice.card_id}", notice.done_bytes, total, unit=unit)


def show(answers: list[Answer]) -> None:
    """The table, and links to what was written."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False)
    table = Table("question", "answer", "citations", "seconds per stage", "models", show_lines=True)
    for asked, answer in zip(QUESTIONS, answers, strict=True):
        table.add_row(
            f"({asked.about})\n{answer.question}",
            ("ABSTAINED: " if answer.abstained else "") + answer.answer,
            "\n".join(where(citation) for citation in answer.citations) or "none",
            "\n".join(f"{name} {value:.1f}" for name, value in answer.timings_s.items()),
            "\n".join(sorted(set(answer.models.values()))),
        )
    console.print(table)
    for path in (OUT / "answers.json", OUT / "timeline.png", *sorted(OUT.glob("answer-*.wav"))):
        console.print(path.as_uri())


def where(citation: Any) -> str:
    if citation.start_s is not None:
        return f"{citation.source} {clock(citation.start_s)}-{clock(citation.end_s)}"
    return f"{citation.source}" + (f" page {citation.page}" if citation.page else "")


def main() -> None:
    from api.cli.failures import report
    from api.cli.run import run_async

    try:
        run_async(run(Output()))
    except SystemExit:
        raise
    except BaseException as error:
        sys.exit(report(error, as_json=False))


if __name__ == "__main__":
    main()
