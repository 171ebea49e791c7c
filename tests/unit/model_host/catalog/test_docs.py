"""docs/models.md says what the cards say. Its table is written by `rows`; on failure, paste it."""

from __future__ import annotations

from pathlib import Path

from model_host.catalog.card import Card
from model_host.catalog.load import load_catalog
from model_host.settings import HostSettings

PAGE = Path(__file__).parents[4] / "docs" / "models.md"


def rows() -> list[str]:
    nowhere = Path("/nowhere")
    cards = load_catalog(HostSettings(home=nowhere, models_root=nowhere)).cards.values()
    return [row(card) for card in sorted(cards, key=lambda card: (card.task, card.id))]


def row(card: Card) -> str:
    licence = card.licence.id
    if card.licence.engine and card.licence.engine != licence:
        licence += f" (library {card.licence.engine})"
    cells = (
        f"`{card.id}`",
        card.task,
        card.title,
        licence,
        languages(card),
        f"{card.download_bytes / 1e6:,.0f} MB" if card.files else "–",
        f"{card.memory.footprint_bytes / 1e6:,.0f} MB",
        "; ".join(f"{q.metric}: {q.value:g} ({q.data}, {q.source})" for q in card.quality) or "–",
    )
    return f"| {' | '.join(cells)} |"


def languages(card: Card) -> str:
    if not card.languages:
        return "any"
    if len(card.languages) > 15:
        return f"{len(card.languages)}, see the card"
    return " ".join(card.languages)


def test_the_table_is_the_cards() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| `") and line.count(" | ") == 7]
    assert table == rows(), "write this table:\n" + "\n".join(rows())


def test_every_note_is_told() -> None:
    """What a card says against itself stands on the page, too."""
    nowhere = Path("/nowhere")
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for card in load_catalog(HostSettings(home=nowhere, models_root=nowhere)).cards.values():
        assert " ".join(card.note.split()) in text, card.id
