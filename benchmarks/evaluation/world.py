"""A world: some sources that share a topic, and questions about them with their evidence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.evaluation.markup import (
    SUFFIX,
    TIMED,
    Script,
    Unit,
    read_script,
    schedule,
    with_times,
)

WORLDS = Path(__file__).parent / "worlds"
SAMPLES = Path(__file__).parents[2] / "samples"

# What each world is for. Thresholds may be tuned on `tune` alone; nobody looks into `held-out`.
USE: dict[str, Literal["tune", "score", "held-out"]] = {
    "a": "tune", "b": "score", "c": "held-out", "d": "tune", "e": "held-out", "f": "held-out",
}  # fmt: skip
# Recorded sources that live with the samples.
_SHARED = {"b": (SAMPLES / "ward_meeting" / "ward_meeting.mp4.src",)}

KINDS = (
    *("fact", "number", "date", "who", "slide", "when-said", "order", "paraphrase"),
    *("cross-lingual", "unanswerable-near", "unanswerable-far"),
)


@dataclass(frozen=True)
class Place:
    """Where a fact is: an interval of seconds, a page, or only the words themselves."""

    source: str
    fact: str  # the marked words
    start_s: float | None = None
    end_s: float | None = None
    page: int | None = None


@dataclass(frozen=True)
class Question:
    id: str
    question: str
    kind: str
    language: str
    style: Literal["plain", "oblique"]  # near the words of its source, or far from them
    answers: tuple[str, ...]  # any of them is right; "re:…" is a pattern over normalised text
    places: tuple[Place, ...]  # citing any of them is right; none: the question has no answer

    @property
    def answerable(self) -> bool:
        return bool(self.places)


@dataclass(frozen=True)
class World:
    name: str
    scripts: tuple[Script, ...]
    questions: tuple[Question, ...]
    recordings: dict[str, Path]  # file name → committed media file
    files: tuple[Path, ...] = ()  # sources that are committed as they are


def load_world(name: str, *, spoken: bool = True) -> World:
    """World `a`, `b` or `c`. Without `spoken`, or where a recording is not there, the sources
    that are recordings are left out together with the questions that only they answer.

    Raises ValueError when a question names a fact that no source marks."""
    name = name.lower()
    folder = WORLDS / name
    if name not in USE:
        raise ValueError(f"there is no world {name!r}; there are {', '.join(USE)}")
    if (folder / "sources").is_dir():
        return _outsider(name, folder)
    shared = [path for path in _SHARED.get(name, ()) if path.exists()]
    paths = [*sorted(folder.glob("*" + SUFFIX)), *shared]
    every = [read_script(path) for path in paths]
    scripts, recordings = [], {}
    for path, script in zip(paths, every, strict=True):
        if script.is_spoken:
            media = path.with_name(script.file_name)
            truth = media.with_suffix(".truth.json")
            if not (spoken and media.exists() and truth.exists()):
                continue
            recordings[script.file_name] = media
            script = with_times(script, truth_times(truth))
        elif script.file_name.endswith(TIMED):
            script = schedule(script)
        scripts.append(script)
    known = {fact for script in every for unit in script.units for fact, _ in unit.facts}
    places = _places(scripts)
    questions = []
    for file, style in (("direct.jsonl", "plain"), ("questions.jsonl", "oblique")):
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            raw = {"style": style, **json.loads(line)}
            named = [*raw.get("facts", ()), *raw.get("cites", ())]
            if unknown := set(named) - known:
                raise ValueError(f"{name}/{file}, line {number}: no source marks {unknown}")
            if any(fact in places for fact in raw.get("facts", ())) or not named:
                questions.append(_question(f"{name}-{style[0]}{number:03d}", raw, places))
    return World(name, tuple(scripts), tuple(questions), recordings)


def _outsider(name: str, folder: Path) -> World:
    """A world of plain files and questions, written without knowledge of the product."""
    rows = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    questions = []
    for number, row in enumerate(rows, 1):
        source = (row["source"] or "").removesuffix(".moments.jsonl")
        accept = row["accept"] if row["answerable"] else []
        times = (row["start_s"], row["end_s"]) if row["answerable"] else (None, None)
        questions.append(
            Question(
                id=f"{name}-{number:03d}",
                question=row["q"],
                kind="fact" if row["answerable"] else "unanswerable-near",
                language=row["lang"],
                style="plain",
                answers=tuple(accept),
                places=tuple(Place(source, words, *times) for words in accept),
            )
        )
    return World(name, (), tuple(questions), {}, tuple(sorted((folder / "sources").iterdir())))


def truth_times(path: Path) -> list[tuple[float, float]]:
    """Start and end of each unit of a recording, in the order of its script."""
    truth = json.loads(path.read_text(encoding="utf-8"))
    return [(unit["start_s"], unit["end_s"]) for unit in truth["units"]]


def _places(scripts: list[Script]) -> dict[str, list[Place]]:
    places: dict[str, list[Place]] = {}
    for script in scripts:
        before: Unit | None = None
        for unit in script.units:
            asked = before if before and before.text.endswith("?") else None
            for fact, words in unit.facts:
                found = places.setdefault(fact, [])
                found.append(Place(script.source, words, unit.start_s, unit.end_s, unit.page))
                # "How old is she?" "Seven years.": citing the question as well is right
                if asked and asked.start_s is not None and unit.role != "slide":
                    found.append(Place(script.source, words, asked.start_s, asked.end_s))
            before = unit if unit.role != "slide" else before
    return places


def _question(identifier: str, raw: dict[str, Any], places: dict[str, list[Place]]) -> Question:
    answered = [place for fact in raw.get("facts", ()) for place in places.get(fact, ())]
    beside = [place for fact in raw.get("cites", ()) for place in places.get(fact, ())]
    if raw["kind"] not in KINDS or raw["kind"].startswith("unanswerable") == bool(answered):
        raise ValueError(f"{identifier}: kind {raw['kind']!r} does not fit")
    answers = dict.fromkeys([place.fact for place in answered] + raw.get("accept", []))
    return Question(
        id=identifier,
        question=raw["q"],
        kind=raw["kind"],
        language=raw.get("lang", "en"),
        style=raw.get("style", "oblique"),
        answers=tuple(answers),
        places=(*answered, *beside),
    )
