from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.media.shots import Span as Shot
from indexers.readers import speech
from indexers.readers.screen import Screen, merged, readable, scene_draft
from indexers.readers.speech import Said, Sentences, doubtful, words_of
from model_host.errors import EngineMissing
from model_host.tasks import DetectSpeech, Read, Span, TextLine, Transcribe
from tests import media
from tests.unit.indexers.readers.scripted import Scripted, collect, spoken

S = 1_000_000


def sentences(
    *segments: tuple[str, float, float], longest_s: float = 30.0
) -> list[tuple[str, float, float]]:
    gather = Sentences(longest_s)
    drafts = [
        draft
        for text, start, end in segments
        for draft in gather.add(words_of(spoken(text, start, end)), 0.0)
    ]
    return [
        (draft.text, (draft.start_us or 0) / S, (draft.end_us or 0) / S)
        for draft in drafts + gather.rest()
    ]


def test_segments_become_sentences() -> None:
    assert sentences(("We met at six. The budget", 0, 5), ("was agreed by all.", 5, 9)) == [
        ("We met at six.", 0.0, pytest.approx(3.333, abs=0.01)),
        ("The budget was agreed by all.", pytest.approx(3.333, abs=0.01), 9.0),
    ]


def test_short_sentences_join_and_pauses_part() -> None:
    assert [text for text, *_ in sentences(("Yes. No. We will see it.", 0, 1.8))] == [
        "Yes. No. We will see it."
    ]
    assert len(sentences(("and then", 0, 1), ("nothing more", 4, 5))) == 2


def test_endless_sentence_is_cut_at_its_longest_pause() -> None:
    words = [Said(n, n + 0.9, f"w{n}", 0.9, "en") for n in range(7)]
    words += [Said(n + 0.6, n + 1.0, f"w{n}", 0.9, "en") for n in range(7, 12)]
    gather = Sentences(10.0)
    texts = [draft.text for draft in gather.add(words, 0.0) + gather.rest()]
    assert texts == ["w0 w1 w2 w3 w4 w5 w6", "w7 w8 w9 w10 w11"]


def test_abbreviations_and_figures_end_no_sentence() -> None:
    found = sentences(("Dr. Rao paid Rs. 3.5 lakh to Mr. Das.", 0, 6))
    assert [text for text, *_ in found] == ["Dr. Rao paid Rs. 3.5 lakh to Mr. Das."]


@given(
    st.lists(
        st.tuples(st.sampled_from(["yes.", "and", "so", "हाँ।", "why?"]), st.floats(0.1, 3)),
        max_size=60,
    ),
    st.floats(2, 30),
)
def test_no_word_is_lost_and_no_sentence_too_long(
    words: list[tuple[str, float]], longest_s: float
) -> None:
    at, said = 0.0, []
    for text, length in words:
        length = min(length, longest_s)
        said.append(Said(at, at + length, text, 0.9, "en"))
        at += length
    gather = Sentences(longest_s)
    drafts = gather.add(said, 0.0) + gather.rest()
    assert " ".join(draft.text for draft in drafts) == " ".join(text for text, _ in words)
    for draft in drafts:
        assert draft.start_us is not None
        assert draft.end_us is not None
        assert draft.end_us - draft.start_us <= longest_s * S + 2


@pytest.mark.parametrize("text", ["Hm" + "m" * 40, "thank you so much " * 12])
def test_runaway_text_is_dropped(text: str) -> None:
    assert words_of(spoken(text, 0, 5)) == []


async def test_long_recording_goes_in_portions_cut_where_it_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "PORTION_S", 10.0)
    monkeypatch.setattr("indexers.media.audio._CUT_WITHIN_S", 4.0)
    monkeypatch.setattr(speech, "_BLOCK_S", 2.0)
    sound = np.concatenate(
        [media.tone(8), media.silence(1), media.tone(8), media.silence(1)], axis=1
    )
    client = Scripted(hear=lambda ask: [spoken("Here we are.", 1, 3)])
    drafts, reports = await collect(media.wav(tmp_path / "a.wav", sound), client)
    lengths = [len(ask.audio) / 16000 for ask in client.asked if isinstance(ask, Transcribe)]
    assert lengths[0] == pytest.approx(8.5, abs=0.4)
    assert sum(lengths) == pytest.approx(18.0, abs=0.01)
    assert [round((draft.start_us or 0) / S, 1) for draft in drafts[:2]] == [
        1.0,
        pytest.approx(1.0 + lengths[0], abs=0.06),
    ]
    assert [report.done for report in reports] == sorted(report.done for report in reports)
    assert reports[-1].done == pytest.approx(18.0, abs=0.01)


def said(start: float, end: float, confidence: float, language: str = "en") -> Said:
    return Said(start, end, "word", confidence, language)


DOUBTS = [
    ("understood", [said(0, 4, 0.9)], []),
    ("nothing heard", [], [(0, 4)]),
    ("hardly anything heard", [said(0, 0.5, 0.9)], [(0, 4)]),
    ("unsure English", [said(0, 4, 0.4)], [(0, 4)]),
    ("unsure Hindi, as always", [said(0, 4, 0.4, "hi")], []),
]


@pytest.mark.parametrize(("case", "words", "expected"), DOUBTS)
def test_doubtful(case: str, words: list[Said], expected: list[tuple[float, float]]) -> None:
    found = doubtful([Span(start_s=0, end_s=4)], words)
    assert [(span.start_s, span.end_s) for span in found] == expected


