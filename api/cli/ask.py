"""`sutradhar ask`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from api.cli.output import Bars, Output, printable
from api.cli.run import Run

if TYPE_CHECKING:
    from api.schemas import Answer, Stage

S = TypeVar("S")


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
    from api.schemas import Ask

    asked = checked(
        Ask,
        question=question,
        audio=audio.absolute() if audio else None,
        corpus=corpus,
        speak=speak.absolute() if speak else None,
        thread=thread,
        language=language,
        voice=voice,
        model=model,
        draft=False if quotes else None,
    )
    with run.out.bars() as bars:
        async with run.backend(bars) as backend:
            answer = await last_answer(backend.ask(asked), bars)
    run.out.result(answer.public())
    show(answer, run.out)


def checked(schema: type[S], **values: Any) -> S:
    """The request; raises InvalidInput when it makes no sense."""
    from pydantic import ValidationError

    from model_host.errors import InvalidInput, first_problem

    try:
        return schema(**values)
    except ValidationError as error:
        where, reason = first_problem(error)
        reason = reason.removeprefix("Value error, ")
        raise InvalidInput(
            "This cannot be asked.",
            why=f"{where}: {reason}." if where else f"{reason[:1].upper()}{reason[1:]}.",
        ) from None


async def last_answer(events: AsyncGenerator[Stage | Answer, None], bars: Bars) -> Answer:
    """Follow a question to its answer; stages show as they begin."""
    from contextlib import aclosing

    from api.schemas import Answer
    from model_host.errors import Unavailable

    async with aclosing(events) as stream:
        async for event in stream:
            if isinstance(event, Answer):
                return event
            bars.update(event.name, 0, None)
    raise Unavailable("The question got no answer.", fix="Ask again.")


def show(answer: Answer, out: Output) -> None:
    """The answer and what it rests on, for a person."""
    from graphs.recall.prompts import clock

    out.text(printable(answer.answer))
    for cited in answer.citations:
        if cited.start_s is not None:
            end = f"-{clock(cited.end_s)}" if cited.end_s is not None else ""
            where = f"{cited.source} {clock(cited.start_s)}{end}"
        elif cited.page is not None:
            where = f"{cited.source} page {cited.page}"
        else:
            where = cited.source
        out.text(printable(f"  [{where}] ({cited.modality}) {' '.join(cited.quote.split())}"))
    if answer.speech:
        out.text(f"  spoken: {answer.speech}")
