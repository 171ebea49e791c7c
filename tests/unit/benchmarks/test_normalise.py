from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.evaluation.normalise import contains, tokens


@pytest.mark.parametrize(
    "spellings",
    [
        ("six lakh forty thousand rupees", "6.4 lakh rupees", "6,40,000 रुपये", "₹६,४०,००० rupees"),
        ("1.9 crore", "19000000", "one crore ninety lakh", "1,90,00,000"),
        ("two hundred and twelve cans", "212 cans"),
        ("forty two lakh", "42 lakh", "4.2 million", "बयालीस लाख".replace("बयालीस", "42")),
        ("the 16th of August", "16 August", "August 16", "16TH AUGUST"),
        ("27 per cent", "27%", "twenty seven percent"),
        ("fourteen hundred", "1,400", "1 ,400"),
        ("बारह दिन", "12 दिन", "१२ दिन"),
        ("सत्रहवीं हज़ार", "सत्रहवीं हजार"),
        ("19.4 kg", "19.4kg", "19.4 kilograms"),
    ],
)
def test_one_spelling(spellings: tuple[str, ...]) -> None:
    assert len({tuple(tokens(text.replace("₹", ""))) for text in spellings}) == 1


@pytest.mark.parametrize(
    ("text", "separate"),
    [
        ("nineteen to twelve", ["19", "to", "12"]),
        ("five and six", ["5", "and", "6"]),
        ("ten past three", ["10", "past", "3"]),
        ("2 3 4", ["2", "3", "4"]),
        ("at 9:30", ["at", "9", "30"]),
        ("It was 2028. Then", ["it", "was", "2028", "then"]),
    ],
)
def test_numbers_beside_each_other_stay_apart(text: str, separate: list[str]) -> None:
    assert tokens(text) == separate


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("It costs 142 rupees.", "42 rupees"),
        ("It costs 4,200 rupees.", "42"),
        ("about 4.25 lakh", "4.2 lakh"),
        ("Salimullah said so", "Salim"),
        ("", "x"),
        ("anything", "the"),
    ],
)
def test_a_part_of_a_word_or_number_is_not_the_answer(text: str, accepted: str) -> None:
    assert not contains(text, accepted)


def test_pattern_is_searched_in_the_one_spelling() -> None:
    assert contains("They paid 6.4 lakh.", "re:paid 640000")


@given(st.integers(0, 10**9 - 1))
def test_indian_commas_change_nothing(value: int) -> None:
    digits = str(value)
    head, tail = digits[:-3], digits[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    assert tokens(",".join([*groups, tail])) == [digits]


@given(st.text())
def test_any_text_is_spelled_and_contains_itself(text: str) -> None:
    assert contains(text, text) == bool(tokens(text))
