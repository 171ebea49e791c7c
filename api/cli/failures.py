"""What went wrong, for the person at the terminal: a few lines on stderr and an exit code."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback

import typer

from api.cli.output import printable
from api.errors import INTERNAL, INTERRUPTED, INVALID, OK, TERMINATED, outcome, problem
from model_host.errors import DiskFull, InvalidInput, SutradharError


class Terminated(BaseException):
    """SIGTERM arrived; the command has cleaned up."""


def report(error: BaseException, *, as_json: bool) -> int:
    """Say it on stderr; the exit code."""
    if os.environ.get("SUTRADHAR_DEBUG"):
        traceback.print_exception(error)
    error = _innermost(error)
    if isinstance(error, SystemExit):
        if isinstance(error.__context__, BrokenPipeError):  # typer turns the one into the other
            return OK
        return error.code if isinstance(error.code, int) else INTERNAL
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, Terminated):
        print("Terminated.", file=sys.stderr)
        return TERMINATED
    if isinstance(error, typer.TyperException):
        return _usage(error, as_json)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        error = DiskFull("No space left for the output.", why="The disk is full.")
    if not isinstance(error, SutradharError):
        error = SutradharError(
            "Something went wrong inside Sutradhar.",
            why=f"{type(error).__name__}: {error}.",
            fix="Set SUTRADHAR_DEBUG=1 to see where, and report it.",
        )
    _say(error, as_json)
    return outcome(error).exit_code


def _say(error: SutradharError, as_json: bool) -> None:
    if as_json:
        print(json.dumps(problem(error), ensure_ascii=False, default=str), file=sys.stderr)
        return
    lines = [f"error: {error.what}", *(line for line in (error.why, error.fix) if line)]
    print("\n  ".join(map(printable, lines)), file=sys.stderr)


def _usage(error: typer.TyperException, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return INVALID
    path = context.command_path if context is not None else "sutradhar"
    message = error.format_message()
    _say(InvalidInput(message, fix=f"See '{path} --help'."), as_json)
    return INVALID


def _innermost(error: BaseException) -> BaseException:
    """A task group's error is the first real one in it."""
    while isinstance(error, BaseExceptionGroup):
        inner: tuple[BaseException, ...] = error.exceptions
        error = next((e for e in inner if isinstance(e, SutradharError)), inner[0])
    return error
