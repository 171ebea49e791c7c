"""`sutradhar ask` as a person runs it: own processes, real models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexers.corpora import Corpora
from indexers.settings import IndexSettings
from tests.integration.api.conftest import Place
from tests.media import silence, wav

pytestmark = pytest.mark.models

TANK = "How many litres does the new water tank hold?"
ANSWER = {"answer", "abstained", "citations", "language", "models", "timings_s"}
CITATION = {"source", "moment_id", "modality", "start_s", "end_s", "page", "quote"}


async def test_the_object_that_json_prints(ward: Place) -> None:
    done = ward.run("ask", TANK, "--corpus", "ward", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    written = ward.json("ask", "Who is the contractor?", "--corpus", "ward", "--quotes")

    assert set(said) >= ANSWER
    assert not said["abstained"]
    assert said["language"] == "en"
    assert said["models"]["embed_text"] == "e5-small"
    assert {"retrieve", "total"} <= set(said["timings_s"])
    assert "retrieve …" in done.stderr
    async with Corpora(IndexSettings(corpora_root=ward.home / "corpora")).open("ward") as corpus:
        texts = {m.moment_id: m.text for m in await corpus.moments()}
    for cited in (*said["citations"], *written["citations"]):
        assert set(cited) >= CITATION
        assert cited["quote"] in texts[cited["moment_id"]]
    first = said["citations"][0]
    assert (first["source"], first["modality"]) == ("call", "speech")
    assert (first["start_s"], first["end_s"], first["page"]) == (1.0, 4.0, None)
    first = written["citations"][0]
    assert (first["source"], first["start_s"], first["end_s"]) == ("minutes.txt", None, None)


def test_a_spoken_question_and_a_spoken_answer(ward: Place, tmp_path: Path) -> None:
    asked, spoken = tmp_path / "q.wav", tmp_path / "new" / "a न.wav"
    ward.json("speak", TANK, "-o", asked)
    args = ("ask", "--audio", asked, "--speak", spoken, "--corpus", "ward", "--quotes")
    answer = ward.json(*args)
    assert "water tank hold" in answer["question"]
    assert answer["citations"][0]["start_s"] == 1.0
    assert answer["speech"] == str(spoken)
    assert {"transcribe", "synthesize", "embed_text"} <= set(answer["models"])
    heard = ward.json("transcribe", spoken, "--language", "en")
    assert "90,000" in heard["text"] or "ninety thousand" in heard["text"].lower()


@pytest.mark.parametrize("seconds", [0, 3])
def test_a_silent_recording_asks_nothing(ward: Place, tmp_path: Path, seconds: int) -> None:
    path = wav(tmp_path / "s.wav", silence(seconds))
    done = ward.run("ask", "--audio", path, "--corpus", "ward", "--json")
    if done.returncode:
        assert (done.returncode, done.stdout, seconds) == (2, "", 0)
        return
    answer = json.loads(done.stdout)
    assert answer["abstained"]
    assert answer["citations"] == []


def test_offline_without_the_chat_model(ward: Place, tmp_path: Path) -> None:
    answer = ward.json("ask", TANK, "--corpus", "ward", "--offline", "--models", tmp_path)
    assert "ninety thousand" in answer["answer"]
    assert "chat" not in answer["models"]


def test_a_conversation_goes_on_in_the_next_process(ward: Place) -> None:
    ask = ("ask", "--corpus", "ward", "--quotes", "--thread", "tank")
    assert "ninety thousand" in ward.json(*ask, TANK)["answer"]
    follow = ward.json(*ask, "And when will it be filled?")
    assert "morning at six" in follow["answer"]
    assert follow["thread"] == "tank"


def test_interrupted_while_a_model_loads(ward: Place) -> None:
    with ward.start("ask", TANK, "--corpus", "ward") as asking:
        asking.wait_for("loading smollm2-135m")
        assert ward.workers()
        assert asking.interrupt() == (130, "")
    assert ward.workers() == {}
