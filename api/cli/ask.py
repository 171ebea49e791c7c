"""`sutradhar ask`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.output import Output
from api.cli.run import Run

if TYPE_CHECKING:
    from api.schemas import Answer


async def command(
    run: Run,
    question: Annotated[str | None, typer.Argument(metavar="QUESTION", help="In words.")] = None,
    corpus: Annotated[str, typer.Option(metavar="NAME", help="The corpus to ask.")] = "default",
    audio: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A spoken question, in place of words.")
    ] = None,
    speak: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Say the answer into this WAV file.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of question and answer; default: found out.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="Voice of the spoken answer.")] = None,
    model: Annotated[str | None, typer.Option(help="Card that phrases the answer.")] = None,
    thread: Annotated[
        str | None, typer.Option(metavar="NAME", help="Continue this conversation.")
    ] = None,
    quotes: Annotated[
        bool, typer.Option("--quotes", help="Answer in quotes; do not let the chat model phrase.")
    ] = False,
) -> None:
    """Ask a corpus; answers cite source and second, or abstain.

    An answer is made of what the sources say; where nothing supports one, it says so."""
    from pydantic import ValidationError

    from api.backend import open_backend
    from api.schemas import Ask
    from model_host.errors import InvalidInput

    try:
        asked = Ask(
            question=question,
            audio=readable(audio) if audio else None,
            corpus=corpus,
            speak=speak.absolute() if speak else None,
            thread=thread,
            language=language,
            voice=voice,
            model=model,
            draft=False if quotes else None,
        )
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InvalidInput(
            "This cannot be asked.", why=f"{reason[:1].upper()}{reason[1:]}."
        ) from None
    with run.out.bars() as bars:
        async with open_backend(run.settings, on_notice=run.show(bars)) as backend:
            answer = await last_answer(backend.ask(asked), run.out)
    run.out.result(answer.public())
    show(answer, run.out)


async def last_answer(events: object, out: Output) -> Answer:
    """Follow a question to its answer; stages show as they begin."""
    from collections.abc import AsyncIterator

    from api.schemas import Stage

    assert isinstance(events, AsyncIterator)
    found: Answer | None = None
    with out.bars() as bars:
        async for event in events:
            if isinstance(event, Stage):
                bars.update(event.name, 0, None)
            else:
                found = event
    assert found is not None
    return found


def readable(path: Path) -> Path:
    """The absolute path of a file that can be read; InvalidInput otherwise."""
    from model_host.errors import InvalidInput

    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.", fix="Check the name.")
    return path.absolute()


def show(answer: Answer, out: Output) -> None:
    """The answer and what it rests on, for a person."""
    from graphs.recall.prompts import clock

    out.text(answer.answer)
    for cited in answer.citations:
        if cited.start_s is not None:
            end = f"-{clock(cited.end_s)}" if cited.end_s is not None else ""
            where = f"{cited.source} {clock(cited.start_s)}{end}"
        elif cited.page is not None:
            where = f"{cited.source} page {cited.page}"
        else:
            where = cited.source
        out.text(f"  [{where}] ({cited.modality}) {cited.quote}")
    if answer.speech:
        out.text(f"  spoken: {answer.speech}")
