from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import indexers.errors
from api.errors import (
    BUSY,
    EXIT_CODES,
    INTERNAL,
    INVALID,
    STORE,
    UNAVAILABLE,
    WORKER,
    outcome,
    problem,
)
from model_host import errors


def every(cls: type[errors.SutradharError]) -> Iterator[type[errors.SutradharError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from every(child)


@pytest.mark.parametrize(
    ("cls", "code", "status"),
    [
        (errors.SutradharError, INTERNAL, 500),
        (errors.UnreadableMedia, INVALID, 422),
        (errors.UnknownName, INVALID, 404),
        (indexers.errors.UnknownCorpus, INVALID, 404),
        (errors.TooLarge, INVALID, 413),
        (errors.ModelMissing, UNAVAILABLE, 503),
        (errors.DoesNotFit, UNAVAILABLE, 503),
        (errors.Busy, BUSY, 503),
        (indexers.errors.CorpusBusy, BUSY, 503),
        (errors.HashMismatch, STORE, 500),
        (errors.DiskFull, STORE, 507),
        (errors.WorkerDied, WORKER, 502),
        (errors.EngineFailed, WORKER, 502),
    ],
)
def test_nearest_class_decides(cls: type[errors.SutradharError], code: int, status: int) -> None:
    found = outcome(cls("x"))
    assert (found.exit_code, found.http_status) == (code, status)


def test_a_new_class_needs_no_entry() -> None:
    class Fresh(errors.StoreError):
        code = "fresh_for_this_test"

    assert outcome(Fresh("x")).exit_code == STORE


def test_a_foreign_error_is_internal() -> None:
    assert outcome(ValueError("x")).exit_code == INTERNAL


def test_every_error_has_a_documented_exit_code_and_a_json_problem() -> None:
    for cls in every(errors.SutradharError):
        found = problem(cls("What.", why="Why.", fix="Fix.", name="n"))
        assert found["exit_code"] in EXIT_CODES
        assert 400 <= found["status"] < 600
        assert json.loads(json.dumps(found))["fix"] == "Fix."
