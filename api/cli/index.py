"""`sutradhar index`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.output import printable
from api.cli.run import Run
from model_host.errors import InvalidInput, SutradharError

if TYPE_CHECKING:
    from api.schemas import Indexed


async def command(
    run: Run,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files or folders to index.")
    ],
    corpus: Annotated[str, typer.Option(metavar="NAME", help="Into this corpus.")] = "default",
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Name of the source (one file).")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Language spoken (hi, ta …); default: found out.")
    ] = None,
) -> None:
    """Index recordings, videos and documents into a corpus.

    What is there already is left alone, what changed is read again, and what was deleted from an
    indexed folder is removed. An interrupted run goes on where it stopped.

    When some sources cannot be indexed the others are, all are listed, and the exit code is that of
    the first error."""
    from contextlib import aclosing

    from api.cli.ask import checked
    from api.schemas import Index

    request = checked(
        Index,
        corpus=corpus,
        paths=_given(paths),
        name=as_,
        language=language,
    )
    last: dict[tuple[str, str | None], Indexed] = {}
    with run.out.bars() as bars:
        async with (
            run.backend(bars) as backend,
            aclosing(backend.index(request)) as events,
        ):
            async for event in events:
                last[event.source, event.path] = event
                if event.state in ("reading", "embedding"):
                    what = f"{event.state} {event.source}"
                    bars.update(what, event.done, event.total, unit=event.unit, eta_s=event.eta_s)
    ended = [last[key] for key in sorted(last, key=lambda key: (key[0], key[1] or ""))]
    run.out.result({"corpus": corpus, "sources": [event.public() for event in ended]})
    run.out.table(
        ("source", "state", "moments", "note"),
        [(e.source, e.state, e.moments, _what(e) or e.note) for e in ended],
    )
    if not any(event.state != "skipped" for event in ended):
        run.out.note("No file was found that can be indexed.")
    failed = [event for event in ended if event.error]
    if failed:
        raise _failure(failed, len(ended))


def _given(paths: list[Path]) -> tuple[Path, ...]:
    missing = next((path for path in paths if not os.path.exists(path)), None)
    if missing is not None:
        raise InvalidInput(f"There is nothing at {printable(str(missing))}.", fix="Check the path.")
    return tuple(path.absolute() for path in paths)


def _failure(failed: list[Indexed], total: int) -> SutradharError:
    """One error for them all, of the first one's class."""
    first = dict(failed[0].error or {})
    if total > 1:
        first["why"] = "; ".join(f"{e.source}: {_what(e)}" for e in failed[:3])
        if len(failed) > 3:
            first["why"] += f" And {len(failed) - 3} more, listed above."
        first["what"] = f"{len(failed)} of {total} sources could not be indexed."
        first["fix"] = "The others are in the corpus. Mend these and run the command again."
    return SutradharError.from_wire(first)


def _what(event: Indexed) -> str:
    """What went wrong with a source, and why."""
    error = event.error or {}
    return " ".join(str(error[part]) for part in ("what", "why") if error.get(part))
