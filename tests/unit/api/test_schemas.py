from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api.schemas import Answer, Ask, Indexed

PUBLIC = {"question", "answer", "abstained", "citations", "language", "models", "timings_s"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"question": "a", "audio": Path("q.wav")},
        {"question": ""},
        {"question": " \n"},
        {"question": "a", "thread": " "},
        {"question": "a", "voise": "joe"},
    ],
)
def test_what_cannot_be_asked(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Ask(corpus="c", **given)


def test_what_is_public_of_an_answer() -> None:
    answer = Answer(
        question="q",
        answer="a",
        abstained=True,
        citations=(),
        language="en",
        models={},
        timings_s={},
    )
    assert set(answer.public()) == PUBLIC | {"speech", "thread"}
    assert Answer.model_validate(answer.public()) == answer


def test_what_is_public_of_a_source() -> None:
    event = Indexed(source="a", state="done", moments=3, eta_s=1.0)
    assert event.public() == {
        "source": "a",
        "state": "done",
        "path": None,
        "moments": 3,
        "error": None,
        "note": "",
    }
