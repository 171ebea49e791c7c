"""`sutradhar chat`."""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from api.cli.ask import checked, last_answer, show
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

    The conversation is kept: the same --thread goes on after a restart. With --json each answer is
    one line of JSON."""
    from api.schemas import Ask
    from model_host.errors import SutradharError

    name = thread or f"chat-{uuid.uuid4().hex[:8]}"
    speak: Path | None = None
    with run.out.bars() as bars:
        async with (
            run.backend(bars) as backend,
            aclosing(typed_lines()) as lines,
        ):
            await backend.sources(corpus)  # a missing or busy corpus is said now
            run.out.note(f"Asking '{corpus}', conversation '{name}'. {_HELP}")
            _prompt()
            async for line in lines:
                if line == "/quit":
                    break
                try:
                    if line.startswith("/speak"):
                        speak = _path(line.removeprefix("/speak").strip())
                    elif line.startswith("/"):
                        run.out.note(_HELP)
                    elif line:
                        asked = checked(
                            Ask,
                            question=line,
                            corpus=corpus,
                            thread=name,
                            speak=speak,
                            language=language,
                            draft=False if quotes else None,
                        )
                        answer = await last_answer(backend.ask(asked), bars)
                        if run.out.as_json:
                            print(json.dumps(answer.public(), ensure_ascii=False), flush=True)
                        show(answer, run.out)
                        sys.stdout.flush()
                except SutradharError as error:
                    run.out.note(f"error: {error}")
                _prompt()


async def typed_lines(fd: int = 0) -> AsyncGenerator[str, None]:
    """The lines of standard input, stripped. Waiting for one can be cancelled, which a blocking
    read in a thread cannot: Ctrl-C would wait for Enter."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = ""
    while True:
        await _readable(fd)
        data = os.read(fd, 1 << 16)
        text += decoder.decode(data, final=not data)
        *lines, text = text.split("\n")
        for line in lines:
            yield line.strip()
        if not data:
            if text:
                yield text.strip()
            return


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(fd, ready.set)
    except PermissionError:  # a regular file, which never blocks
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)


def _path(text: str) -> Path | None:
    return Path(os.path.abspath(os.path.expanduser(text))) if text else None


def _prompt() -> None:
    if sys.stdin.isatty():
        print("> ", end="", file=sys.stderr, flush=True)
