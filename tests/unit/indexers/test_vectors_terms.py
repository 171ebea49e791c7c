from __future__ import annotations

import pytest

from indexers.vectors.terms import query_terms, terms, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("नारी शक्ति", ["नारी", "शक्ति"]),  # not cut at the virama
        ("தமிழ் அரசு", ["தமிழ்", "அரசு"]),
        ("বিদ্যালয়", ["বিদ্যালয়"]),
        ("Rs. 2,500 and 1,00,000", ["rs", "2500", "and", "100000"]),
        ("४५ रुपये", ["45", "रुपये"]),
        ("৩.৫ crore", ["3.5", "crore"]),
        ("4.5 crore.", ["4.5", "crore"]),
        ("on 12.03.2024.", ["on", "12", "03", "2024"]),
        ("at 10:30, B12", ["at", "10", "30", "b12"]),
        ("the council's don't ward-level", ["the", "council", "dont", "ward", "level"]),
        ("क्‍ष", ["क्ष"]),  # a joiner is a spelling variant
        ("Straße ＢＩＧ", ["strasse", "big"]),
        ("", []),
        ("… — !?", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    import unicodedata

    assert words(text) == [unicodedata.normalize("NFKC", word) for word in expected]


def test_every_term_is_one_ascii_word() -> None:
    found = terms("नारी शक्ति 4.5 budget").split(" ")

    assert len(found) == 4
    assert all(term.isascii() and term.isalnum() for term in found)
    assert found[3] == "budget"


def test_questions_lose_stop_words_unless_nothing_is_left() -> None:
    assert query_terms("When was the budget agreed?") == terms("budget agreed")
    assert query_terms("What is it?") == terms("what is it")
    assert query_terms("बजट कब था") == terms("बजट")
