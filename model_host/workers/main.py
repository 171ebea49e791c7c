"""A worker: one process that holds one loaded model and serves it on a Unix socket.

    python -m model_host.workers.main FD

FD is one end of a socket pair. The host writes one line of JSON (`Spec`); the worker answers with
lines: `{"type": "ready" | "failed" | "beat", …}`. When the other end closes, the host is gone and
so is the worker, at once, whatever its engine is doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from model_host.catalog.card import Card
from model_host.heap import keep_heap
from model_host.workers.wire import as_error, footprint

_PR_SET_PDEATHSIG = 1


class Spec(BaseModel):
    """What a worker is to be."""

    model_config = ConfigDict(frozen=True)

    card: Card
    folder: Path | None
    threads: int
    socket: Path
    heartbeat_s: float
    parent_pid: int


def main() -> None:
    os.umask(0o077)  # the socket is our user's alone
    keep_heap()
    control = socket.socket(fileno=int(sys.argv[1]))
    with control.makefile("r", encoding="utf-8") as lines:
        spec = Spec.model_validate_json(lines.readline())
    _die_with(spec.parent_pid)
    threading.Thread(target=_exit_when_closed, args=(control,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to handle
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(spec, control))
    os._exit(0)  # engine threads that ignore cancellation do not hold us back


async def _run(spec: Spec, control: socket.socket) -> None:
    from model_host.workers.app import open_app, serve

    lock = asyncio.Lock()

    async def tell(kind: str, **body: Any) -> None:
        line = json.dumps({"type": kind, **body}).encode() + b"\n"
        async with lock:
            await asyncio.to_thread(control.sendall, line)

    async def beat() -> None:
        while True:
            await tell("beat", **footprint())
            await asyncio.sleep(spec.heartbeat_s)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat())
        try:
            app = await open_app(spec)
        except Exception as error:
            await tell("failed", error=as_error(error).to_wire())
            beating.cancel()
            return
        try:
            async with serve(app, spec.socket):
                await tell("ready", **footprint())
                await stop.wait()
        finally:
            beating.cancel()


def _die_with(parent_pid: int) -> None:
    """Let the kernel kill us when the host dies, also while an engine holds the interpreter."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before we asked
        os._exit(3)


def _exit_when_closed(control: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while control.recv(4096):
            pass
    os._exit(3)


if __name__ == "__main__":
    main()
