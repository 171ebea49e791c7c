"""What a worker says about itself: its memory, and any exception as a typed error."""

from __future__ import annotations

from pathlib import Path

from model_host.errors import EngineFailed, SutradharError

_WHY_CHARS = 500


def footprint() -> dict[str, int]:
    """Resident and peak resident memory of this process, in bytes."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        name: int(fields[key].split()[0]) * 1024
        for name, key in (("rss_bytes", "VmRSS"), ("peak_bytes", "VmHWM"))
    }


def as_error(error: BaseException) -> SutradharError:
    """Any exception of an engine as a typed error."""
    if isinstance(error, SutradharError):
        return error
    why = f"{type(error).__name__}: {error}"[:_WHY_CHARS]
    return EngineFailed("The engine failed.", why=f"{why}.", fix="See the worker's log.")
