"""`sutradhar models`, and `models show`, `verify`, `rm`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.output import megabytes
from api.cli.run import Run, add_command, add_default, new_app

if TYPE_CHECKING:
    from model_host.catalog.card import Card
    from model_host.store import Store

app = new_app()


async def models(
    run: Run,
    task: Annotated[str | None, typer.Option(help="Only models for this task.")] = None,
    present: Annotated[
        bool, typer.Option("--present", help="Only models on this machine.")
    ] = False,
) -> None:
    """List the models of the catalog; show, verify or remove one.

    A star marks the ones that the profile uses."""
    from model_host.store import Store

    store = Store(run.settings.host)
    used = {card_id for ids in run.profile.serves.values() for card_id in ids}
    cards = [
        card
        for card in sorted(run.catalog.cards.values(), key=lambda card: (card.task, card.id))
        if (task is None or card.task == task) and (not present or store.is_present(card))
    ]
    run.out.table(
        ["model", "task", "languages", "size", "licence", "here", "measured"],
        [
            [
                card.id + ("*" if card.id in used else ""),
                card.task,
                _languages(card),
                megabytes(card.download_bytes) if card.files else "-",
                _licence(card),
                _here(card, store, run.settings.host.allow),
                _quality(card),
            ]
            for card in cards
        ],
    )
    run.out.result(
        [
            {
                "id": card.id,
                "task": card.task,
                "title": card.title,
                "engine": card.engine,
                "languages": card.languages,
                "size_bytes": card.download_bytes,
                "licence": card.licence,
                "present": store.is_present(card),
                "in_profile": card.id in used,
                "quality": card.quality,
            }
            for card in cards
        ]
    )


async def show(
    run: Run, model: Annotated[str, typer.Argument(metavar="MODEL", help="Card id.")]
) -> None:
    """Show everything that is known about one model."""
    from model_host.store import Store

    store = Store(run.settings.host)
    card = run.catalog.get(model)
    run.out.result(
        card.model_dump(mode="json")
        | {"present": store.is_present(card), "path": str(store.folder(card))}
    )
    for label, value in (
        ("model", f"{card.id}: {card.title}"),
        ("task", f"{card.task}, engine {card.engine}"),
        ("licence", _licence(card) + ("" if card.licence.commercial else ", not commercial")),
        ("languages", ", ".join(card.languages) or "any"),
        ("voices", ", ".join(voice.id for voice in card.voices)),
        ("download", megabytes(card.download_bytes) if card.files else ""),
        ("here", str(store.folder(card)) if store.is_present(card) else "no"),
        ("memory", megabytes(card.memory.footprint_bytes)),
        ("devices", ", ".join(card.placement.devices)),
        *(("measured", f"{_figure(q)} on {q.data} ({q.source})") for q in card.quality),
        ("note", " ".join(card.note.split())),
    ):
        if value:
            run.out.text(f"{label:<10} {value}")


async def verify(
    run: Run,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Card ids; default: all here.")
    ] = None,
) -> None:
    """Hash the weight files on this machine again, and compare them with their cards."""
    from model_host.store import Store

    store = Store(run.settings.host)
    if names:
        cards = [run.catalog.get(name) for name in names]
    else:
        cards = [c for c in run.catalog.cards.values() if c.files and store.is_present(c)]
    for card in cards:
        await store.verify(card)
        run.out.text(f"{card.id}: verified")
    run.out.result({"verified": [card.id for card in cards]})


async def rm(
    run: Run,
    names: Annotated[list[str], typer.Argument(metavar="MODEL", help="Card ids.")],
) -> None:
    """Remove weights from this machine; they can be pulled again."""
    from model_host.store import Store

    store = Store(run.settings.host)
    stored = set(store.ids())
    ids = [name if name in stored else run.catalog.get(name).id for name in names]
    freed = {card_id: store.remove(card_id) for card_id in ids}
    for card_id, size_bytes in freed.items():
        run.out.text(f"{card_id}: {megabytes(size_bytes)} freed")
    run.out.result({"freed_bytes": freed})


add_default(app, models)
add_command(app, show, "show")
add_command(app, verify, "verify")
add_command(app, rm, "rm")


def _here(card: Card, store: Store, allow: Collection[str]) -> str:
    """A card that is off by default (remote, not commercial) is not here until it is allowed."""
    if not card.default_on and card.id not in allow:
        return "off"
    return "yes" if store.is_present(card) else "no"


def _languages(card: Card) -> str:
    if len(card.languages) > 13:
        return f"{len(card.languages)} languages"
    return " ".join(card.languages) or "-"


def _licence(card: Card) -> str:
    engine = f" (engine {card.licence.engine})" if card.licence.engine else ""
    return card.licence.id + engine


def _quality(card: Card) -> str:
    return "; ".join(_figure(q) for q in card.quality[:2])


def _figure(quality: object) -> str:
    return f"{getattr(quality, 'metric', '')} {getattr(quality, 'value', ''):g}"
