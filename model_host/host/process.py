"""A worker's process as the host sees it: started, watched, ended. One task owns one of these."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from model_host.errors import SutradharError, WorkerDied, WorkerHung
from model_host.settings import HostSettings

_LOG_BYTES = 1 << 20  # what of a worker's output is kept; the rest is read and thrown away
_TAIL_BYTES = 2000
_BEATS = 3  # a worker silent for so many heartbeats in a row is hung
_GRACE_S = 1.0
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class Process:
    """`socket_path` is where it serves once `ready` has returned."""

    def __init__(self, settings: HostSettings, name: str, log: str) -> None:
        self.socket_path = settings.run_dir / "workers" / f"{name}.sock"
        self.pid = 0
        self._log = settings.run_dir / "logs" / f"{log}.log"
        self._heartbeat_s = settings.heartbeat_s
        self._tail = b""
        self._process: asyncio.subprocess.Process | None = None
        self._control: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._pump: asyncio.Task[None] | None = None

    async def start(self, spec: dict[str, Any]) -> None:
        """Start it and say what it is to be."""
        await asyncio.to_thread(self._make_room)
        python_path = os.pathsep.join(
            part for part in (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH")) if part
        )
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as stack:
            stack.callback(theirs.close)
            undo = stack.enter_context(contextlib.ExitStack())
            undo.callback(ours.close)
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "model_host.workers.main", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": python_path},
                start_new_session=True,
            )
            undo.pop_all()
        self.pid = self._process.pid
        self._pump = asyncio.create_task(self._keep_log())
        self._control, self._writer = await asyncio.open_connection(sock=ours)
        line = json.dumps({**spec, "heartbeat_s": self._heartbeat_s, "parent_pid": os.getpid()})
        self._writer.write(line.encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # it died at once; `ready` says so
            await self._writer.drain()

    async def ready(self, load_s: float) -> dict[str, Any]:
        """Wait until the model is loaded: its footprint.

        Raises what the engine raised, WorkerDied, or WorkerHung after `load_s`."""
        try:
            async with asyncio.timeout(load_s):
                while True:
                    message = await self._message()
                    if message["type"] == "ready":
                        return message
                    if message["type"] == "failed":
                        raise SutradharError.from_wire(message["error"])
        except TimeoutError:
            raise WorkerHung(
                "A model did not load in time.",
                why=f"It took more than {load_s:.0f} seconds.",
                fix="Raise limits.load_s on its card if this machine is slow.",
            ) from None

    async def watch(self, on_beat: Callable[[dict[str, Any]], None]) -> NoReturn:
        """Follow heartbeats. Raises WorkerDied or WorkerHung when they end."""
        missed = 0  # counted one by one: a host that slept itself blames nobody
        while missed < _BEATS:
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    on_beat(await self._message())
                missed = 0
            except TimeoutError:
                missed += 1
        raise WorkerHung(
            "A model's process stopped responding and was ended.",
            why=f"No sign of life for {_BEATS * self._heartbeat_s:g} seconds.",
            fix="Try again: the next call gets a new one.",
        )

    async def end(self) -> None:
        """End it: politely, then not. Returns when the process is gone."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_GRACE_S):
                    await process.wait()
            except TimeoutError:
                self.kill()
                await process.wait()
        if self._writer is not None:
            self._writer.close()
        await self._drained()
        await asyncio.to_thread(self.socket_path.unlink, missing_ok=True)

    def kill(self) -> None:
        """It, and what it has started."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _make_room(self) -> None:
        for path in (self.socket_path, self._log):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._log.exists():  # the one before is kept
            self._log.replace(self._log.with_suffix(".1.log"))

    async def _drained(self) -> None:
        """Wait for its last words; not long, as somebody else may hold the pipe open."""
        if self._pump is not None and not self._pump.done():
            await asyncio.wait({self._pump}, timeout=_GRACE_S)
            self._pump.cancel()

    async def _message(self) -> dict[str, Any]:
        assert self._control is not None
        try:
            message = json.loads(await self._control.readline())
        except (ConnectionError, ValueError):  # its end, or garbage
            raise await self._death() from None
        return dict(message)

    async def _death(self) -> WorkerDied:
        assert self._process is not None
        self.kill()  # its control channel is closed: it is of no use any more
        code = await self._process.wait()
        await self._drained()
        said = self._tail.decode(errors="replace").strip().splitlines()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return WorkerDied(
            f"A model's process died ({how}).",
            why=f"Its last words: {said[-1][:300]}" if said else "",
            fix=f"Try again: the next call gets a new one. Log: {self._log}",
        )

    async def _keep_log(self) -> None:
        """Keep the first part and the last words of its output, and never let it block."""
        assert self._process is not None
        assert self._process.stdout is not None
        room = _LOG_BYTES
        with self._log.open("wb") as log:
            while chunk := await self._process.stdout.read(1 << 16):
                self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
                if room > 0:
                    log.write(chunk[:room])
                    log.flush()
                    room -= len(chunk)
