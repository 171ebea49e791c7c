from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.readers.sentences import sentences
from indexers.script import script_language

TEXTS = {
    "en": "Good evening, 42!",
    "hi": "पानी की टंकी",
    "mr": "पाणी येत आहे आणि ते गोड आहे",
    "bn": "জলের ট্যাঙ্ক",
    "as": "পানীৰ টেংকি",
    "pa": "ਪਾਣੀ ਦੀ ਟੈਂਕੀ",
    "gu": "પાણીની ટાંકી",
    "or": "ପାଣି ଟାଙ୍କି",
    "ta": "தண்ணீர் தொட்டி",
    "te": "నీటి ట్యాంక్",
    "kn": "ನೀರಿನ ಟ್ಯಾಂಕ್",
    "ml": "വെള്ള ടാങ്ക്",
    "ur": "پانی کی ٹنکی",
}


@pytest.mark.parametrize("language", TEXTS)
def test_script_language(language: str) -> None:
    assert script_language(TEXTS[language]) == language
    assert script_language(f"{TEXTS[language]} OK") == language


@pytest.mark.parametrize("text", ["", "123 !?", "— …", "漢字"])
def test_no_language(text: str) -> None:
    assert script_language(text) is None


SPLITS = [
    ("One. Two! Three?", ["One. ", "Two! ", "Three?"]),
    ("Dr. Rao paid Rs. 3.5 lakh. He left.", ["Dr. Rao paid Rs. 3.5 lakh. ", "He left."]),
    ("पहला।दूसरा॥ तीसरा", ["पहला।", "दूसरा॥ ", "तीसरा"]),
    ('He said "go." Then he went.', ['He said "go." ', "Then he went."]),
    ("At 6 p.m. we met. etc. and so on", ["At 6 p.m. we met. etc. and so on"]),
    ("So I. We did.", ["So I. ", "We did."]),
]


@pytest.mark.parametrize(("text", "parts"), SPLITS)
def test_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@given(st.text(alphabet="aB. !?\n।\"'”) क", max_size=80))
def test_joined_sentences_are_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text
