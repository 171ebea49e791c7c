from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.evaluation.markup import read_script
from benchmarks.evaluation.normalise import contains, tokens
from benchmarks.evaluation.render import render
from benchmarks.evaluation.world import KINDS, USE, WORLDS, World, load_world

MINIMUM = {"a": (60, 6, 20), "b": (60, 6, 20), "c": (20, 6, 5)}  # questions, sources, unanswerable


@pytest.fixture(params=sorted(MINIMUM), scope="module")
def world(request: pytest.FixtureRequest) -> World:
    return load_world(request.param)


def test_world_is_large_enough(world: World) -> None:
    unanswerable = [q for q in world.questions if not q.answerable]
    questions, sources, fewest = MINIMUM[world.name]
    assert len(world.questions) >= questions
    assert len(world.scripts) >= sources
    assert len(unanswerable) >= max(fewest, len(world.questions) / 3)


def test_every_answer_stands_in_its_source(world: World) -> None:
    texts = {script.source: [unit.text for unit in script.units] for script in world.scripts}
    for question in world.questions:
        for place in question.places:
            assert any(place.fact in text for text in texts[place.source]), question.id


def test_accepted_answers_are_no_answer_to_an_empty_text(world: World) -> None:
    for question in world.questions:
        assert not any(contains("I do not know.", answer) for answer in question.answers)


def test_questions_do_not_copy_their_evidence(world: World) -> None:
    """Eight words in a row would be a copy, which plain search finds."""
    said = [" ".join(tokens(unit.text)) for script in world.scripts for unit in script.units]
    for question in world.questions:
        words = tokens(question.question)
        runs = [" ".join(words[at : at + 8]) for at in range(len(words) - 7)]
        assert not any(run in text for run in runs for text in said), question.question


def test_worlds_share_no_question_and_no_source() -> None:
    worlds = [load_world(name) for name in MINIMUM]
    questions = [q.question.lower() for world in worlds for q in world.questions]
    sources = [script.source for world in worlds for script in world.scripts]
    assert len(set(questions)) == len(questions)
    assert len(set(sources)) == len(sources)
    assert {q.kind for world in worlds for q in world.questions} == set(KINDS)


@pytest.mark.parametrize(("name", "use"), [(n, u) for n, u in USE.items() if n not in MINIMUM])
def test_a_world_of_plain_files(name: str, use: str) -> None:
    world = load_world(name)
    texts = {
        path.name.removesuffix(".moments.jsonl"): path.read_text("utf-8") for path in world.files
    }
    assert len(world.files) >= 6
    assert len(world.questions) >= 60
    assert sum(not question.answerable for question in world.questions) >= 20
    for question in world.questions:
        for place in question.places:
            assert place.source in texts
            assert place.end_s is not None or place.fact in texts[place.source], question.id


def test_rendering_twice_gives_the_same_bytes(world: World, tmp_path: Path) -> None:
    first, second = (render(world, tmp_path / name) for name in "xy")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_rendered_files_hold_every_fact_where_the_truth_says(world: World, tmp_path: Path) -> None:
    pdfs = [path for path in render(world, tmp_path) if path.suffix == ".pdf"]
    assert pdfs
    pypdf = pytest.importorskip("pypdf")
    for path in pdfs:
        pages = [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(path).pages]
        for question in world.questions:
            for place in question.places:
                if place.source == path.name:
                    assert place.page is not None
                    assert place.fact in pages[place.page - 1], question.id


def test_moments_have_ordered_times_and_no_marks(world: World, tmp_path: Path) -> None:
    for path in render(world, tmp_path):
        if path.name.endswith(".moments.jsonl"):
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            assert all(line["start_s"] < line["end_s"] for line in lines)
            assert [x["start_s"] for x in lines] == sorted(x["start_s"] for x in lines)
            assert not any("{" in line["text"] for line in lines)


def test_unknown_world_is_refused() -> None:
    with pytest.raises(ValueError, match="there are a, b, c"):
        load_world("z")


@pytest.mark.parametrize(
    ("line", "why"), [("A: {x|open", "not closed"), ("no speaker here", "nobody says")]
)
def test_a_broken_script_is_refused(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "talk.moments.jsonl.src"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        read_script(path)


def test_without_recordings_their_questions_are_left_out() -> None:
    spoken, silent = load_world("b"), load_world("b", spoken=False)
    left = {q.id for q in spoken.questions} - {q.id for q in silent.questions}
    assert left
    assert not any(script.is_spoken for script in silent.scripts)


def test_every_mark_is_used_once() -> None:
    """Two marks of one name in a world would make the evidence ambiguous."""
    for folder in WORLDS.iterdir():
        marks = re.findall(
            r"\{(\w+)\|", "".join(p.read_text("utf-8") for p in folder.glob("*.src"))
        )
        assert len(marks) == len(set(marks)), folder.name


def test_the_question_that_a_line_answers_may_be_cited_too() -> None:
    """Given "How many boats?" and "A hundred and thirty", both intervals are evidence."""
    world = load_world("b")
    script = next(s for s in world.scripts if s.source == "tender_press.vtt")
    before, unit = next(
        pair
        for pair in zip(script.units, script.units[1:], strict=False)
        if any(fact == "path_price" for fact, _ in pair[1].facts)
    )
    question = next(q for q in world.questions if q.answers[:1] == ("3.4 crore rupees",))
    assert {place.start_s for place in question.places} == {before.start_s, unit.start_s}
