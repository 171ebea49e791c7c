from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from indexers.corpora import Corpora, Corpus, Query
from indexers.errors import CorpusBusy, UnknownCorpus
from indexers.ingest import IngestEvent, ingest
from indexers.settings import IndexSettings
from model_host.errors import DiskFull, InvalidInput, StoreError, UnknownName
from tests.unit.indexers.fakes import FakeClient, LineReader

TALK = "1 the budget was agreed\n2 the roof leaks\n3 the school opens on monday\n"
ROOT = str(Path(__file__).parents[3])
NOTES = "नारी शक्ति योजना\nthe roof costs 2,500 rupees\n"


@pytest.fixture(params=["edge", "local"])
def corpora(tmp_path: Path, request: pytest.FixtureRequest) -> Corpora:
    return Corpora(IndexSettings(corpora_root=tmp_path / "corpora", backend=request.param))


@pytest.fixture
def edge(tmp_path: Path) -> Corpora:
    return Corpora(IndexSettings(corpora_root=tmp_path / "corpora"))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "talk.txt").write_text(TALK)
    (folder / "notes.txt").write_text(NOTES)
    return folder


async def index(
    corpus: Corpus, paths: Sequence[Path], client: Any = None, **more: Any
) -> list[IngestEvent]:
    more.setdefault("reader", LineReader())
    asked: Any = client or FakeClient()
    async with aclosing(ingest(corpus, paths, asked, **more)) as events:
        return [event async for event in events]


def client() -> Any:
    return FakeClient()


