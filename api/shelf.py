"""The corpora that a process has open: opened on first use, kept, and never closed under a user."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from indexers.errors import CorpusBusy

if TYPE_CHECKING:
    from indexers.corpora import Corpora, Corpus

_CLOSE_S = 10.0  # for cancelled work that is still ending


class Shelf:
    """Everything raises what `Corpora.open` does."""

    def __init__(self, corpora: Corpora) -> None:
        self._corpora = corpora
        self._open: dict[str, tuple[Corpus, AsyncExitStack]] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._users: Counter[str] = Counter()
        self._changing: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def get(self, name: str, *, create: bool = False) -> Corpus:
        """The open corpus; it stays open until the shelf closes."""
        name = unicodedata.normalize("NFC", name)
        async with self._opening[name]:
            if name not in self._open:
                stack = AsyncExitStack()
                corpus = await stack.enter_async_context(self._corpora.open(name, create=create))
                self._open[name] = (corpus, stack)
            return self._open[name][0]

    @asynccontextmanager
    async def using(self, name: str, *, changing: bool = False) -> AsyncIterator[Corpus]:
        """The corpus while a block works with it. `changing`: makes it where there is none, and
        raises CorpusBusy while another block changes it."""
        corpus = await self.get(name, create=changing)
        if changing and corpus.name in self._changing:
            raise _busy(corpus.name, "another `sutradhar index`")
        self._users[corpus.name] += 1
        self._idle.clear()
        if changing:
            self._changing.add(corpus.name)
        try:
            yield corpus
        finally:
            if changing:
                self._changing.discard(corpus.name)
            self._users[corpus.name] -= 1
            if not +self._users:
                self._idle.set()

    async def remove(self, name: str) -> None:
        """Delete a corpus. Raises CorpusBusy while something works with it."""
        name = unicodedata.normalize("NFC", name)
        async with self._opening[name]:
            if self._users[name]:
                raise _busy(name, "another command")
            held = self._open.pop(name, None)
            if held:
                await held[1].aclose()
            await self._corpora.remove(name)

    async def aclose(self) -> None:
        """Close all, once nothing works with them any more."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._idle.wait()
        except TimeoutError:
            pass
        async with AsyncExitStack() as stack:
            for _, opened in self._open.values():
                stack.push_async_callback(opened.aclose)
            self._open.clear()


def _busy(name: str, user: str) -> CorpusBusy:
    return CorpusBusy(
        f"The corpus '{name}' is in use by {user}, through process {os.getpid()}.",
        fix="Wait until it ends.",
        pid=os.getpid(),
        command=user,
        retry_after_s=5.0,
    )
