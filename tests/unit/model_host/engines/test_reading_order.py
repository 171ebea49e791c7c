from __future__ import annotations

import random

from model_host.engines.rapidocr import in_reading_order
from model_host.tasks import TextLine


def line(text: str, left: float, top: float) -> TextLine:
    box = (left, top, min(1.0, left + 0.011 * len(text)), top + 0.05)
    return TextLine(text=text, box=box, confidence=1.0)


def order(*lines: TextLine) -> list[str]:
    """Whatever order they were found in."""
    found = list(lines)
    random.Random(3).shuffle(found)
    return [item.text for item in in_reading_order(found)]


def test_rows_come_from_top_to_bottom_and_left_to_right() -> None:
    assert order(line("title", 0.1, 0.1), line("left", 0.1, 0.3), line("right", 0.6, 0.31)) == [
        "title",
        "left",
        "right",
    ]


def test_a_table_is_read_row_by_row() -> None:
    names = ["Drain", "Lights", "Bench", "Total"]
    sums = ["12,50,000", "3,00,000", "40,000", "15,90,000"]
    cells = [
        line(text, left, 0.2 + 0.1 * row)
        for left, column in ((0.1, names), (0.6, sums))
        for row, text in enumerate(column)
    ]
    assert order(*cells) == [text for pair in zip(names, sums, strict=True) for text in pair]


def test_columns_of_prose_are_read_one_by_one() -> None:
    left = ["The committee met on Monday", "and agreed to repair", "the drain before the rains"]
    right = ["Residents asked for lights", "along the school road", "and a bench in the park"]
    columns = [
        line(text, edge, 0.3 + 0.08 * row)
        for edge, column in ((0.05, left), (0.55, right))
        for row, text in enumerate(column)
    ]
    assert order(line("Title over both", 0.1, 0.1), *columns, line("Footer", 0.1, 0.9)) == [
        "Title over both", *left, *right, "Footer",
    ]  # fmt: skip


def test_nothing() -> None:
    assert in_reading_order([]) == []
