"""One owner at a time, by flock on a file that says who it is; the lock ends with the process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from model_host.errors import disk_error


class LockFile:
    """Get one from `lock_file`, and close it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._taken = False

    def take(self) -> bool:
        """False while somebody else has it."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._taken = True
        self._write({"pid": os.getpid(), "command": _command(), "since": time.time()})
        return True

    def holder(self) -> dict[str, Any]:
        """Its `pid`, `command` and `since` (Unix seconds), as far as the file says."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(os.pread(self._handle, 4096, 0)))
        return {}

    def close(self) -> None:
        if self._taken:
            self._write({})
        os.close(self._handle)

    def _write(self, holder: dict[str, Any]) -> None:
        body = json.dumps(holder).encode()
        # One space-padded write: a reader sees the old holder or the new one, never half of each.
        with contextlib.suppress(OSError):  # a full disk does not stop the lock from being held
            os.pwrite(self._handle, body.ljust(2048), 0)


def lock_file(path: Path) -> LockFile:
    """Use it inside `contextlib.closing`; what is taken of it ends then. Touches the disk: call it
    off the event loop. Raises DiskFull or StoreError when `path` cannot be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not inherited by worker processes (Python opens with O_CLOEXEC).
        return LockFile(os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        raise disk_error(path.parent, error) from error


def _command() -> str:
    return shlex.join([os.path.basename(sys.argv[0] or "python"), *sys.argv[1:]])[:120]
