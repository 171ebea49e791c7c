"""A reading that was killed goes on: what the models said of a file is not asked again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.docstore import Docstore, Version
from indexers.remember import Remembering
from model_host.errors import WorkerDied
from model_host.tasks import DetectSpeech, Transcribe
from tests.unit.indexers.readers.scripted import Scripted, spoken


class Client(Scripted):
    """Its calls have a result to read, as a real client's."""

    @asynccontextmanager
    async def open(self, request: Any, **options: Any) -> Any:
        reply = await self.run(request)

        class Call:
            result = reply.result
            events = iter(reply.events)

            def __aiter__(self) -> Any:
                return self

            async def __anext__(self) -> Any:
                for event in self.events:
                    return event
                raise StopAsyncIteration

        yield Call()


@pytest.fixture
def docs(tmp_path: Path) -> Any:
    store = Docstore(tmp_path / "c.sqlite", "c")
    yield store
    store.close()


def sound(level: float = 0.1) -> Transcribe:
    return Transcribe(audio=np.full(16000, level, np.float32))


async def test_the_same_call_is_asked_once(docs: Docstore) -> None:
    model: Any = Client(hear=lambda _: [spoken("We agreed on it.", 0, 1)], speech=[(0, 1)])
    first = await Remembering(model, docs, "f").run(sound())
    again = await Remembering(model, docs, "f").run(sound())
    assert again.events == first.events
    assert again.result == first.result
    assert model.count(Transcribe) == 1
    spans = await Remembering(model, docs, "f").run(DetectSpeech(audio=sound().audio))
    assert await Remembering(model, docs, "f").run(DetectSpeech(audio=sound().audio)) == spans
    assert model.count(DetectSpeech) == 1


async def test_other_sound_and_other_files_are_asked(docs: Docstore) -> None:
    model: Any = Client()
    await Remembering(model, docs, "f").run(sound())
    await Remembering(model, docs, "f").run(sound(0.2))
    await Remembering(model, docs, "g").run(sound())
    assert model.count(Transcribe) == 3


async def test_a_call_that_failed_or_was_left_is_asked_again(docs: Docstore) -> None:
    model: Any = Client(hear=WorkerDied("died"))
    with pytest.raises(WorkerDied):
        await Remembering(model, docs, "f").run(sound())
    model.hear = lambda _: [spoken("One two.", 0, 1), spoken("Three.", 1, 2)]
    async with Remembering(model, docs, "f").open(sound()) as call:
        await call.__anext__()
    reply = await Remembering(model, docs, "f").run(sound())
    assert len(reply.events) == 2
    assert model.count(Transcribe) == 3


async def test_what_was_kept_goes_when_the_reading_is_staged(docs: Docstore) -> None:
    model: Any = Client()
    for content in ("f", "g"):
        await Remembering(model, docs, content).run(sound())
    docs.stage(Version(0, "a", "f", "r", None, b"/a", 1, "read", 0), [])
    await Remembering(model, docs, "g").run(sound())
    assert model.count(Transcribe) == 2
    await Remembering(model, docs, "f").run(sound())
    assert model.count(Transcribe) == 3
