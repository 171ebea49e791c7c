"""What is committed is what the scripts would make."""

from __future__ import annotations

import json
import unicodedata
import wave
from pathlib import Path

import av
import pytest

from benchmarks.evaluation.markup import read_script, slide_lines
from benchmarks.evaluation.world import WORLDS
from samples.make_documents import FOLDER, make_pdf

RECORDINGS = [FOLDER / "ward_meeting" / "ward_meeting.mp4", *sorted(WORLDS.glob("*/*.ogg"))]


@pytest.mark.parametrize("media", RECORDINGS, ids=lambda path: path.name)
def test_truth_is_the_script_in_its_order(media: Path) -> None:
    script = read_script(media.with_name(media.name + ".src"))
    truth = json.loads(media.with_suffix(".truth.json").read_text("utf-8"))
    assert len(truth["units"]) == len(script.units)
    for unit, made in zip(script.units, truth["units"], strict=True):
        if unit.role == "slide":
            assert [made["title"], *made["lines"]] == slide_lines(unit.text)
        else:
            told = (made["text"], made["speaker"], made["language"])
            assert told == (unit.text, unit.speaker, unit.language)


@pytest.mark.parametrize("media", RECORDINGS, ids=lambda path: path.name)
def test_times_follow_each_other_inside_the_recording(media: Path) -> None:
    truth = json.loads(media.with_suffix(".truth.json").read_text("utf-8"))
    with av.open(str(media)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(truth["duration_s"], abs=0.3)
    for role in ("utterance", "slide"):
        at = 0.0
        for unit in truth["units"]:
            if unit["role"] == role:
                assert at <= unit["start_s"] < unit["end_s"] <= truth["duration_s"]
                at = unit["end_s"]


def test_ward_meeting_has_what_the_demo_asks_about() -> None:
    units = json.loads((FOLDER / "ward_meeting" / "ward_meeting.truth.json").read_text())["units"]
    said = [unit for unit in units if unit["role"] == "utterance"]
    assert len({unit["voice"] for unit in said}) >= 4
    assert {unit["language"] for unit in said} == {"en", "hi"}
    assert 6 <= sum(unit["role"] == "slide" for unit in units) <= 9


def test_pdf_is_made_from_its_script(tmp_path: Path) -> None:
    source = FOLDER / "documents" / "works_report.pdf.src"
    (tmp_path / source.name).write_bytes(source.read_bytes())
    committed = (FOLDER / "documents" / "works_report.pdf").read_bytes()
    assert make_pdf(tmp_path).read_bytes() == committed


def test_hindi_text_is_devanagari_in_one_form() -> None:
    text = (FOLDER / "documents" / "neelkanth_baori.txt").read_text("utf-8")
    letters = [char for char in text if unicodedata.category(char)[0] == "L"]
    assert all("\u0900" <= char <= "\u097f" for char in letters)
    assert 400 <= len(text.split()) <= 600
    assert "\r" not in text
    assert "\ufeff" not in text


def test_question_is_a_short_mono_wav() -> None:
    with wave.open(str(FOLDER / "questions" / "drain_budget.wav")) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (1, 16000)
        assert 1 < recording.getnframes() / 16000 < 10


def test_committed_media_stay_small() -> None:
    files = [*FOLDER.rglob("*"), *WORLDS.rglob("*")]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 10_000_000
