"""`sutradhar index` as a person runs it: own processes, real models."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from indexers.corpora import Corpora
from indexers.errors import CorpusBusy
from indexers.media.audio import decode_audio, write_wav
from indexers.settings import IndexSettings
from model_host.client import open_client
from tests.integration.api.conftest import Place

pytestmark = pytest.mark.models


def test_any_name_and_what_fails(fresh: Place, tmp_path: Path) -> None:
    files, other = tmp_path / "the files", tmp_path / "other"
    files.mkdir()
    other.mkdir()
    names = ["a b.txt", "सड़क.txt", "line\nbreak.md", os.fsdecode(b"\xff.txt")]
    for number, name in enumerate(names):
        (files / name).write_text(f"Lamp number {number} stands on street {number}.\n")
    (files / "notes.xyz").write_text("no reader")
    (files / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    (other / "a b.txt").write_text("Other words.\n")

    done = fresh.run("index", files, other, "--corpus", "c", "--json")

    assert done.returncode == 2
    states = [(s["source"], s["state"]) for s in json.loads(done.stdout)["sources"]]
    assert sorted(states) == sorted(
        [
            *[(os.fsencode(name).decode("utf-8", "replace"), "done") for name in names],
            ("a b.txt", "failed"),
            ("broken.pdf", "failed"),
            ("notes.xyz", "skipped"),
        ]
    )
    problem = json.loads(done.stderr[done.stderr.index("{") :])
    assert problem["what"].startswith("2 of 7 sources")
    assert "embedding a b.txt" in done.stderr

    (files / "broken.pdf").unlink()
    named = fresh.json("index", other / "a b.txt", "--corpus", "c", "--as", "the other one")
    assert [(s["source"], s["state"]) for s in named["sources"]] == [("the other one", "done")]
    again = fresh.json("index", files, other, "--corpus", "c")
    assert {s["state"] for s in again["sources"]} == {"unchanged", "skipped"}
    table = fresh.run("corpora", "show", "c")
    assert len(table.stdout.splitlines()) == 6
    assert fresh.json("corpora")[0]["sources"] == 5


async def test_a_busy_corpus_names_who_holds_it(fresh: Place, long_talk: Path) -> None:
    settings = IndexSettings(corpora_root=fresh.home / "corpora")
    with fresh.start("index", long_talk, "--corpus", "c") as indexing:
        indexing.wait_for("reading long talk.wav")
        began = time.monotonic()
        with pytest.raises(CorpusBusy) as busy:
            async with Corpora(settings).open("c"):
                pass
        assert time.monotonic() - began < 2
        assert busy.value.detail["pid"] == indexing.pid
        for command in (["ask", "Who spoke?"], ["index", long_talk], ["corpora", "show", "c"]):
            named = [] if command[0] == "corpora" else ["--corpus", "c"]
            done = fresh.run(*command, *named)
            assert (done.returncode, done.stdout) == (4, "")
            assert f"process {indexing.pid} (" in done.stderr
            assert "sutradhar serve" in done.stderr
        assert fresh.json("corpora")[0]["name"] == "c"
        indexing.wait_for("loading whisper-base: done")
        assert indexing.interrupt() == (130, "")
    assert fresh.workers() == {}


def test_interrupted_and_started_again(fresh: Place, tmp_path: Path, two_cities: Path) -> None:
    (tmp_path / "a.txt").write_text("The lamp stands on the bridge.\n")
    write_wav(tmp_path / "b.wav", decode_audio(two_cities)[: 20 * 16000], 16000)
    with fresh.start("index", tmp_path, "--corpus", "c", "--json") as indexing:
        indexing.wait_for("loading whisper-base: done")
        assert indexing.interrupt() == (130, "")
    assert fresh.workers() == {}

    done = fresh.json("index", tmp_path, "--corpus", "c")
    states = {s["source"]: s["state"] for s in done["sources"]}
    assert states == {"a.txt": "unchanged", "b.wav": "done"}
    answer = fresh.json("ask", "Where does the lamp stand?", "--corpus", "c", "--quotes")
    assert answer["citations"][0]["source"] == "a.txt"


async def test_through_a_server_the_corpus_still_answers(
    fresh: Place, long_talk: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("The lamp stands on the bridge.\n")
    with fresh.start("serve") as server:
        server.wait_for("ready on")
        fresh.json("index", tmp_path, "--corpus", "c")
        with fresh.start("index", long_talk, "--corpus", "c") as indexing:
            indexing.wait_for("reading long talk.wav")
            answer = fresh.json("ask", "Where does the lamp stand?", "--corpus", "c", "--quotes")
            assert answer["citations"][0]["source"] == "a.txt"
            second = fresh.run("index", tmp_path, "--corpus", "c")
            assert second.returncode == 4
            assert fresh.run("corpora", "rm", "c").returncode == 4
            assert indexing.interrupt() == (130, "")
        await _idle(fresh.home)
        done = fresh.json("index", tmp_path, "--corpus", "c")
        assert [s["state"] for s in done["sources"]] == ["unchanged"]

        with fresh.start("index", long_talk, "--corpus", "c") as indexing:
            indexing.wait_for("reading long talk.wav")
            assert server.interrupt(signal.SIGTERM)[0] == 143
            assert indexing.end() == (3, "")
            assert "The server is stopping." in indexing.said
    assert fresh.workers() == {}


async def _idle(home: Path) -> None:
    """Wait until no model of the running server works any more."""
    from model_host.settings import HostSettings

    settings = HostSettings(home=home, models_root=home)
    deadline = time.monotonic() + 30
    async with open_client(settings, embedded=False) as client:
        while any(i.in_flight for i in (await client.status()).instances):
            assert time.monotonic() < deadline, "a client that went away left its work behind"
            await asyncio.sleep(0.05)
