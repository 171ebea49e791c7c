from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from model_host.catalog.card import Card

MakeCard = Callable[..., Card]


@pytest.fixture
def make_card() -> MakeCard:
    """A card with the few fields that a test names."""

    def make(**fields: Any) -> Card:
        base: dict[str, Any] = {
            "id": "a-card",
            "task": "chat",
            "title": "A card",
            "engine": "an-engine",
            "licence": {"id": "MIT", "commercial": True},
            "memory": {"weights_bytes": 0, "working_bytes": 0},
        }
        return Card.model_validate(base | fields)

    return make
