"""Numbers, dates and kinds, however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.grounding.quantities import quantities


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("4.2 lakh", {420000}),
        ("₹4,20,000", {420000}),
        ("four point two lakh rupees", {420000}),
        ("४.२ लाख", {420000}),
        ("one crore twelve lakh", {11200000}),
        ("3 lakh 40 thousand", {340000}),
        ("two hundred and five complaints", {205}),
        ("forty two and seven", {42, 7}),
        ("18 per cent of 1,250 homes", {18, 1250}),
        ("lakhs of people", set()),
        ("बयालीस घर", {42}),
        ("1, 2 and 3", {1, 2, 3}),
        ("", set()),
    ],
)
def test_numbers(text: str, numbers: set[float]) -> None:
    assert quantities(text).numbers == numbers


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("March 9, 2026", {(3, 9)}),
        ("the ninth of March", {(3, 9)}),
        ("9 मार्च को", {(3, 9)}),
        ("21st of May", {(5, 21)}),
        ("twenty-first May", {(5, 21)}),
        ("2026-03-09", {(3, 9)}),
        ("we may meet 9 people", set()),
    ],
)
def test_dates(text: str, dates: set[tuple[int, int]]) -> None:
    assert quantities(text).dates == dates


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("from 6:30 am", "clock"),
        ("सुबह छह बजे", "clock"),
        ("Rs 500", "money"),
        ("five crore rupees", "money"),
        ("for three weeks", "duration"),
        ("तीन महीने", "duration"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    assert getattr(quantities(text), kind)
    assert not getattr(quantities("the green gate"), kind)


@given(st.integers(min_value=0, max_value=99_99_999))
def test_indian_grouping_means_the_same_number(number: int) -> None:
    digits = str(number)
    head, tail = digits[:-3], digits[-3:]
    groups: list[str] = []
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    grouped = ",".join([*groups, tail])
    assert quantities(grouped).numbers == {float(number)}


@given(st.text(max_size=80))
def test_never_fails(text: str) -> None:
    quantities(text)
