from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from indexers.moments import Moment, moment_id

text = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20)
parts = st.tuples(text, text, text, st.integers(0, 10**9))


def test_the_id_of_a_moment_never_changes() -> None:
    # A literal: corpora on disk were written with it.
    assert moment_id("c", "h", "speech", 3) == str(
        uuid.uuid5(uuid.UUID("6f1d9f0e-6b52-5f5c-9d0e-2f9f5a1c7a11"), "c\nh\nspeech\n3")
    )


@given(parts, parts)
def test_ids_are_equal_only_for_equal_parts(
    one: tuple[str, str, str, int], other: tuple[str, str, str, int]
) -> None:
    assert (moment_id(*one) == moment_id(*other)) == (one == other)
    assert uuid.UUID(moment_id(*one)).version == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_us": 2, "end_us": 1},
        {"end_us": 1},
        {"at_us": 2, "at_end_us": 1},
        {"start_us": -1},
        {"ordinal": -1},
        {"page": 0},
        {"modality": "smell"},
    ],
)
def test_moments_that_cannot_be(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {
        "corpus": "c", "source": "s", "content_hash": "h", "modality": "text", "ordinal": 0,
        "text": "x",
    }  # fmt: skip
    Moment.model_validate(right)
    with pytest.raises(ValidationError):
        Moment.model_validate({**right, **wrong})
