from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from indexers.corpora import Corpora, Corpus, Query
from indexers.errors import DuplicateSource, UnsupportedFile
from indexers.ingest import EMBED_BATCH, IngestEvent, Pace, ingest
from indexers.readers.draft import Draft, Item
from indexers.settings import IndexSettings
from model_host.errors import DiskFull, InvalidInput, ModelMissing, UnreadableMedia, WorkerDied
from tests.unit.indexers.fakes import FakeClient, LineReader


@pytest.fixture
async def corpus(tmp_path: Path) -> AsyncIterator[Corpus]:
    corpora = Corpora(IndexSettings(corpora_root=tmp_path / "corpora"))
    async with corpora.open("c", create=True) as corpus:
        yield corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("1 one apple\n2 two pears\n")
    (folder / "b.txt").write_text("three plums\n")
    return folder


async def index(
    corpus: Corpus, paths: Sequence[Path], client: Any = None, **more: Any
) -> list[IngestEvent]:
    more.setdefault("reader", LineReader())
    asked: Any = client or FakeClient()
    async with aclosing(ingest(corpus, paths, asked, **more)) as events:
        return [event async for event in events]


def ends(events: Sequence[IngestEvent]) -> list[tuple[str, str]]:
    return [(e.source, e.state) for e in events if e.state not in ("reading", "embedding")]


async def texts(corpus: Corpus) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for moment in await corpus.moments():
        found.setdefault(moment.source, []).append(moment.text)
    return found


# -- bad input ------------------------------------------------------------------------------


async def test_one_bad_file_does_not_stop_the_others(corpus: Corpus, folder: Path) -> None:
    (folder / "a1.txt").write_text("fine\nBROKEN\n")
    (folder / "a2.txt").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "a3.txt")
    (folder / "a4.bin").write_text("x")
    (folder / ".hidden.txt").write_text("x")

    events = await index(corpus, [folder, folder / "gone.txt", Path("/dev/null")])

    assert sorted(ends(events)) == [
        ("a.txt", "done"), ("a1.txt", "failed"), ("a2.txt", "skipped"), ("a3.txt", "skipped"),
        ("a4.bin", "skipped"), ("b.txt", "done"), ("gone.txt", "failed"), ("null", "failed"),
    ]  # fmt: skip
    errors = {e.source: e.error for e in events if e.state == "failed"}
    assert isinstance(errors["a1.txt"], UnreadableMedia)
    assert isinstance(errors["gone.txt"], InvalidInput)
    assert list(await texts(corpus)) == ["a.txt", "b.txt"]  # nothing of the broken one


async def test_a_file_without_a_reader_fails_when_it_is_named(corpus: Corpus, folder: Path) -> None:
    from indexers import readers

    (folder / "x.bin").write_bytes(b"\x00\x01\x02\x03" * 100)
    events = await index(corpus, [folder / "x.bin"], reader=readers)
    assert isinstance(events[-1].error, UnsupportedFile)


async def test_a_name_needs_one_file(corpus: Corpus, folder: Path) -> None:
    for paths, name in [([folder], "n"), ([folder / "a.txt", folder / "b.txt"], "n"), ([], "n"),
                        ([folder / "a.txt"], " ")]:  # fmt: skip
        with pytest.raises(InvalidInput, match="one file"):
            await index(corpus, paths, name=name)


