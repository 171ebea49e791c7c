"""`sutradhar corpora`: list, `corpora show`, `corpora moments`, `corpora rm`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from api.cli.output import megabytes
from api.cli.run import Run, add_command, add_default, new_app

app = new_app()

Name = Annotated[str, typer.Argument(metavar="NAME", help="The corpus.")]


async def corpora(run: Run) -> None:
    """List, look into and remove corpora."""
    async with run.backend() as backend:
        rows = await backend.corpora()
    run.out.result(rows)
    run.out.table(
        ("corpus", "sources", "moments", "size", "updated", "note"),
        [
            (
                row.name,
                row.sources,
                row.moments,
                megabytes(row.bytes),
                row.updated.astimezone().strftime("%Y-%m-%d %H:%M") if row.updated else "",
                row.error or "",
            )
            for row in rows
        ],
    )
    if not rows:
        run.out.note("No corpus yet. Make one with: sutradhar index PATH --corpus NAME")


async def show(run: Run, name: Name) -> None:
    """Show the sources of a corpus."""
    async with run.backend() as backend:
        rows = await backend.sources(name)
    run.out.result(rows)
    run.out.table(
        ("source", "moments", "size", "path"),
        [
            (
                row.name,
                ", ".join(f"{count} {kind}" for kind, count in sorted(row.moments.items())),
                megabytes(row.size_bytes),
                row.path,
            )
            for row in rows
        ],
    )


async def moments(
    run: Run,
    name: Name,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Those of this source alone.")
    ] = None,
) -> None:
    """List the Moments of a corpus, which citations name: by source, then time or page."""
    from graphs.recall.prompts import clock

    async with run.backend() as backend:
        rows = await backend.moments(name, source)
    run.out.result([row.model_dump(mode="json", exclude={"words"}) for row in rows])
    run.out.table(
        ("source", "at", "modality", "speaker", "text", "moment"),
        [
            (
                row.source,
                clock(row.start_s) if row.start_s is not None else row.page and f"p. {row.page}",
                row.modality,
                row.speaker,
                row.text,
                row.moment_id,
            )
            for row in rows
        ],
    )


async def rm(
    run: Run,
    name: Name,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Remove this source alone.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Remove a corpus, or one source of it. The files that were indexed stay.

    Asks first where it is run by hand."""
    if not yes and sys.stdin.isatty():
        what = f"the source '{source}' of '{name}'" if source else f"the whole corpus '{name}'"
        typer.confirm(f"Remove {what}?", abort=True, err=True)
    async with run.backend() as backend:
        await backend.remove(name, source)
    run.out.result({"removed": source or name})
    run.out.text(f"removed {source or name}")


add_default(app, corpora)
add_command(app, show, "show")
add_command(app, moments, "moments")
add_command(app, rm, "rm")
