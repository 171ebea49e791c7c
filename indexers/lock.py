"""Who owns a corpus: one process at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from indexers.errors import CorpusBusy
from model_host.lock import lock_file

WAIT_S = 0.5  # a command that is just ending is worth a moment
_POLL_S = 0.05


@contextlib.asynccontextmanager
async def owned(path: Path, corpus: str, *, wait_s: float = WAIT_S) -> AsyncIterator[None]:
    """Holds the lock file `path`, which also says who holds it.

    Raises CorpusBusy when another holder keeps it for `wait_s` seconds; `detail` has its `pid`,
    `command` and `since` (Unix seconds). Raises DiskFull or StoreError when `path` cannot be made.
    """
    with contextlib.closing(await to_thread.run_sync(lock_file, path)) as lock:
        deadline = time.monotonic() + wait_s
        while not lock.take():
            if time.monotonic() >= deadline:
                raise _busy(lock.holder(), corpus)
            await anyio.sleep(_POLL_S)
        yield


def _busy(holder: dict[str, Any], corpus: str) -> CorpusBusy:
    pid, command = holder.get("pid"), holder.get("command", "unknown")
    who = f"process {pid} ({command})" if pid else "another process"
    return CorpusBusy(
        f"The corpus '{corpus}' is in use by {who}.",
        why="One process at a time owns an embedded corpus.",
        fix="Wait until it ends; or start `sutradhar serve`, which every command then shares.",
        pid=pid,
        command=command,
        since=holder.get("since"),
        retry_after_s=5.0,
    )