async def test_a_link_that_leads_back_ends(corpus: Corpus, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "sub" / "c.txt").write_text("four figs\n")

    assert ends(await index(corpus, [folder])) == [
        ("a.txt", "done"), ("b.txt", "done"), ("c.txt", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["with space.txt", "नारी शक्ति.txt", "new\nline.txt", "a'b\"c%.txt"]
)
async def test_odd_file_names(corpus: Corpus, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("kiwi\n")

    assert ends(await index(corpus, [tmp_path / name])) == [(name, "done")]
    assert ends(await index(corpus, [tmp_path / name])) == [(name, "unchanged")]
    query: Any = Query(text="kiwi", sources=(name,))
    client: Any = FakeClient()
    assert [h.moment.source for h in await corpus.search(query, client)] == [name]


async def test_a_file_name_that_is_no_text(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"bad\xff.txt")
    path.write_text("kiwi\n")

    assert ends(await index(corpus, [path])) == [("bad\ufffd.txt", "done")]
    assert ends(await index(corpus, [path])) == [("bad\ufffd.txt", "unchanged")]


async def test_a_file_that_changes_while_it_is_read(corpus: Corpus, folder: Path) -> None:
    class Slow(LineReader):
        async def read_source(
            self, path: Path, *args: Any, **more: Any
        ) -> AsyncGenerator[Item, None]:
            async for item in super().read_source(path, *args, **more):
                path.write_text("something else")  # noqa: ASYNC240
                yield item

    events = await index(corpus, [folder / "a.txt"], reader=Slow())

    assert "changed while" in str(events[-1].error)
    assert await texts(corpus) == {}


async def test_a_missing_model_fails_the_source_and_keeps_what_was_read(
    corpus: Corpus, folder: Path
) -> None:
    client, reader = FakeClient(), LineReader()
    client.fail = [ModelMissing("no weights")]

    events = await index(corpus, [folder / "a.txt"], client, reader=reader)
    assert isinstance(events[-1].error, ModelMissing)

    assert ends(await index(corpus, [folder / "a.txt"], client, reader=reader)) == [
        ("a.txt", "done")
    ]
    assert reader.reads == {"a.txt": 1}


async def test_a_dead_worker_is_asked_once_more(corpus: Corpus, folder: Path) -> None:
    client = FakeClient()
    client.fail = [WorkerDied("gone")]
    assert ends(await index(corpus, [folder / "a.txt"], client)) == [("a.txt", "done")]

    client.fail = [WorkerDied("gone"), WorkerDied("gone")]
    assert ends(await index(corpus, [folder / "b.txt"], client)) == [("b.txt", "failed")]


async def test_no_space_left_stops_the_run_and_loses_nothing(corpus: Corpus, folder: Path) -> None:
    await index(corpus, [folder / "a.txt"])
    (folder / "b.txt").write_text("".join(f"line number {i} of many\n" for i in range(3000)))
    db = corpus.docs._db  # SQLite's own limit fails exactly as a full disk does
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 2}")
    seen: list[IngestEvent] = []

    async def run() -> None:
        client: Any = FakeClient()
        async with aclosing(ingest(corpus, [folder], client, reader=LineReader())) as events:
            async for event in events:
                seen.append(event)

    with pytest.raises(DiskFull, match="No space"):
        await run()

    assert ends(seen) == [("a.txt", "unchanged"), ("b.txt", "failed")]
    assert list(await texts(corpus)) == ["a.txt"]
    db.execute("PRAGMA max_page_count = 1073741823")
    assert ends(await index(corpus, [folder]))[-1] == ("b.txt", "done")
    assert len((await texts(corpus))["b.txt"]) == 3000


# -- idempotent -------------------------------------------------------------------------------


async def test_a_second_run_asks_no_model(corpus: Corpus, folder: Path) -> None:
    client, reader = FakeClient(), LineReader()
    first = await index(corpus, [folder], client, reader=reader)
    before, asked = await corpus.moments(), sum(client.texts.values())

    again = await index(corpus, [folder], client, reader=reader)

    assert ends(first) == [("a.txt", "done"), ("b.txt", "done")]
    assert ends(again) == [("a.txt", "unchanged"), ("b.txt", "unchanged")]
    assert sum(client.texts.values()) == asked == 3
    assert reader.reads == {"a.txt": 1, "b.txt": 1}
    assert await corpus.moments() == before


async def test_changed_content_takes_the_place_of_the_old(corpus: Corpus, folder: Path) -> None:
    await index(corpus, [folder])
    (folder / "a.txt").write_text("five cherries\n")

    assert ends(await index(corpus, [folder])) == [("a.txt", "done"), ("b.txt", "unchanged")]
    assert await texts(corpus) == {"a.txt": ["five cherries"], "b.txt": ["three plums"]}
    client: Any = FakeClient()
    hits = await corpus.search(Query(text="one apple two pears"), client)
    assert sorted(h.moment.text for h in hits) == ["five cherries", "three plums"]


async def test_the_old_answers_until_the_new_is_complete(corpus: Corpus, folder: Path) -> None:
    client = FakeClient()
    await index(corpus, [folder], client)
    (folder / "a.txt").write_text("five cherries\n")
    client.fail = [ModelMissing("no weights")]

    await index(corpus, [folder], client)

    assert (await texts(corpus))["a.txt"] == ["one apple", "two pears"]


async def test_a_language_given_later_reads_again(corpus: Corpus, folder: Path) -> None:
    reader = LineReader()
    await index(corpus, [folder / "a.txt"], reader=reader)
    await index(corpus, [folder / "a.txt"], reader=reader, language="hi")
    await index(corpus, [folder / "a.txt"], reader=reader)  # no opinion: as it is

    assert reader.languages == [None, "hi"]
    assert {m.language for m in await corpus.moments()} == {"hi"}
    assert (await corpus.sources())[0].language == "hi"


async def test_a_renamed_file_is_not_read_again(corpus: Corpus, folder: Path) -> None:
    reader = LineReader()
    await index(corpus, [folder], reader=reader)
    ids = [m.moment_id for m in await corpus.moments("a.txt")]
    (folder / "a.txt").rename(folder / "z.txt")

    events = await index(corpus, [folder], reader=reader)

    assert ends(events) == [("b.txt", "unchanged"), ("a.txt", "removed"), ("z.txt", "unchanged")]
    assert reader.reads == {"a.txt": 1, "b.txt": 1}
    assert [m.moment_id for m in await corpus.moments("z.txt")] == ids
    client: Any = FakeClient()
    hits = await corpus.search(Query(text="apple", sources=("z.txt",)), client)
    assert hits[0].moment.source == "z.txt"


async def test_two_files_that_change_places(corpus: Corpus, folder: Path) -> None:
    await index(corpus, [folder])
    (folder / "a.txt").rename(folder / "x")
    (folder / "b.txt").rename(folder / "a.txt")
    (folder / "x").rename(folder / "b.txt")

    await index(corpus, [folder])

    assert await texts(corpus) == {"a.txt": ["three plums"], "b.txt": ["one apple", "two pears"]}
    client: Any = FakeClient()
    assert len(await corpus.search(Query(text="plums"), client)) == 3


async def test_a_copy_is_one_source(corpus: Corpus, folder: Path) -> None:
    (folder / "copy.txt").write_bytes((folder / "a.txt").read_bytes())

    events = await index(corpus, [folder])

    assert ends(events)[-1] == ("copy.txt", "unchanged")
    assert events[-1].note == "the same content as 'a.txt'"
    (folder / "a.txt").unlink()
    await index(corpus, [folder])
    assert list(await texts(corpus)) == ["b.txt", "copy.txt"]


async def test_what_left_the_folder_leaves_the_corpus(corpus: Corpus, folder: Path) -> None:
    other = folder.parent / "other.txt"
    other.write_text("nine limes\n")
    await index(corpus, [folder, other])
    (folder / "a.txt").unlink()
    other.unlink()

    assert ends(await index(corpus, [folder / "b.txt"])) == [("b.txt", "unchanged")]
    assert ends(await index(corpus, [folder])) == [("b.txt", "unchanged"), ("a.txt", "removed")]
    assert list(await texts(corpus)) == ["b.txt", "other.txt"]  # not in the folder: it stays


async def test_two_files_of_one_name(corpus: Corpus, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("other words\n")

    events = await index(corpus, [folder])
    assert ends(events) == [("a.txt", "done"), ("b.txt", "done"), ("a.txt", "failed")]
    assert isinstance(events[-1].error, DuplicateSource)
    assert "--as NAME" in str(events[-1].error)

    named = await index(corpus, [folder / "sub" / "a.txt"], name="minutes")
    assert ends(named) == [("minutes", "done")]
    (folder / "sub" / "a.txt").write_text("changed words\n")
    await index(corpus, [folder])  # the name stays with its file
    assert (await texts(corpus))["minutes"] == ["changed words"]
    assert (await texts(corpus))["a.txt"] == ["one apple", "two pears"]


async def test_a_moved_folder_brings_its_names_along(corpus: Corpus, folder: Path) -> None:
    reader = LineReader()
    await index(corpus, [folder], reader=reader)
    moved = folder.rename(folder.parent / "moved")  # noqa: ASYNC240

    await index(corpus, [moved], reader=reader)
    (moved / "a.txt").write_text("now changed\n")
    events = await index(corpus, [moved], reader=reader)

    assert ends(events) == [("a.txt", "done"), ("b.txt", "unchanged")]
    assert reader.reads == {"a.txt": 2, "b.txt": 1}


async def test_an_empty_source_is_done_and_stays_so(corpus: Corpus, folder: Path) -> None:
    (folder / "a.txt").write_text("")
    events = await index(corpus, [folder / "a.txt"])
    assert ends(events) == [("a.txt", "done")]
    assert events[-1].note == "nothing was found in it"
    assert ends(await index(corpus, [folder / "a.txt"])) == [("a.txt", "unchanged")]


async def test_a_moment_without_text_is_kept_but_not_embedded(corpus: Corpus, folder: Path) -> None:
    class Scenes(LineReader):
        async def read_source(self, *args: Any, **more: Any) -> AsyncGenerator[Item, None]:
            yield Draft(modality="scene", text="", start_us=0, end_us=5)
            yield Draft(modality="screen-text", text="Budget", section="Slide 3")

    client = FakeClient()
    await index(corpus, [folder / "a.txt"], client, reader=Scenes())

    assert client.texts == {"Slide 3. Budget": 1}
    assert [m.text for m in await corpus.moments()] == ["Budget", ""]
    asked: Any = client
    assert [h.moment.text for h in await corpus.search(Query(text="budget"), asked)] == ["Budget"]


# -- progress, cancelling, searching meanwhile ---------------------------------------------------


async def test_progress_says_what_is_done_and_what_is_left(corpus: Corpus, folder: Path) -> None:
    (folder / "a.txt").write_text("".join(f"line {i}\n" for i in range(EMBED_BATCH + 1)))

    events = [e for e in await index(corpus, [folder / "a.txt"]) if e.path]

    reading = [e for e in events if e.state == "reading"]
    embedding = [e for e in events if e.state == "embedding"]
    assert (reading[-1].done, reading[-1].total, reading[-1].unit) == (33, 33, "lines")
    assert [(e.done, e.total, e.unit) for e in embedding] == [
        (32, 33, "moments"),
        (33, 33, "moments"),
    ]
    assert reading[0].eta_s is None
    assert embedding[-1].eta_s == pytest.approx(0)
    assert events[-1].moments == 33


def test_the_pace_of_a_run() -> None:
    now = 100.0
    pace = Pace(1000, lambda: now)
    assert pace.eta_s(200, 0.0) is None
    now = 110.0
    assert pace.eta_s(200, 0.5) == pytest.approx(90)  # 100 bytes in 10 s, 900 to go
    now = 120.0
    pace.close(200, worked=True)
    pace.close(400, worked=False)  # unchanged: it says nothing about the speed
    assert pace.eta_s(400, 0.0) == pytest.approx(40)
    assert pace.eta_s(400, 7.0) == pytest.approx(0)


async def test_a_cancelled_run_can_be_taken_up_again(corpus: Corpus, folder: Path) -> None:
    reader, reached = LineReader(), asyncio.Event()

    class Stuck(FakeClient):
        async def run(self, *args: Any, **more: Any) -> Any:
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(index(corpus, [folder], Stuck(), reader=reader))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await texts(corpus) == {}
    await index(corpus, [folder], reader=reader)
    assert await texts(corpus) == {"a.txt": ["one apple", "two pears"], "b.txt": ["three plums"]}
    assert reader.reads["a.txt"] == 1


async def test_searching_while_indexing(corpus: Corpus, folder: Path) -> None:
    for i in range(20):
        (folder / f"c{i}.txt").write_text("".join(f"{j} fig {i} {j}\n" for j in range(40)))
    await index(corpus, [folder / "b.txt"])
    client: Any = FakeClient()
    answers = 0

    async def ask() -> None:
        nonlocal answers
        while True:
            hits = await corpus.search(Query(text="three plums"), client)
            assert hits[0].moment.text == "three plums"
            answers += 1

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    events = await index(corpus, [folder], client)
    for task in asking:
        task.cancel()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)

    assert all(isinstance(o, asyncio.CancelledError) for o in outcomes), outcomes
    assert answers > 0
    assert [s for _, s in ends(events)].count("done") == 21
    assert len(await corpus.search(Query(text="fig", k=1000), client)) > 20
