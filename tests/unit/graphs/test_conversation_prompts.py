"""Which texts are small talk, which lean on what was said before, and how they are completed."""

from __future__ import annotations

import pytest

from graphs.conversation.prompts import (
    NOT_HEARD,
    alone,
    is_small_talk,
    refers_back,
    small_talk_reply,
    with_topic,
)


@pytest.mark.parametrize(
    "text",
    [
        "Hi!", "hello", "Hello there", "Good morning.", "Thanks", "thank you very much!", "OK",
        "ok, thanks, bye", "Great", "Help", "Who are you?", "What can you do?", "See you later",
        "Namaste", "नमस्ते", "नमस्ते जी!", "धन्यवाद", "बहुत बहुत धन्यवाद।", "ठीक है।", "आप कौन हैं?",
        "शुभ रात्रि",
    ],
)  # fmt: skip
def test_small_talk(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "?", "Who helped?", "Hello, how much was approved?", "Why?", "And then?",
        "Who thanked the committee?", "What was said in the morning?", "Good roads", "you there",
        "Is the morning shift full?", "नमस्ते, बजट कितना है?", "किसने धन्यवाद दिया?", "मदद किसने की?",
    ],
)  # fmt: skip
def test_no_small_talk(text: str) -> None:
    assert not is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    [
        "And who objected?", "and when was that?", "Why?", "What about the park?", "Since when?",
        "When does it open?", "Did they agree?", "What did she say?", "How old is he?",
        "Who else?", "What happened there?", "Who decided that?", "Why that road?",
        "और आपत्ति किसने की?", "वह कब खुलेगा?", "ये कब हुआ?", "उसका बजट कितना है?", "क्यों?",
        "इसे किसने बनवाया?", "उन्होंने क्या कहा?", "uska budget kitna hai?",
    ],
)  # fmt: skip
def test_leans_on_what_was_said_before(text: str) -> None:
    assert refers_back(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "?!", "Who objected?", "Is there a library in the ward?", "How many people were there?",
        "Who said that the drain is clean?", "How much was spent this year?",
        "What did Meera say about her road?", "Is Anand in the hall?", "When did Andheri flood?",
        "Before the meeting was opened by the chair, what did it ask of the residents?",
        "पुस्तकालय कब खुलेगा?", "इस्तीफा किसने दिया?", "उनतीस लोग कहाँ गए?", "इस साल कितना खर्च हुआ?",
    ],
)  # fmt: skip
def test_stands_for_itself(text: str) -> None:
    assert not refers_back(text)


@pytest.mark.parametrize(
    ("question", "earlier", "completed"),
    [
        ("And who objected to it?", ["What does the storm drain cost?"],
         "who objected to storm drain?"),
        ("And who objected?", ["What does the storm drain cost?"], "who objected storm drain?"),
        ("When was that?", ["Who repaired the drain?"], "When was repaired drain?"),
        ("Why?", ["And who objected?", "What does the drain cost?", "Who sang?"],
         "Why objected drain?"),
        ("Did they repair the drain?", ["Who repaired the drain?"], "Did they repair the drain?"),
        ("And who objected?", [], "who objected?"),
        ("And?", [], "And?"),
        ("वह कब खुलेगा?", ["पुस्तकालय कहाँ है?"], "पुस्तकालय कब खुलेगा?"),
        ("और उसका समय क्या है?", ["पुस्तकालय कहाँ है?"], "पुस्तकालय समय क्या है?"),
    ],
)  # fmt: skip
def test_a_follow_up_is_completed(question: str, earlier: list[str], completed: str) -> None:
    assert with_topic(question, earlier) == completed


@pytest.mark.parametrize(
    ("question", "untied"),
    [("And who sang?", "who sang?"), ("Andheri?", "Andheri?"), ("और क्यों?", "क्यों?"), ("", "")],
)
def test_the_conjunction_is_left_out(question: str, untied: str) -> None:
    assert alone(question) == untied


@pytest.mark.parametrize("language", ["hi", "ta"])
def test_phrases_are_hindi_or_english(language: str) -> None:
    said = small_talk_reply(language, "ward")
    assert "'ward'" in said
    assert said.isascii() is (language == "ta")
    assert NOT_HEARD["hi"] != NOT_HEARD["en"]
