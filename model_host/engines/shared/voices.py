"""Which voice of a card speaks."""

from __future__ import annotations

from collections.abc import Mapping

from model_host.catalog.card import Card, Voice
from model_host.errors import UnknownName
from model_host.tasks import Synthesize


def choose_voice(card: Card, ask: Synthesize, defaults: Mapping[str, str]) -> Voice:
    """The voice that was asked for, else the default of the language, else its first.

    Raises UnknownName for a language or a voice that the card does not have."""
    if not card.speaks(ask.language):
        raise UnknownName.among("language of this model", ask.language, card.languages)
    by_id = {voice.id: voice for voice in card.voices}
    own = [voice for voice in card.voices if voice.language == ask.language]
    if ask.voice is not None:
        if ask.voice not in by_id:
            raise UnknownName.among("voice of this model", ask.voice, by_id)
        return by_id[ask.voice]
    chosen = by_id.get(defaults.get(ask.language, "")) or next(iter(own or card.voices), None)
    if chosen is None:
        raise UnknownName(f"The model '{card.id}' names no voice.", fix="Add one to its card.")
    return chosen
