"""`sutradhar index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.output import Bars
from api.cli.run import Run

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
    indexed folder is removed. An interrupted run goes on where it stopped."""
    from api.backend import open_backend
    from api.schemas import Index
    from model_host.errors import InvalidInput, SutradharError

    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise InvalidInput(f"There is nothing at {missing}.", fix="Check the path.")
    request = Index(
        corpus=corpus,
        paths=tuple(path.absolute() for path in paths),
        name=as_,
        language=language,
    )
    last: dict[str, Indexed] = {}
    with run.out.bars() as bars:
        async with open_backend(run.settings, on_notice=run.show(bars)) as backend:
            async for event in backend.index(request):
                last[event.source] = event
                _progress(bars, event)
    run.out.result({"corpus": corpus, "sources": [last[name] for name in sorted(last)]})
    run.out.table(
        ("source", "state", "moments", "error"),
        [(e.source, e.state, e.moments, _first_line(e)) for e in last.values()],
    )
    failed = [event for event in last.values() if event.state == "failed" and event.error]
    if failed and len(failed) == len(last):
        raise SutradharError.from_wire(failed[0].error or {})
    if failed:
        raise InvalidInput(
            f"{len(failed)} of {len(last)} sources could not be indexed.",
            why="; ".join(_first_line(event) for event in failed[:3]),
            fix="The others are in the corpus. Mend these files and run the command again.",
        )


def _progress(bars: Bars, event: Indexed) -> None:
    what = f"{event.state} {event.source}"
    if event.state in ("reading", "embedding"):
        bars.update(what, event.done, event.total, unit=event.unit)


def _first_line(event: Indexed) -> str:
    return str(event.error["what"]) if event.error else ""
