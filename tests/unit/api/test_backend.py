"""The operations in this process: what they raise, and that leaving early ends their work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from api.backend import LocalBackend
from api.schemas import Ask, Index, Indexed
from indexers.corpora import Corpora
from indexers.errors import CorpusBusy, UnknownCorpus
from model_host.errors import (
    InvalidInput,
    ModelMissing,
    StoreError,
    SutradharError,
    UnknownName,
    WorkerDied,
)
from tests.unit.api.backends import QUESTION, Models, answer, open_fake

Opened = tuple[LocalBackend, Models]


@pytest.fixture
async def opened(home: Path) -> AsyncIterator[Opened]:
    async with open_fake(home) as found:
        yield found


async def test_an_answer_cites_what_it_rests_on(opened: Opened) -> None:
    backend, _ = opened
    found, stages = await answer(backend)
    assert stages[:3] == ["listen", "decide", "recall"]
    assert not found.abstained
    (cited,) = found.citations
    moments = {m.moment_id: m for m in await (await backend.corpus("ward")).moments()}
    assert cited.quote in moments[cited.moment_id].text
    assert (cited.source, cited.start_s, cited.end_s) == ("minutes.txt", 1.0, 2.0)
    assert found.timings_s["total"] >= found.timings_s["retrieve"]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"corpus": "wrad"}, UnknownCorpus, "'ward'"),
        ({"corpus": "../ward"}, InvalidInput, "cannot name a corpus"),
        ({"language": "hindi"}, UnknownName, "'hi'"),
        ({"language": "xx"}, UnknownName, "Known"),
        ({"model": "smollm"}, UnknownName, "'smollm2-135m'"),
        ({"model": "whisper-base"}, InvalidInput, "smollm2-135m"),
        ({"voice": "jo"}, UnknownName, "'joe'"),
        ({"question": None, "audio": Path("/no/q.wav")}, InvalidInput, "no file"),
        ({"question": None, "audio": Path("/")}, InvalidInput, "folder"),
        ({"speak": Path("/")}, InvalidInput, "folder"),
        ({"speak": Path("/proc/version/a.wav")}, InvalidInput, "not a folder"),
    ],
)
async def test_what_is_wrong_is_said_before_a_model_loads(
    opened: Opened, asked: dict[str, Any], error: type[Exception], said: str
) -> None:
    backend, models = opened
    models.hold = "embed_text"
    with pytest.raises(error, match=said):
        await answer(backend, **asked)


@pytest.mark.parametrize("content", [b"", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"only words"])
async def test_a_question_that_is_no_recording(
    opened: Opened, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "q.wav"
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        await answer(opened[0], question=None, audio=path)


async def test_a_voice_brings_its_own_model(opened: Opened) -> None:
    backend, models = opened
    for card in (models.catalog.get("kokoro-82m"), models.catalog.get("piper-joe")):
        asked = Ask(question=QUESTION, corpus="ward", voice=card.voices[0].id)
        assert await backend.prepare(asked) == card.id


async def test_a_corpus_without_text_has_no_answer(opened: Opened, tmp_path: Path) -> None:
    backend, _ = opened
    (tmp_path / "empty.txt").write_text("\n")
    events = [e async for e in backend.index(Index(corpus="e", paths=(tmp_path / "empty.txt",)))]
    assert (events[-1].state, events[-1].moments) == ("done", 0)
    found, _ = await answer(backend, corpus="e")
    assert found.abstained
    assert found.citations == ()


@pytest.mark.parametrize(
    "error", [ModelMissing("no weights"), WorkerDied("died"), UnknownName("no model")]
)
async def test_without_the_chat_model_the_answer_is_a_quote(
    opened: Opened, error: SutradharError
) -> None:
    backend, models = opened
    models.chat_fails = [error] * 2
    found, _ = await answer(backend)
    assert "ninety thousand litres" in found.answer
    assert not found.abstained
    assert "chat" not in found.models


async def test_an_embedding_worker_may_die_once(opened: Opened) -> None:
    backend, models = opened
    models.fail = [WorkerDied("it died")]
    found, _ = await answer(backend, draft=False)
    assert "ninety thousand litres" in found.answer
    models.fail = [WorkerDied("it died")] * 2
    with pytest.raises(WorkerDied):
        await answer(backend, draft=False)


@pytest.mark.parametrize("task", ["embed_text", "chat"])
async def test_leaving_a_question_cancels_its_model_call(opened: Opened, task: str) -> None:
    backend, models = opened
    models.hold = task
    events = backend.ask(Ask(question=QUESTION, corpus="ward"))
    async for event in events:
        if (
            event.type == "stage"
            and event.name == {"embed_text": "retrieve", "chat": "draft"}[task]
        ):
            break
    await models.held.wait()
    assert not models.cancelled.is_set()
    await events.aclose()
    assert models.cancelled.is_set()


async def test_cancelling_a_question_cancels_its_model_call(opened: Opened) -> None:
    backend, models = opened
    models.hold = "embed_text"
    asking = asyncio.create_task(answer(backend))
    await models.held.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert models.cancelled.is_set()


async def test_leaving_an_index_run_cancels_its_model_call(opened: Opened, tmp_path: Path) -> None:
    backend, models = opened
    (tmp_path / "a.txt").write_text("Some words.")
    models.hold = "embed_text"

    async def index() -> list[Indexed]:
        request = Index(corpus="ward", paths=(tmp_path / "a.txt",))
        async with aclosing(backend.index(request)) as events:
            return [event async for event in events]

    indexing = asyncio.create_task(index())
    await models.held.wait()
    with pytest.raises(CorpusBusy, match="index"):
        await index()
    with pytest.raises(CorpusBusy, match="in use"):
        await backend.remove("ward")
    indexing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await indexing
    assert models.cancelled.is_set()

    models.hold = ""
    assert (await index())[-1].state == "done"
    await backend.remove("ward")
    with pytest.raises(UnknownCorpus):
        await backend.sources("ward")


async def test_a_conversation_goes_on_after_a_restart(home: Path) -> None:
    async with open_fake(home) as (backend, _):
        await answer(backend, thread="t", draft=False)
    async with open_fake(home) as (backend, models):
        new, _ = await answer(backend, question="And its colour?", thread="new")
        assert not any("tank" in query for query in models.queries)
        again, _ = await answer(backend, question="And its colour?", thread="t")
        assert any("tank" in query for query in models.queries)
    assert (new.thread, again.thread) == ("new", "t")


async def test_turns_of_one_conversation_wait_for_each_other(opened: Opened) -> None:
    backend, models = opened
    models.hold = "embed_text"
    first = asyncio.create_task(answer(backend, thread="t"))
    await models.held.wait()
    models.hold = ""
    second = asyncio.create_task(answer(backend, thread="t", draft=False))
    other, _ = await answer(backend, thread="u", draft=False)
    assert not other.abstained
    assert not second.done()
    first.cancel()
    assert not (await second)[0].abstained
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_damaged_conversations_are_a_clean_error(opened: Opened, home: Path) -> None:
    (home / "conversations.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"conversations\.sqlite"):
        await answer(opened[0], thread="t")
    assert not (await answer(opened[0]))[0].abstained


async def test_one_corpus_by_either_spelling(opened: Opened) -> None:
    backend, _ = opened
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    corpus = await backend.corpus(composed, create=True)
    assert await backend.corpus(decomposed) is corpus
    await backend.remove(decomposed)


async def test_closing_lets_go_of_every_corpus(home: Path) -> None:
    async with open_fake(home) as (backend, _):
        await backend.corpus("other", create=True)
        settings = backend.settings.index
        with pytest.raises(CorpusBusy, match="process"):
            async with Corpora(settings).open("other"):
                pass
    for name in ("ward", "other"):
        async with Corpora(settings).open(name):
            pass
