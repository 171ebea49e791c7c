from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_host.engines.shared.text import clean, pieces, speakable
from model_host.errors import InvalidInput


@pytest.mark.parametrize("text", ["", " ", "\n\n", "...!?", "🙂🙂", "\0\x01", "।", "—"])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(InvalidInput, match="nothing to say"):
        pieces(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One sentence here. Another one here!", ["One sentence here.", "Another one here!"]),
        ("Version 2.5 costs Rs. 1.50 each", ["Version 2.5 costs Rs. 1.50 each"]),
        ("Dr. Rao spoke. She agreed to it.", ["Dr. Rao spoke.", "She agreed to it."]),
        ("नाली बनेगी जून में। काम होगा तब॥ ठीक", ["नाली बनेगी जून में।", "काम होगा तब॥", "ठीक"]),
        ('He said "we begin." Then they left.', ['He said "we begin."', "Then they left."]),
        ("first line here\nsecond line here", ["first line here", "second line here"]),
        ("A sentence here. 🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂 !!!", ["A sentence here."]),
        ("\0Hello\tthere\u200b  you", ["Hello there\u200b you"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_a_long_sentence_is_cut_at_clauses_then_at_spaces_then_anywhere() -> None:
    clauses = "the first clause of it, and the second clause of it, and the third clause of it"
    assert pieces(clauses, limit=55) == [
        "the first clause of it, and the second clause of it,",
        "and the third clause of it",
    ]
    assert pieces("word " * 10, limit=20) == ["word word word word"] * 2 + ["word word"]
    assert pieces("x" * 50, limit=20) == ["x" * 20, "x" * 20, "x" * 10]


def test_the_first_piece_is_short_where_a_clause_ends_early() -> None:
    text = "After the long debate, the committee agreed to repair the drain near the school."
    assert pieces(text, first=40)[0] == "After the long debate,"
    assert pieces(text, first=15) == [text]  # no clause ends that early
    assert pieces(text) == [text]


@given(st.text(max_size=600), st.integers(20, 100))
def test_nothing_speakable_is_lost_and_no_piece_is_too_long(text: str, limit: int) -> None:
    if not speakable(clean(text)):
        with pytest.raises(InvalidInput):
            pieces(text, limit=limit)
        return
    found = pieces(text, limit=limit, first=30)
    assert all(0 < len(piece) <= limit for piece in found)
    kept = [char for char in "".join(found) if speakable(char)]
    assert kept == [char for char in clean(text) if speakable(char)]
