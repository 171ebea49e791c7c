"""SIGKILL at any point of indexing, then again: the same Moments as an undisturbed run."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import qdrant_edge as qe

from indexers.corpora import Corpora
from indexers.settings import IndexSettings
from tests.integration.indexers import kill_child

ROOT = Path(__file__).parents[3]


class Place(NamedTuple):
    corpora: Path
    files: Path
    log: Path

    def start(self, kill_at: int = 0) -> subprocess.Popen[str]:
        command = [sys.executable, kill_child.__file__, self.corpora, self.files, self.log]
        return subprocess.Popen(
            [*map(str, command), str(kill_at)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
        )

    def run(self, kill_at: int = 0) -> tuple[int, list[str]]:
        with self.start(kill_at) as child:
            out, _ = child.communicate()
        return child.returncode, out.split()

    def at(self, corpora: str) -> Place:
        return Place(
            self.corpora.parent / corpora, self.files, self.corpora.parent / f"{corpora}.log"
        )


async def content(place: Place) -> Any:
    """All that a corpus holds: Moments, their vectors, and the engine's copy of both."""
    settings = IndexSettings(corpora_root=place.corpora)
    async with Corpora(settings).open("c") as corpus:
        moments = [m.model_dump(exclude={"ingested_us"}) for m in await corpus.moments()]
        vectors = {
            moment.moment_id: vector.tobytes()
            for version in corpus.docs.versions()
            for _, moment, vector in corpus.docs.vectors(version.vid, -1, 10_000)
        }
        assert corpus.docs.versions("read") == []
        assert corpus.docs.gone() == []
    shard = qe.EdgeShard.load(str(place.corpora / "c" / "vectors"))
    records, _ = shard.scroll(qe.ScrollRequest(None, 10_000, with_payload=True, with_vector=True))
    points = {str(record.id): (record.vector, record.payload) for record in records}
    shard.close()
    return moments, vectors, points


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    base = tmp_path_factory.mktemp("kill")
    place = Place(base / "undisturbed", base / "files", base / "undisturbed.log")
    place.files.mkdir()
    for name, lines in [("a.txt", 3), ("b.txt", 70), ("c.txt", 0), ("d.txt", 40)]:
        text = "".join(f"{i} the {name} says {i * 7}\n" for i in range(lines))
        (place.files / name).write_text(text)
    return place


@pytest.fixture(scope="module")
def pieces(place: Place) -> int:
    code, out = place.run()
    assert code == 0
    return int(out[-1])


async def test_killed_before_any_piece_of_work(place: Place, pieces: int) -> None:
    expected = await content(place)
    dice = random.Random(20)
    for kill_at in sorted(dice.sample(range(1, pieces + 1), 8)):
        hurt = place.at(f"k{kill_at}")
        code, done = hurt.run(kill_at)
        assert code == -signal.SIGKILL

        again, out = hurt.run()

        assert again == 0
        assert not set(done) & set(out[:-1]), "what was reported as done was done again"
        assert await content(hurt) == expected, f"killed before piece {kill_at}"
        read = Counter(hurt.log.read_text().split())
        # Only a file whose reading had not been kept yet is read twice.
        assert sum(read.values()) <= 5, read


async def test_killed_twice_and_at_any_time(place: Place, pieces: int) -> None:
    expected = await content(place)
    whole = place.at("timed")
    started = time.monotonic()
    assert whole.run()[0] == 0
    length_s = time.monotonic() - started
    dice = random.Random(21)
    for n in range(2):
        hurt = place.at(f"t{n}")
        for _ in range(2):
            with hurt.start() as child:
                try:
                    child.wait(dice.uniform(0.4, 1.0) * length_s)
                except subprocess.TimeoutExpired:
                    child.kill()
        assert hurt.run()[0] == 0
        assert await content(hurt) == expected


async def test_killed_while_a_source_is_replaced(place: Place, pieces: int) -> None:
    dice = random.Random(22)
    changed = Place(place.corpora, place.corpora.parent / "changed", place.log)
    changed.files.mkdir()
    (changed.files / "a.txt").write_text("all new\n")
    (changed.files / "b.txt").write_text("1 some of it new\n2 and short\n")
    # Files are known by their paths, so a corpus of its own is made over each state of a folder.
    for n, share in enumerate(dice.uniform(0, 1) for _ in range(3)):
        folder = place.corpora.parent / f"live{n}"
        folder.mkdir()
        hurt = Place(place.corpora.parent / f"r{n}", folder, place.corpora.parent / f"r{n}.log")
        clean = Place(place.corpora.parent / f"rc{n}", folder, place.log)
        for source in place.files.iterdir():
            (folder / source.name).write_bytes(source.read_bytes())
        assert hurt.run()[0] == 0
        for source in changed.files.iterdir():
            (folder / source.name).write_bytes(source.read_bytes())
        (folder / "d.txt").unlink()
        kill_at = 1 + int(share * pieces * 0.6)

        hurt.run(kill_at)
        assert hurt.run()[0] == 0
        assert clean.run()[0] == 0

        assert await content(hurt) == await content(clean), f"killed before piece {kill_at}"
