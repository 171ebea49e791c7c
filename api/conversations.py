"""Named conversations: their checkpoints in one SQLite file, so that they outlive a process."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from model_host.errors import StoreError, disk_error

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver


class Conversations:
    """The file is opened on the first turn of a named conversation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._saver: AsyncSqliteSaver | None = None
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, thread: str | None) -> AsyncIterator[AsyncSqliteSaver | None]:
        """The checkpointer for one turn; turns of one conversation come one after the other.

        None for a question that belongs to no conversation. Raises StoreError when the file
        cannot be read or written, DiskFull."""
        if thread is None:
            yield None
            return
        lock = self._turns.setdefault(thread, asyncio.Lock())
        async with lock:
            try:
                yield await self._opened()
            except sqlite3.Error as error:
                raise StoreError(
                    "The conversation cannot be read or kept.",
                    why=f"{self._path}: {error}.",
                    fix="If the file is damaged, move it away; conversations then begin anew.",
                ) from error

    async def aclose(self) -> None:
        await self._stack.aclose()

    async def _opened(self) -> AsyncSqliteSaver:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with self._opening:
            if self._saver is None:
                try:
                    parent = self._path.parent
                    await asyncio.to_thread(parent.mkdir, parents=True, exist_ok=True)
                except OSError as error:
                    raise disk_error(self._path.parent, error) from error
                saver = AsyncSqliteSaver.from_conn_string(str(self._path))
                self._saver = await self._stack.enter_async_context(saver)
            return self._saver
