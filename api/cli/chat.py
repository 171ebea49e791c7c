"""`sutradhar chat`."""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer

from api.cli.ask import last_answer, show
from api.cli.run import Run

_HELP = "/quit ends · /speak FILE says the next answers into a file · /help"


async def command(
    run: Run,
    corpus: Annotated[str, typer.Option(metavar="NAME", help="The corpus to ask.")] = "default",
    thread: Annotated[
        str | None, typer.Option(metavar="NAME", help="Continue this conversation.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language; default: found out.")] = None,
    quotes: Annotated[
        bool, typer.Option("--quotes", help="Answer in quotes; do not let the chat model phrase.")
    ] = False,
) -> None:
    """Talk with a corpus in the terminal.

    The conversation is kept: the same --thread goes on after a restart."""
    from api.backend import open_backend
    from api.schemas import Ask
    from model_host.errors import SutradharError

    name = thread or f"chat-{uuid.uuid4().hex[:8]}"
    speak: Path | None = None
    run.out.note(f"Asking '{corpus}', conversation '{name}'. {_HELP}")
    with run.out.bars() as bars:
        async with open_backend(run.settings, on_notice=run.show(bars)) as backend:
            while (line := await asyncio.to_thread(_read_line)) is not None:
                if line == "/quit":
                    break
                if line == "/help":
                    run.out.note(_HELP)
                elif line.startswith("/speak"):
                    target = line.removeprefix("/speak").strip()
                    speak = Path(target).absolute() if target else None
                elif line:
                    asked = Ask(
                        question=line,
                        corpus=corpus,
                        thread=name,
                        speak=speak,
                        language=language,
                        draft=False if quotes else None,
                    )
                    try:
                        answer = await last_answer(backend.ask(asked), run.out)
                    except SutradharError as error:
                        run.out.note(f"error: {error}")
                        continue
                    run.out.result(answer.public())
                    show(answer, run.out)


def _read_line() -> str | None:
    """One line of input; None at its end."""
    if sys.stdin.isatty():
        print("> ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else None
