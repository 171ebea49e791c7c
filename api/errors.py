"""What each class of error is to a caller outside: an exit code and an HTTP status.

One table, looked up by the error's MRO, so a new error class needs no entry of its own. The body
is the same for both: a JSON problem (RFC 9457) with `what`, `why`, `fix` and where it comes from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from model_host.errors import (
    Busy,
    Cancelled,
    DiskFull,
    InvalidInput,
    StoreError,
    SutradharError,
    TooLarge,
    Unavailable,
    UnknownName,
    WorkerError,
)

OK = 0
INTERNAL = 1
INVALID = 2
UNAVAILABLE = 3
BUSY = 4
STORE = 5
WORKER = 6
INTERRUPTED = 130
TERMINATED = 143

EXIT_CODES: dict[int, str] = {
    OK: "done",
    INTERNAL: "a fault of Sutradhar itself",
    INVALID: "wrong usage or input: a flag, a name, a file, a setting",
    UNAVAILABLE: "cannot be served here and now: weights, engine or network missing, no room",
    BUSY: "another process holds the corpus, or the queue is full: try again later",
    STORE: "weights or disk: wrong hash, no space",
    WORKER: "a model's process died, hung or failed; the next call gets a fresh one",
    INTERRUPTED: "interrupted (Ctrl-C)",
    TERMINATED: "terminated (SIGTERM)",
}


class Outcome(NamedTuple):
    exit_code: int
    http_status: int
    origin: str  # whose fault: "caller" | "machine" | "model" | "sutradhar"


_OUTCOMES: dict[type[BaseException], Outcome] = {
    SutradharError: Outcome(INTERNAL, 500, "sutradhar"),
    InvalidInput: Outcome(INVALID, 422, "caller"),
    UnknownName: Outcome(INVALID, 404, "caller"),
    TooLarge: Outcome(INVALID, 413, "caller"),
    Unavailable: Outcome(UNAVAILABLE, 503, "machine"),
    Busy: Outcome(BUSY, 503, "machine"),
    StoreError: Outcome(STORE, 500, "machine"),
    DiskFull: Outcome(STORE, 507, "machine"),
    WorkerError: Outcome(WORKER, 502, "model"),
    Cancelled: Outcome(INTERRUPTED, 499, "caller"),
}


def outcome(error: BaseException) -> Outcome:
    """The nearest entry along the class's MRO."""
    for cls in type(error).__mro__:
        if cls in _OUTCOMES:
            return _OUTCOMES[cls]
    return _OUTCOMES[SutradharError]


def problem(error: SutradharError) -> dict[str, Any]:
    """The error as a JSON problem."""
    found = outcome(error)
    return {
        "type": f"about:blank#{error.code}",
        "title": error.code.replace("_", " "),
        "status": found.http_status,
        "detail": str(error),
        "code": error.code,
        "what": error.what,
        "why": error.why,
        "fix": error.fix,
        "origin": found.origin,
        "exit_code": found.exit_code,
        "data": error.detail,
    }
