"""python kill_child.py CORPORA FILES LOG KILL_AT: indexes FILES, and kills itself with SIGKILL
before the KILL_AT-th piece of work that it does off the event loop (0: never). Every disk write is
such a piece. The reader logs the files that it read through. Prints how many pieces there were."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from anyio import to_thread

from indexers.corpora import Corpora
from indexers.ingest import ingest
from indexers.readers.draft import Item
from indexers.settings import IndexSettings
from tests.unit.indexers.fakes import FakeClient, LineReader

pieces = 0


class LoggingReader(LineReader):
    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    async def read_source(self, path: Path, *args: Any, **more: Any) -> AsyncGenerator[Item, None]:
        async for item in super().read_source(path, *args, **more):
            yield item
        with self.log.open("a") as log:
            log.write(f"{path.name}\n")


def count_and_kill(kill_at: int) -> None:
    real = to_thread.run_sync

    async def counted(*args: Any, **more: Any) -> Any:
        global pieces
        pieces += 1
        if pieces == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return await real(*args, **more)

    to_thread.run_sync = counted  # type: ignore[assignment]


async def main(corpora: str, files: str, log: str, kill_at: str) -> None:
    count_and_kill(int(kill_at))
    client: Any = FakeClient()
    async with Corpora(IndexSettings(corpora_root=Path(corpora))).open("c", create=True) as corpus:
        events = ingest(corpus, [Path(files)], client, reader=LoggingReader(Path(log)))
        async with aclosing(events):
            async for event in events:
                assert event.error is None, event
                if event.state == "done":
                    print(event.source, flush=True)
    print(pieces, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
