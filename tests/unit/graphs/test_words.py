"""Words: Indian words stay whole, names and misspellings are recognised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.grounding.words import content_stems, likeness, names, sentences, stem, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("वार्ड की शक्ति समिति", ["वार्ड", "की", "शक्ति", "समिति"]),
        ("தமிழ்நாடு அரசு", ["தமிழ்நாடு", "அரசு"]),
        ("Mr. D'Souza, at 10 a.m.", ["Mr", "D'Souza", "at", "10", "a.m"]),
        ("ward-7 (north)", ["ward-7", "north"]),
        ("समिति।दूसरा", ["समिति", "दूसरा"]),
        ("", []),
        ("… — !?", []),
    ],
)
def test_tokens_keep_words_whole(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Rao spoke. He left!", ["Dr. Rao spoke.", "He left!"]),
        ("पानी आया। सब खुश थे।", ["पानी आया।", "सब खुश थे।"]),
        ("It cost Rs. 4.2 lakh. Fine.", ["It cost Rs. 4.2 lakh.", "Fine."]),
        ('"Stop." He said no.', ['"Stop."', "He said no."]),
        ("one line", ["one line"]),
        ("Helpline\n1916", ["Helpline", "1916"]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_sentences_are_verbatim_and_in_order(text: str) -> None:
    at = 0
    for part in sentences(text):
        at = text.index(part, at) + len(part)


@given(st.text(max_size=60))
def test_tokens_and_stems_never_fail(text: str) -> None:
    for word in tokens(text):
        assert word in text
        assert likeness(stem(word), stem(word)) == 1.0


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("drains", "drain", True),
        ("approved", "approve", True),
        ("Kavitha", "Kavita", True),
        ("drain", "train", False),
        ("बजट", "budget", True),
        ("सुरेश", "Suresh", True),
        ("पुस्तकालय", "library", False),
        ("17", "71", False),
        ("बैठकों", "बैठक", True),
    ],
)
def test_likeness(a: str, b: str, same: bool) -> None:
    assert (likeness(stem(a), stem(b)) >= 0.75) is same


def test_content_stems_leave_out_questions_and_grammar() -> None:
    assert content_stems("How much was set aside for the drains?") == ["set", "asid", "drain"]
    assert content_stems("बैठक कब होगी?") == ["बैठक"]


def test_names() -> None:
    assert names("Who told Kavita Rao about the PTA?") == ["kavita", "rao", "pta"]
    assert names("When is the next meeting?") == []
