"""Who owns a corpus: one process at a time, by flock, which ends with the process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from indexers.errors import CorpusBusy
from model_host.errors import DiskFull, StoreError

WAIT_S = 1.0  # a command that is just ending is worth a moment
_POLL_S = 0.05


@contextlib.asynccontextmanager
async def owned(path: Path, corpus: str, *, wait_s: float = WAIT_S) -> AsyncIterator[None]:
    """Holds the lock file `path`, which also says who holds it.

    Raises CorpusBusy when another holder keeps it for `wait_s` seconds; `detail` has its `pid`,
    `command` and `since` (Unix seconds). Raises DiskFull or StoreError when `path` cannot be made.
    """
    try:
        await to_thread.run_sync(partial(path.parent.mkdir, parents=True, exist_ok=True))
        # Not inherited by worker processes (Python opens with O_CLOEXEC).
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise disk_error(path.parent, error) from error
    try:
        deadline = time.monotonic() + wait_s
        while not _take(handle):
            if time.monotonic() >= deadline:
                raise _busy(handle, corpus)
            await anyio.sleep(_POLL_S)
        _write(handle, {"pid": os.getpid(), "command": _command(), "since": time.time()})
        try:
            yield
        finally:
            _write(handle, {})
    finally:
        os.close(handle)


def disk_error(path: Path, error: OSError) -> StoreError:
    """What to raise for an `error` of the file system at `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"No space left in {path}.",
            fix="Free some space and run the same command again: it goes on where it stopped.",
        )
    return StoreError(f"{path} cannot be written.", why=f"{error.strerror or error}.")


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(handle: int, holder: dict[str, Any]) -> None:
    body = json.dumps(holder).encode()
    # One space-padded write: a reader sees the old holder or the new one, never half of each.
    with contextlib.suppress(OSError):  # a full disk does not stop the lock from being held
        os.pwrite(handle, body.ljust(2048), 0)


def _command() -> str:
    return shlex.join([os.path.basename(sys.argv[0] or "python"), *sys.argv[1:]])[:120]


def _busy(handle: int, corpus: str) -> CorpusBusy:
    holder: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        holder = dict(json.loads(os.pread(handle, 4096, 0)))
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
