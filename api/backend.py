"""The product's operations behind one port: done in this process, or by a running server.

`open_backend` finds a `sutradhar serve` by its socket and becomes its client; without one it opens
models and corpora itself, for as long as the command takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from api.conversations import Conversations
from api.requests import check_ask, check_index
from api.schemas import Answer, Ask, Cited, Index, Indexed, Stage
from api.settings import Settings
from api.shelf import Shelf

if TYPE_CHECKING:
    from indexers.corpora import Corpora, Corpus, CorpusInfo, SourceInfo
    from indexers.moments import Moment
    from model_host.client import Client, Notice

Listener = Callable[["Notice"], None]


class Backend(Protocol):
    """Every error is a SutradharError. Closing a generator early cancels its work: iterate inside
    `contextlib.aclosing`."""

    def ask(self, request: Ask) -> AsyncGenerator[Stage | Answer, None]: ...

    def index(self, request: Index) -> AsyncGenerator[Indexed, None]: ...

    async def corpora(self) -> list[CorpusInfo]: ...

    async def sources(self, corpus: str) -> list[SourceInfo]: ...

    async def moments(self, corpus: str, source: str | None = None) -> list[Moment]: ...

    async def remove(self, corpus: str, source: str | None = None) -> None: ...


class LocalBackend:
    """Owns a model client and the corpora it has opened."""

    def __init__(
        self, settings: Settings, client: Client, corpora: Corpora, listeners: set[Listener]
    ) -> None:
        self.settings = settings
        self.listeners = listeners  # of what the host pulls and loads
        self.client = client
        self._corpora = corpora
        self._shelf = Shelf(corpora)
        self._conversations = Conversations(settings.home / "conversations.sqlite")

    async def aclose(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._conversations.aclose)
            stack.push_async_callback(self._shelf.aclose)

    async def corpus(self, name: str, *, create: bool = False) -> Corpus:
        """The open corpus; kept open until this backend closes."""
        return await self._shelf.get(name, create=create)

    async def prepare(self, request: Ask | Index) -> str | None:
        """Raises what is wrong with the request, or with its corpus; no model is loaded. Gives the
        card that has the wanted voice."""
        if isinstance(request, Index):
            await asyncio.to_thread(check_index, request, self.client)
            await self.corpus(request.corpus, create=True)
            return None
        speaker = await asyncio.to_thread(check_ask, request, self.client)
        await self.corpus(request.corpus)
        return speaker

    async def ask(self, request: Ask) -> AsyncGenerator[Stage | Answer, None]:
        began = time.perf_counter()
        speaker = await self.prepare(request)  # first: what is wrong is said at once
        from langchain_core.messages import HumanMessage

        from graphs.conversation.context import Context
        from graphs.conversation.graph import build_graph
        from graphs.conversation.state import InputState

        context = Context(
            corpus=request.corpus,
            language=request.language,
            voice=request.voice,
            speech_model=speaker,
            chat_model=request.model,
            draft=request.draft,
        )
        asked: InputState = {
            "corpus": request.corpus,
            "speak_to": str(request.speak) if request.speak else None,
            "audio": str(request.audio) if request.audio else None,
            "messages": [HumanMessage(request.question)] if request.question else [],
        }
        config: Any = {"configurable": {"thread_id": request.thread}} if request.thread else {}
        turn: dict[str, Any] = {}
        async with (
            self._shelf.using(request.corpus),
            self._conversations.turn(request.thread) as saver,
        ):
            graph = build_graph().compile(checkpointer=saver)
            steps: Any = graph.astream(
                asked,
                config,
                context=context,
                stream_mode=["tasks", "values"],
                subgraphs=True,
            )
            async with contextlib.aclosing(steps):  # leaving early ends the graph's tasks
                async for path, mode, data in steps:
                    if mode == "tasks" and "input" in data:
                        yield Stage(name=data["name"])
                    elif mode == "values" and not path:
                        turn = data.get("turn", turn)
        yield Answer(
            question=turn["question"],
            answer=turn["answer"],
            abstained=turn["abstained"],
            citations=tuple(Cited.model_validate(citation) for citation in turn["citations"]),
            language=turn["language"],
            models=turn["models"],
            timings_s={**turn["timings_s"], "total": time.perf_counter() - began},
            speech=turn.get("speech"),
            thread=request.thread,
        )

    async def index(self, request: Index) -> AsyncGenerator[Indexed, None]:
        from indexers.corpus import printable
        from indexers.ingest import ingest

        await self.prepare(request)
        async with (
            self._shelf.using(request.corpus, changing=True) as corpus,
            contextlib.aclosing(
                ingest(
                    corpus,
                    request.paths,
                    self.client,
                    name=request.name,
                    language=request.language,
                )
            ) as events,
        ):
            async for event in events:
                path = printable(str(event.path)) if event.path else None
                error = event.error.to_wire() if event.error else None
                yield Indexed(**{**event._asdict(), "path": path, "error": error})

    async def corpora(self) -> list[CorpusInfo]:
        return await asyncio.to_thread(self._corpora.list)

    async def sources(self, corpus: str) -> list[SourceInfo]:
        async with self._shelf.using(corpus) as opened:
            return await opened.sources()

    async def moments(self, corpus: str, source: str | None = None) -> list[Moment]:
        async with self._shelf.using(corpus) as opened:
            return await opened.moments(source)

    async def remove(self, corpus: str, source: str | None = None) -> None:
        if source is None:
            await self._shelf.remove(corpus)
            return
        async with self._shelf.using(corpus) as opened:
            await opened.remove_source(source)


@asynccontextmanager
async def open_local(
    settings: Settings, *, on_notice: Listener | None = None, shared: bool = False
) -> AsyncIterator[LocalBackend]:
    """Everything in this process (models still run in workers of their own).

    `shared`: its model host serves other processes on its socket, too."""
    from graphs.services import Services, provide
    from indexers.corpora import Corpora
    from model_host.client import open_client, serve_client

    listeners = {on_notice} if on_notice is not None else set()

    def tell(notice: Notice) -> None:
        for listener in tuple(listeners):
            listener(notice)

    opened = serve_client if shared else open_client
    async with opened(settings.host, on_notice=tell) as client:
        backend = LocalBackend(settings, client, Corpora(settings.index), listeners)
        async with contextlib.aclosing(backend):
            with provide(Services(client, backend.corpus, settings.graphs)):
                yield backend


@asynccontextmanager
async def open_backend(
    settings: Settings, *, on_notice: Listener | None = None
) -> AsyncIterator[Backend]:
    """A running server's operations, else this process's own."""
    from api.remote import connect

    async with AsyncExitStack() as stack:
        remote = await connect(settings, stack, on_notice)
        if remote is not None:
            yield remote
        else:
            yield await stack.enter_async_context(open_local(settings, on_notice=on_notice))
