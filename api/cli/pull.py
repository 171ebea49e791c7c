"""`sutradhar pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.run import Run
from model_host.errors import UnknownName

if TYPE_CHECKING:
    from model_host.catalog.card import Card


async def command(
    run: Run,
    cards: Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Card ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every card of the catalog.")] = False,
    task: Annotated[
        str | None, typer.Option(help="Only the profile's cards for this task.")
    ] = None,
) -> None:
    """Download model weights and verify them.

    Without names: every card of the profile. What is present is not pulled again; a stopped pull
    goes on where it was."""
    from model_host.store import PullProgress, Store

    store = Store(run.settings.host)
    chosen = _chosen(run, cards or [], everything, task)
    pulled: list[dict[str, object]] = []
    with run.out.bars() as bars:

        def show(seen: PullProgress) -> None:
            bars.update(f"pull {seen.card_id}", seen.done_bytes, seen.total_bytes, unit="bytes")

        for card in chosen:
            present = store.is_present(card)
            folder = await store.pull(card, show)
            pulled.append(
                {
                    "id": card.id,
                    "pulled": not present,
                    "size_bytes": card.download_bytes,
                    "path": str(folder) if card.files else None,
                }
            )
    for row in pulled:
        run.out.text(f"{row['id']}: {_state(row)}")
    run.out.result(pulled)


def _chosen(run: Run, names: list[str], everything: bool, task: str | None) -> list[Card]:
    if names:
        return [run.catalog.get(name) for name in names]
    if everything:
        cards = list(run.catalog.cards.values())
        return [card for card in cards if task is None or card.task == task]
    serves = run.profile.serves
    if task is not None and task not in serves:
        raise UnknownName.among("task", task, serves)
    ids = dict.fromkeys(i for name in serves if task in (None, name) for i in serves[name])
    return [run.catalog.get(card_id) for card_id in ids]


def _state(row: dict[str, object]) -> str:
    if row["path"] is None:
        return "nothing to pull (part of its library, or remote)"
    return f"{'pulled' if row['pulled'] else 'present'}, {row['path']}"
