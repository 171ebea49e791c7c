"""A backend over fake models: real corpora, real graphs, no process beside this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from api.backend import LocalBackend
from api.schemas import Answer, Ask, Stage
from api.settings import Settings, load_settings
from graphs.services import Services, provide
from indexers.corpora import Corpora
from indexers.ingest import ingest
from model_host.catalog.load import load_catalog, load_profile
from model_host.errors import SutradharError, UnknownName
from model_host.tasks import Chat, Chatted, Embedded
from tests.unit.indexers.fakes import FakeClient, LineReader, Reply


class Models(FakeClient):
    """Answers EmbedText and Chat. `chat_fails` is raised by the next chats; with `hold` set, a call
    for that task waits until it is cancelled, which `cancelled` tells."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("e5-small")
        self.catalog = load_catalog(settings.host)
        self.profile = load_profile(settings.host, self.catalog)
        self.chat_fails: list[SutradharError] = []
        self.queries: list[str] = []
        self.hold = ""
        self.held = asyncio.Event()
        self.cancelled = asyncio.Event()

    def speaks(self, task: str, language: str | None, *, model: str | None = None) -> bool:
        return True

    async def run(self, request: Any, *, model: str | None = None, latency: str = "") -> Any:
        if request.task == self.hold:
            self.held.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if isinstance(request, Chat):
            if self.chat_fails:
                raise self.chat_fails.pop(0)
            said = request.messages[-1].content.partition("- ")[2].partition("\n")[0]
            text = Chatted(text=said, finish_reason="stop", prompt_tokens=1, completion_tokens=1)
            return Reply(text, model or "smollm2-135m")  # type: ignore[arg-type]
        if request.kind == "query":
            self.queries.extend(request.texts)
        reply = await super().run(request, model=model, latency=latency)
        # Cosines as the real model has them: from 0.75 (nothing in common) to 1.
        alike = np.full((len(reply.result.vectors), 1), np.sqrt(0.75), np.float32)
        vectors = np.hstack([alike, 0.5 * reply.result.vectors])
        return Reply(Embedded(vectors=vectors), self.card_id)


@asynccontextmanager
async def open_fake(home: Path) -> AsyncIterator[tuple[LocalBackend, Models]]:
    """A backend with the corpus `ward`."""
    settings = load_settings({"home": home, "models": home / "models"})
    models = Models(settings)
    corpora = Corpora(settings.index)
    backend = LocalBackend(settings, models, corpora, set())  # type: ignore[arg-type]
    minutes = home / "minutes.txt"
    minutes.write_text("1.0 The new water tank holds ninety thousand litres.\n5.0 Good morning.\n")
    async with aclosing(
        ingest(
            await backend.corpus("ward", create=True),
            [minutes],
            models,  # type: ignore[arg-type]
            reader=LineReader(),
        )
    ) as events:
        assert [event.state async for event in events][-1] in ("done", "unchanged")
    with provide(Services(models, backend.corpus)):  # type: ignore[arg-type]
        try:
            yield backend, models
        finally:
            await backend.aclose()


QUESTION = "How many litres does the new water tank hold?"


async def answer(backend: Any, **asked: Any) -> tuple[Answer, list[str]]:
    """The answer to `QUESTION` (or what is asked), and the stages before it."""
    given = {"question": QUESTION, "corpus": "ward", **asked}
    stages: list[str] = []
    async with aclosing(backend.ask(Ask(**given))) as events:
        async for event in events:
            if isinstance(event, Stage):
                stages.append(event.name)
            else:
                return event, stages
    raise UnknownName("no answer")