# -- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-x", ".x", "a\n", "a\0", "x" * 101])
async def test_names_that_cannot_be(edge: Corpora, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot name"):
        async with edge.open(name, create=True):
            pass
    assert edge.list() == []


async def test_an_unknown_corpus_suggests_the_nearest(edge: Corpora) -> None:
    async with edge.open("ward-meeting", create=True):
        pass
    with pytest.raises(UnknownCorpus, match="ward-meeting"):
        async with edge.open("ward-meting"):
            pass
    with pytest.raises(UnknownCorpus):
        await edge.remove("other")


async def test_the_first_corpus_ever(edge: Corpora) -> None:
    with pytest.raises(UnknownCorpus, match="sutradhar index"):
        async with edge.open("any"):
            pass


@pytest.mark.parametrize("body", ["", "{", "[]", '{"schema_version": 1}'])
async def test_a_damaged_manifest_is_a_clear_error(edge: Corpora, body: str) -> None:
    async with edge.open("c", create=True):
        pass
    (edge.settings.corpora_root / "c" / "corpus.json").write_text(body)

    with pytest.raises(StoreError, match=r"corpus\.json"):
        async with edge.open("c"):
            pass
    assert "cannot be read" in (edge.list()[0].error or "")
    await edge.remove("c")
    assert edge.list() == []


async def test_a_newer_schema_is_refused(edge: Corpora) -> None:
    async with edge.open("c", create=True):
        pass
    path = edge.settings.corpora_root / "c" / "corpus.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))

    with pytest.raises(StoreError, match="schema 99"):
        async with edge.open("c"):
            pass


async def test_a_damaged_docstore_is_a_clear_error(edge: Corpora) -> None:
    async with edge.open("c", create=True):
        pass
    (edge.settings.corpora_root / "c" / "moments.sqlite").write_bytes(b"no database" * 999)

    with pytest.raises(StoreError, match="SQLite"):
        async with edge.open("c"):
            pass
    assert edge.list()[0].error


async def test_an_empty_question_and_an_unknown_source(edge: Corpora, files: Path) -> None:
    async with edge.open("c", create=True) as corpus:
        assert await corpus.search(Query(text="anything"), client()) == []
        await index(corpus, [files])
        with pytest.raises(InvalidInput, match="empty"):
            await corpus.search(Query(text=" \n"), client())
        with pytest.raises(UnknownName, match=r"talk\.txt"):
            await corpus.search(Query(text="x", sources=("tlak.txt",)), client())
        with pytest.raises(UnknownName):
            await corpus.moments("nothing")
        with pytest.raises(UnknownName):
            await corpus.remove_source("nothing")


async def test_another_embedding_model_is_refused(edge: Corpora, files: Path) -> None:
    async with edge.open("c", create=True) as corpus:
        await index(corpus, [files / "talk.txt"])
        other: Any = FakeClient("other-card")
        events = await index(corpus, [files / "notes.txt"], other)

        assert events[-1].state == "failed"
        assert isinstance(events[-1].error, StoreError)
        assert other.models[0] == "fake-embed"  # what was asked for


# -- reading --------------------------------------------------------------------------------


async def test_search_sources_moments_and_neighbours(corpora: Corpora, files: Path) -> None:
    async with corpora.open("c", create=True) as corpus:
        await index(corpus, [files])

        hits = await corpus.search(Query(text="when was the budget agreed"), client())
        assert hits[0].moment.text == "the budget was agreed"
        assert hits[0].moment.start_s == 1.0
        assert hits[0].dense > 0.5
        assert hits[0].lexical > 0

        only = Query(text="roof", sources=("notes.txt",), modalities=("text",))
        assert {h.moment.source for h in await corpus.search(only, client())} == {"notes.txt"}
        during = Query(text="roof", start_us=2_500_000, end_us=3_000_000)
        assert [h.moment.text for h in await corpus.search(during, client())] == ["the roof leaks"]
        assert len(await corpus.search(Query(text="roof", k=1), client())) == 1

        assert [s.name for s in await corpus.sources()] == ["notes.txt", "talk.txt"]
        talked = (await corpus.sources())[1]
        assert talked.moments == {"speech": 3}
        assert hits[0].moment.ingested_us == talked.ingested_us > 0
        assert [m.text for m in await corpus.moments()] == [*NOTES.splitlines(), *talk()]
        middle = (await corpus.moments("talk.txt"))[1]
        assert [m.ordinal for m in await corpus.neighbours(middle)] == [0, 2]
        assert [m.ordinal for m in await corpus.neighbours(middle, 0, 5)] == [2]


def talk() -> list[str]:
    return [line.partition(" ")[2] for line in TALK.splitlines()]


async def test_what_was_indexed_is_there_after_opening_again(corpora: Corpora, files: Path) -> None:
    async with corpora.open("वार्ड-बैठक", create=True) as corpus:
        await index(corpus, [files])
        before = await corpus.moments()
        found = await corpus.search(Query(text="शक्ति"), client())
    async with corpora.open("वार्ड-बैठक") as corpus:
        assert await corpus.moments() == before
        again = await corpus.search(Query(text="शक्ति"), client())
        assert again[0].moment == found[0].moment
    assert [(c.name, c.sources, c.moments, c.error) for c in corpora.list()] == [
        ("वार्ड-बैठक", 2, 5, None)
    ]
    assert corpora.list()[0].bytes > 0


async def test_removing_a_source_and_a_corpus(corpora: Corpora, files: Path) -> None:
    async with corpora.open("c", create=True) as corpus:
        await index(corpus, [files])
        await corpus.remove_source("talk.txt")

        assert [s.name for s in await corpus.sources()] == ["notes.txt"]
        hits = await corpus.search(Query(text="the budget was agreed"), client())
        assert {h.moment.source for h in hits} == {"notes.txt"}
    await corpora.remove("c")
    assert corpora.list() == []
    assert not [f for f in corpora.settings.corpora_root.iterdir() if f.name != ".locks"]


async def test_a_source_that_goes_comes_back_and_goes(edge: Corpora, files: Path) -> None:
    async with edge.open("c", create=True) as corpus:
        await index(corpus, [files / "notes.txt"])
        for _ in range(2):
            await index(corpus, [files / "talk.txt"])
            hits = await corpus.search(Query(text="the budget was agreed"), client())
            assert hits[0].moment.source == "talk.txt"
            await corpus.remove_source("talk.txt")
            hits = await corpus.search(Query(text="the budget was agreed", k=2), client())
            assert [h.moment.source for h in hits] == ["notes.txt", "notes.txt"]


@pytest.mark.parametrize("damage", ["missing", "garbage", "emptied", "cut"])
async def test_a_lost_engine_is_filled_again(edge: Corpora, files: Path, damage: str) -> None:
    async with edge.open("c", create=True) as corpus:
        await index(corpus, [files])
    vectors = edge.settings.corpora_root / "c" / "vectors"
    if damage == "missing":
        shutil.rmtree(vectors)
    elif damage == "garbage":
        (vectors / "edge_config.json").write_text("{")
    elif damage == "emptied":
        shutil.rmtree(vectors / "segments")
    else:
        for path in vectors.rglob("segment.json"):
            path.write_bytes(path.read_bytes()[:10])

    async with edge.open("c") as corpus:
        hits = await corpus.search(Query(text="the roof leaks"), client())
        assert hits[0].moment.text == "the roof leaks"
        assert len(hits) == 5


async def test_a_full_disk_does_not_keep_a_corpus_from_answering(
    edge: Corpora, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edge.open("c", create=True) as corpus:
        await index(corpus, [files / "notes.txt"])
        monkeypatch.setattr(
            "indexers.vectors.edge.shutil.disk_usage", lambda _: type("Usage", (), {"free": 0})
        )
        with pytest.raises(DiskFull):
            await index(corpus, [files / "talk.txt"])
    async with edge.open("c") as corpus:
        hits = await corpus.search(Query(text="roof"), client())
        assert hits[0].moment.source == "notes.txt"
    monkeypatch.undo()
    async with edge.open("c") as corpus:  # what was staged and published needs no model
        hits = await corpus.search(Query(text="the budget was agreed"), client())
        assert hits[0].moment.source == "talk.txt"


# -- one owner --------------------------------------------------------------------------------

HOLDER = """
import asyncio, sys
from pathlib import Path
from indexers.corpora import Corpora
from indexers.settings import IndexSettings

async def main():
    async with Corpora(IndexSettings(corpora_root=Path(sys.argv[1]))).open("c", create=True):
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_a_second_owner_is_told_who_the_first_is(edge: Corpora, tmp_path: Path) -> None:
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    command = [sys.executable, str(script), str(edge.settings.corpora_root)]
    with subprocess.Popen(  # noqa: ASYNC220
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": ROOT}
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"

        started = time.monotonic()
        with pytest.raises(CorpusBusy) as busy:
            async with edge.open("c"):
                pass
        assert time.monotonic() - started < 2
        assert busy.value.detail["pid"] == holder.pid
        assert "holder.py" in str(busy.value)
        assert str(holder.pid) in str(busy.value)
        assert "sutradhar serve" in str(busy.value)
        with pytest.raises(CorpusBusy):
            await edge.remove("c")
        assert [c.name for c in edge.list()] == ["c"]  # the list needs no lock

        holder.kill()
    async with edge.open("c"):  # the lock went with the process
        pass


async def test_a_second_owner_in_this_process(edge: Corpora) -> None:
    async with edge.open("c", create=True):
        with pytest.raises(CorpusBusy):
            async with edge.open("c"):
                pass
    async with edge.open("c"):
        pass


async def test_a_short_owner_is_waited_for(edge: Corpora) -> None:
    async with edge.open("c", create=True):
        pass
    opened, closing = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with edge.open("c"):
            opened.set()
            await closing.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())
        await opened.wait()
        asyncio.get_running_loop().call_later(0.1, closing.set)
        async with edge.open("c"):
            assert closing.is_set()


async def test_a_cancelled_owner_lets_go(edge: Corpora) -> None:
    opened = asyncio.Event()

    async def hold() -> None:
        async with edge.open("c", create=True):
            opened.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await opened.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with edge.open("c"):
        pass
