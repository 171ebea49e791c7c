from __future__ import annotations

from collections.abc import Callable

import pytest

from model_host.catalog.card import Card
from model_host.engines.shared.voices import choose_voice
from model_host.errors import UnknownName
from model_host.tasks import Synthesize

VOICES = [
    {"id": "af_heart", "language": "en"},
    {"id": "bm_george", "language": "en"},
    {"id": "hf_alpha", "language": "hi"},
    {"id": "hf_beta", "language": "hi"},
]


@pytest.fixture
def card(make_card: Callable[..., Card]) -> Card:
    return make_card(languages=["en", "hi", "mr"], voices=VOICES)


@pytest.mark.parametrize(
    ("language", "voice", "chosen"),
    [
        ("en", None, "bm_george"),  # the default
        ("hi", None, "hf_alpha"),  # the first of the language
        ("mr", None, "af_heart"),  # no voice of its own
        ("en", "af_heart", "af_heart"),
        ("en", "hf_beta", "hf_beta"),  # an Indian accent
    ],
)
def test_choice(card: Card, language: str, voice: str | None, chosen: str) -> None:
    ask = Synthesize(text="x", language=language, voice=voice)
    assert choose_voice(card, ask, {"en": "bm_george"}).id == chosen


def test_unknown_names_say_the_nearest(card: Card) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'hf_alpha'"):
        choose_voice(card, Synthesize(text="x", voice="hf_alpa"), {})
    with pytest.raises(UnknownName, match="language of this model called 'xx'"):
        choose_voice(card, Synthesize(text="x", language="xx"), {})


def test_a_card_without_voices(make_card: Callable[..., Card]) -> None:
    with pytest.raises(UnknownName, match="names no voice"):
        choose_voice(make_card(), Synthesize(text="x"), {})
