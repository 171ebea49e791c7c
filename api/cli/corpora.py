"""`sutradhar corpora`: list, `corpora show`, `corpora rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.output import megabytes
from api.cli.run import Run, add_command, add_default, new_app

app = new_app()

Name = Annotated[str, typer.Argument(metavar="NAME", help="The corpus.")]


async def corpora(run: Run) -> None:
    """List, look into and remove corpora."""
    from api.backend import open_backend

    async with open_backend(run.settings) as backend:
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
    from api.backend import open_backend

    async with open_backend(run.settings) as backend:
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


async def rm(
    run: Run,
    name: Name,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Remove this source alone.")
    ] = None,
) -> None:
    """Remove a corpus, or one source of it. The files that were indexed stay."""
    from api.backend import open_backend

    async with open_backend(run.settings) as backend:
        await backend.remove(name, source)
    run.out.result({"removed": source or name})
    run.out.text(f"removed {source or name}")


add_default(app, corpora)
add_command(app, show, "show")
add_command(app, rm, "rm")
