"""Every error that model_host raises, and the base of all errors of Sutradhar.

SutradharError
├── InvalidInput              the caller's fault; nothing was done
│   ├── UnknownName           no such model, voice, language, corpus …; says the nearest
│   ├── UnreadableMedia       corrupt, empty or mislabelled file
│   └── TooLarge              over a documented limit
├── Unavailable               cannot be served here and now
│   ├── ModelMissing          weights are not on this machine
│   ├── EngineMissing         the engine's library is not installed
│   ├── SourceUnreachable     no source of the weights answered
│   ├── DoesNotFit            no device can ever hold it as things are
│   └── Busy                  later: `retry_after_s` says when
├── StoreError                weights or disk
│   ├── HashMismatch          bytes are not the ones the card pins
│   └── DiskFull
├── WorkerError               one call was hit; the next gets a fresh worker
│   ├── WorkerDied
│   ├── WorkerHung
│   ├── WorkerMisbehaved      broke the protocol or flooded
│   └── EngineFailed          the engine raised; the worker lives on
└── Cancelled

An error travels as `to_wire()` and comes back as the same class with `from_wire()`; `api`
alone maps classes to HTTP problems and exit codes.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar


class SutradharError(RuntimeError):
    """What happened, why, and what to do next, each one sentence.

    A RuntimeError: LangGraph's server hides the message of what is no built-in kind."""

    code: ClassVar[str] = "internal"
    _by_code: ClassVar[dict[str, type[SutradharError]]] = {}

    def __init__(self, what: str, *, why: str = "", fix: str = "", **detail: Any) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.detail = detail

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        SutradharError._by_code[cls.code] = cls

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.fix) if part)

    def to_wire(self) -> dict[str, Any]:
        """A JSON object with code, what, why, fix and detail."""
        return {
            "code": self.code,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "detail": self.detail,
        }

    @staticmethod
    def from_wire(body: dict[str, Any]) -> SutradharError:
        """The same error again; an unknown code becomes the base class."""
        cls = SutradharError._by_code.get(str(body.get("code")), SutradharError)
        error = cls.__new__(cls)
        detail = body.get("detail")
        SutradharError.__init__(
            error,
            str(body.get("what", "unknown error")),
            why=str(body.get("why", "")),
            fix=str(body.get("fix", "")),
            **(detail if isinstance(detail, dict) else {}),
        )
        return error


class InvalidInput(SutradharError):
    code = "invalid_input"


class UnknownName(InvalidInput):
    code = "unknown_name"

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], *, fix: str = "") -> UnknownName:
        """No `kind` is called `name`; suggests the nearest of `known`."""
        names = sorted(set(known))
        near = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.5)
        nearest = next((n for n in names if near and n.lower() == near[0]), None)
        why = f"Did you mean '{nearest}'?" if nearest else ""
        listing = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
        known_are = f"Known: {listing}." if names else ""
        return cls(
            f"There is no {kind} called '{name}'.",
            why=why,
            fix=fix or known_are,
            kind=kind,
            name=name,
            nearest=nearest,
        )


class UnreadableMedia(InvalidInput):
    code = "unreadable_media"


class TooLarge(InvalidInput):
    code = "too_large"


class Unavailable(SutradharError):
    code = "unavailable"


class ModelMissing(Unavailable):
    code = "model_missing"


class EngineMissing(Unavailable):
    code = "engine_missing"


class SourceUnreachable(Unavailable):
    code = "source_unreachable"


class DoesNotFit(Unavailable):
    code = "does_not_fit"


class Busy(Unavailable):
    """`detail["retry_after_s"]` says when to try again."""

    code = "busy"


class StoreError(SutradharError):
    code = "store_error"


class HashMismatch(StoreError):
    code = "hash_mismatch"


class DiskFull(StoreError):
    code = "disk_full"


class WorkerError(SutradharError):
    code = "worker_error"


class WorkerDied(WorkerError):
    code = "worker_died"


class WorkerHung(WorkerError):
    code = "worker_hung"


class WorkerMisbehaved(WorkerError):
    code = "worker_misbehaved"


class EngineFailed(WorkerError):
    code = "engine_failed"


class Cancelled(SutradharError):
    code = "cancelled"


def first_problem(error: Any) -> tuple[str, str]:
    """(field, as a path with dots; message): the first of a ValidationError, pydantic's or
    FastAPI's."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])), str(first["msg"])


def disk_full(where: str, why: str = "") -> DiskFull:
    """No space left `where` ("in /a/folder", "for the vectors")."""
    return DiskFull(
        f"No space left {where}.",
        why=why,
        fix="Free some space and run the same command again: it goes on where it stopped.",
    )


def disk_error(path: Path, error: OSError) -> StoreError:
    """What to raise for an `error` of the file system at `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(f"in {path}")
    return StoreError(f"{path} cannot be written.", why=f"{error.strerror or error}.")