def test_doubtful_neighbours_are_heard_together() -> None:
    spans = [Span(start_s=a, end_s=b) for a, b in ((0, 1), (1.5, 3), (9, 10), (20, 45), (46, 50))]
    assert [(s.start_s, s.end_s) for s in doubtful(spans, [])] == [(0, 3), (20, 45), (46, 50)]


def mixed(ask: Transcribe) -> list[object]:
    """English for the whole; Hindi when the second half is heard alone."""
    if len(ask.audio) < 16000 * 6:
        return [spoken("पानी की टंकी।", 0, 3.5, language="hi", confidence=0.5)]
    return [
        spoken("The budget was agreed.", 0, 4),
        spoken("Honey key tanky.", 5, 8.5, confidence=0.4),
    ]


async def test_part_in_another_language_is_heard_again(tmp_path: Path) -> None:
    path = media.wav(tmp_path / "a.wav", media.tone(9))
    client = Scripted(hear=mixed, speech=[(0, 4), (5, 8.6)])  # type: ignore[arg-type]
    drafts, _ = await collect(path, client)
    assert [(draft.language, draft.text) for draft in drafts] == [
        ("en", "The budget was agreed."),
        ("hi", "पानी की टंकी।"),
    ]
    assert drafts[1].start_us == 5 * S
    assert drafts[1].words[0].start_us == 5 * S
    again = Scripted(hear=mixed, speech=[(0, 4), (5, 8.6)])  # type: ignore[arg-type]
    drafts, _ = await collect(path, again, language="en")
    assert len(again.asked) == 1, "a given language is taken as said"
    without = Scripted(hear=mixed, speech=EngineMissing("none"))  # type: ignore[arg-type]
    drafts, _ = await collect(path, without)
    assert len(drafts) == 2


SLIDES = [
    media.Slide(3, ("Ward meeting",)),
    media.Slide(3, ("Ward meeting", "Budget 42")),
    media.Slide(3, ("Thanks",), (20, 20, 120)),
]
TEXTS = [["Ward meeting"], ["Ward meeting", "Budget 42"], ["Thanks", "to all"]]


async def test_video_has_speech_screen_text_and_scenes(tmp_path: Path) -> None:
    path = media.slide_video(tmp_path / "a.mp4", SLIDES, size=(640, 360), audio=media.tone(9))
    answers = iter(TEXTS)
    client = Scripted(
        hear=lambda _: [spoken("We agreed on it.", 2, 4)], see=lambda _: next(answers)
    )
    drafts, reports = await collect(path, client)
    found = [
        (d.modality, d.text, round((d.start_us or 0) / S), round((d.end_us or 0) / S))
        for d in drafts
    ]
    assert found == [
        ("speech", "We agreed on it.", 2, 4),
        ("screen-text", "Ward meeting", 0, 3),
        ("screen-text", "Ward meeting\nBudget 42", 3, 6),
        ("screen-text", "Thanks\nto all", 6, 9),
        ("frame", "", 0, 3),
        ("frame", "", 3, 6),
        ("frame", "", 6, 9),
        ("scene", "Ward meeting", 0, 6),
        ("scene", "Thanks", 6, 9),
    ]
    assert drafts[2].box == pytest.approx((0.1, 0.1, 0.6, 0.28))
    done = [report.done for report in reports]
    assert done == sorted(done)
    assert reports[-1].done == reports[-1].total


async def test_video_without_sound_asks_for_no_transcript(tmp_path: Path) -> None:
    path = media.slide_video(tmp_path / "a.mp4", SLIDES, size=(640, 360))
    client = Scripted(see=lambda _: [])
    drafts, _ = await collect(path, client)
    assert client.count(Transcribe) == client.count(DetectSpeech) == 0
    assert client.count(Read) == 3
    assert {(draft.modality, draft.text) for draft in drafts} == {("scene", ""), ("frame", "")}


async def test_video_with_an_empty_sound_track_still_has_pictures(tmp_path: Path) -> None:
    path = media.slide_video(tmp_path / "a.mkv", SLIDES, size=(640, 360), audio=media.tone(0))
    drafts, _ = await collect(path, Scripted(see=lambda _: ["Ward"]))
    assert drafts[0].modality == "screen-text"


def line(text: str, confidence: float = 0.9) -> TextLine:
    return TextLine(text=text, box=(0, 0, 1, 0.1), confidence=confidence)


def test_same_text_is_one_screen() -> None:
    screens = [
        Screen(0, 2, (line("Budget 42 lakh agreed"),)),
        Screen(2, 4, (line("Budget 42 1akh agreed", 0.7),)),
        Screen(4, 6, (line("Budget 43 lakh agreed"),)),
        Screen(6, 8, ()),
        Screen(9, 10, (line("Budget 43 lakh agreed"),)),
    ]
    screens[1] = Screen(2, 4, (line("Budget 42 Iakh agreed", 0.7),))
    assert [(s.start_s, s.end_s, s.text) for s in merged(screens)] == [
        (0, 4, "Budget 42 lakh agreed"),
        (4, 6, "Budget 43 lakh agreed"),
        (9, 10, "Budget 43 lakh agreed"),
    ]


def test_specks_are_not_text() -> None:
    assert readable((line("Q"), line("!?"), line("x", 0.9))) == ()
    assert [kept.text for kept in readable((line("Ward"), line("noise", 0.3)))] == ["Ward"]


def test_scene_is_named_by_its_pictures() -> None:
    screens = [
        Screen(0, 4, (line("A"), line("b"))),
        Screen(4, 8, (line("C"),)),
        Screen(8, 9, (line("D"),)),
    ]
    assert scene_draft(Shot(0, 8), screens).text == "A · C"
