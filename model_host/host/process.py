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
from typing import Any

from model_host.errors import SutradharError, WorkerDied, WorkerError, WorkerHung
from model_host.settings import HostSettings

_LOG_BYTES = 1 << 20  # what of a worker's output is kept; the rest is read and thrown away
_TAIL_BYTES = 2000
_BEATS = 3  # a worker silent for so many heartbeats is hung
_GRACE_S = 1.0
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class Process:
    """`socket_path` is where it serves once `ready` has returned."""

    def __init__(self, settings: HostSettings, name: str) -> None:
        self.socket_path = settings.run_dir / "workers" / f"{name}.sock"
        self.pid = 0
        self._log = settings.run_dir / "logs" / f"{name}.log"
        self._heartbeat_s = settings.heartbeat_s
        self._tail = b""
        self._process: asyncio.subprocess.Process | None = None
        self._control: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._pump: asyncio.Task[None] | None = None

    async def start(self, spec: dict[str, Any]) -> None:
        """Start it and say what it is to be."""
        for path in (self.socket_path, self._log):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket_path.unlink(missing_ok=True)
        ours, theirs = socket.socketpair()
        with theirs:
            path = os.pathsep.join(
                part for part in (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH")) if part
            )
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "model_host.workers.main",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._pump = asyncio.create_task(self._keep_log())
        self._control, self._writer = await asyncio.open_connection(sock=ours)
        line = json.dumps({**spec, "heartbeat_s": self._heartbeat_s, "parent_pid": os.getpid()})
        self._writer.write(line.encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # it died at once; `ready` says so
            await self._writer.drain()

    async def ready(self, load_s: float) -> dict[str, Any]:
        """Wait until the model is loaded: load seconds and footprint.

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

    async def watch(self, on_beat: Callable[[dict[str, Any]], None]) -> WorkerError:
        """Follow heartbeats until it dies or hangs; returns which."""
        try:
            while True:
                async with asyncio.timeout(_BEATS * self._heartbeat_s):
                    on_beat(await self._message())
        except TimeoutError:
            return WorkerHung(
                "A model's process stopped responding and was ended.",
                why=f"No sign of life for {_BEATS * self._heartbeat_s:.0f} seconds.",
                fix="Try again: the next call gets a new one.",
            )
        except WorkerError as error:
            return error

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
        if self._pump is not None:
            await self._pump
        self.socket_path.unlink(missing_ok=True)

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _message(self) -> dict[str, Any]:
        assert self._control is not None
        try:
            line = await self._control.readline()
        except (ConnectionError, ValueError):
            line = b""
        if not line.endswith(b"\n"):
            raise await self._death()
        message: dict[str, Any] = json.loads(line)
        return message

    async def _death(self) -> WorkerDied:
        assert self._process is not None
        self.kill()  # its control channel is closed: it is of no use any more
        code = await self._process.wait()
        if self._pump is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._pump)
        said = self._tail.decode(errors="replace").strip().splitlines()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return WorkerDied(
            f"A model's process died ({how}).",
            why=f"Its last words: {said[-1][:300]}" if said else "",
            fix=f"Try again: the next call gets a new one. Log: {self._log}",
        )

    async def _keep_log(self) -> None:
        """Keep the first part and the last words of its output, and never let it block."""
        assert self._process is not None and self._process.stdout is not None
        room = _LOG_BYTES
        with self._log.open("wb") as log:
            while chunk := await self._process.stdout.read(1 << 16):
                self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
                if room > 0:
                    log.write(chunk[:room])
                    log.flush()
                    room -= len(chunk)
