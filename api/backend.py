"""The product's operations behind one port: done in this process, or by a running server.

`open_backend` finds a `sutradhar serve` by its socket and becomes its client; without one it opens
models and corpora itself, for as long as the command takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from api.schemas import Answer, Ask, Cited, Index, Indexed, Stage
from api.settings import Settings

if TYPE_CHECKING:
    from indexers.corpora import Corpora, Corpus, CorpusInfo, SourceInfo
    from model_host.client import Client, Notice

Listener = Callable[["Notice"], None]


class Backend(Protocol):
    """Every error is a SutradharError. Closing an iterator early cancels its work."""

    def ask(self, request: Ask) -> AsyncIterator[Stage | Answer]: ...

    def index(self, request: Index) -> AsyncIterator[Indexed]: ...

    async def corpora(self) -> list[CorpusInfo]: ...

    async def sources(self, corpus: str) -> list[SourceInfo]: ...

    async def remove(self, corpus: str, source: str | None = None) -> None: ...


class LocalBackend:
    """Owns a model client and the corpora it has opened."""

    def __init__(self, settings: Settings, client: Client, corpora: Corpora) -> None:
        self.settings = settings
        self.client = client
        self._corpora = corpora
        self._open: dict[str, tuple[Corpus, AsyncExitStack]] = {}
        self._opening = asyncio.Lock()
        self._checkpoints = AsyncExitStack()
        self._saver: Any = None

    async def aclose(self) -> None:
        for _, stack in self._open.values():
            await stack.aclose()
        self._open.clear()
        await self._checkpoints.aclose()

    async def corpus(self, name: str, *, create: bool = False) -> Corpus:
        """The open corpus; kept open until this backend closes."""
        async with self._opening:
            if name not in self._open:
                stack = AsyncExitStack()
                corpus = await stack.enter_async_context(self._corpora.open(name, create=create))
                self._open[name] = (corpus, stack)
            return self._open[name][0]

    async def ask(self, request: Ask) -> AsyncIterator[Stage | Answer]:
        from langchain_core.messages import HumanMessage

        from graphs.conversation.context import Context
        from graphs.conversation.graph import build_graph
        from graphs.conversation.state import InputState

        began = time.perf_counter()
        await self.corpus(request.corpus)  # a missing or busy corpus is said before models load
        graph = build_graph().compile(checkpointer=await self._saver_for(request.thread))
        context = Context(
            corpus=request.corpus,
            language=request.language,
            voice=request.voice,
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
        async for path, mode, data in graph.astream(
            asked,
            config,
            context=context,
            stream_mode=["tasks", "values"],
            subgraphs=True,
        ):
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

    async def index(self, request: Index) -> AsyncIterator[Indexed]:
        from indexers.ingest import ingest

        corpus = await self.corpus(request.corpus, create=True)
        async with contextlib.aclosing(
            ingest(
                corpus, request.paths, self.client, name=request.name, language=request.language
            )
        ) as events:
            async for event in events:
                yield Indexed(
                    source=event.source,
                    state=event.state,
                    done=event.done,
                    total=event.total,
                    unit=event.unit,
                    moments=event.moments,
                    eta_s=event.eta_s,
                    error=event.error.to_wire() if event.error else None,
                    note=event.note,
                )

    async def corpora(self) -> list[CorpusInfo]:
        return await asyncio.to_thread(self._corpora.list)

    async def sources(self, corpus: str) -> list[SourceInfo]:
        return await (await self.corpus(corpus)).sources()

    async def remove(self, corpus: str, source: str | None = None) -> None:
        if source is not None:
            await (await self.corpus(corpus)).remove_source(source)
            return
        async with self._opening:
            held = self._open.pop(corpus, None)
            if held:
                await held[1].aclose()
            await self._corpora.remove(corpus)

    async def _saver_for(self, thread: str | None) -> Any:
        """The SQLite checkpointer, opened on the first turn of a named conversation."""
        if thread is None:
            return None
        if self._saver is None:
            from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

            home = self.settings.home
            await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
            database = str(home / "conversations.sqlite")
            self._saver = await self._checkpoints.enter_async_context(
                AsyncSqliteSaver.from_conn_string(database)
            )
        return self._saver


@asynccontextmanager
async def open_local(
    settings: Settings, *, on_notice: Listener | None = None, shared: bool = False
) -> AsyncIterator[LocalBackend]:
    """Everything in this process (models still run in workers of their own).

    `shared`: its model host serves other processes on its socket, too."""
    from graphs.services import Services, provide
    from indexers.corpora import Corpora
    from model_host.client import open_client, serve_client

    opened = serve_client if shared else open_client
    async with opened(settings.host, on_notice=on_notice) as client:
        backend = LocalBackend(settings, client, Corpora(settings.index))
        try:
            with provide(Services(client, backend.corpus, settings.graphs)):
                yield backend
        finally:
            await backend.aclose()


@asynccontextmanager
async def open_backend(
    settings: Settings, *, on_notice: Listener | None = None
) -> AsyncIterator[Backend]:
    """A running server's operations, else this process's own."""
    from api.remote import connect

    async with AsyncExitStack() as stack:
        remote = await connect(settings, stack)
        if remote is not None:
            yield remote
        else:
            yield await stack.enter_async_context(open_local(settings, on_notice=on_notice))
