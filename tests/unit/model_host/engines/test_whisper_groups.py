"""How a recording is cut for Whisper, with a model that only notes what it is given."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model_host.engines import faster_whisper as module
from model_host.engines.base import Cancel
from model_host.engines.faster_whisper import FasterWhisper, Span, WhisperOptions
from model_host.errors import Cancelled, InvalidInput, UnknownName
from model_host.tasks import Event, Progress, Segment, Transcribe

RATE = 16000


class Model:
    """Says one word a call; hears the language that `languages` names, call by call."""

    supported_languages = ("en", "hi", "ur", "ta")
    model = SimpleNamespace(is_multilingual=True)

    def __init__(self, languages: list[list[tuple[str, float]]]) -> None:
        self.languages = iter(languages)
        self.calls: list[dict[str, Any]] = []

    def feature_extractor(self, sound: np.ndarray) -> np.ndarray:
        return np.zeros((80, 10), np.float32)

    def detect_language(self, features: np.ndarray) -> tuple[str, float, list[tuple[str, float]]]:
        found = next(self.languages)
        return *found[0], found

    def transcribe(self, sound: np.ndarray, **how: Any) -> tuple[list[Any], None]:
        self.calls.append({"seconds": len(sound) / RATE, **how})
        said = SimpleNamespace(
            start=0.0,
            end=len(sound) / RATE,
            text=" word ",
            words=None,
            avg_logprob=-0.1,
            seek=0,
            compression_ratio=1.0,
            no_speech_prob=0.0,
        )
        return [said], None


@pytest.mark.parametrize(
    ("seek", "ratio", "silence", "dropped"),
    [
        (0, 1.1, 0.02, False),
        (1500, 1.1, 0.02, False),  # half of it was left
        (2950, 1.1, 0.02, True),  # half a second was left
        (0, 3.0, 0.02, False),  # a chorus
        (0, 3.0, 0.9, True),  # a loop over silence
    ],
)
def test_what_no_speech_is_behind_is_dropped(
    seek: int, ratio: float, silence: float, dropped: bool
) -> None:
    found = SimpleNamespace(seek=seek, compression_ratio=ratio, no_speech_prob=silence)
    assert module._made_up(found, 30.0) is dropped


@pytest.fixture
def transcribe(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(
        "faster_whisper.transcribe.restore_speech_timestamps",
        lambda segments, chunks, rate: _moved(segments, chunks),
    )

    def run(
        speech: list[tuple[float, float]], languages: list[list[tuple[str, float]]], **ask: Any
    ) -> tuple[Any, list[Event], list[dict[str, Any]]]:
        monkeypatch.setattr(
            module,
            "_speech",
            lambda *_: iter([Span(int(a * RATE), int(b * RATE)) for a, b in speech]),
        )
        engine = FasterWhisper.__new__(FasterWhisper)
        engine._options = WhisperOptions()
        engine._model = Model(languages)
        engine._languages = ["en", "hi", "ta", "ur"]
        events: list[Event] = []
        audio = np.zeros(int(120 * RATE), np.float32)
        cancel = ask.pop("cancel", Cancel())
        result = engine.run(Transcribe(audio=audio, **ask), cancel, events.append)
        return result, events, engine._model.calls

    return run


def _moved(segments: list[Any], chunks: list[dict[str, int]]) -> Iterator[Any]:
    for segment in segments:
        segment.start, segment.end = chunks[0]["start"] / RATE, chunks[-1]["end"] / RATE
        yield segment


def test_no_speech_yields_no_text(transcribe: Any) -> None:
    result, events, calls = transcribe([], [])
    assert (result.language, result.language_confidence) == ("und", 0.0)
    assert events == [Progress(done=120.0, total=120.0)]
    assert calls == []


def test_groups_are_cut_in_pauses_and_below_the_limit(transcribe: Any) -> None:
    speech = [(0, 10), (12, 22), (24, 34), (36, 40)]
    _, events, calls = transcribe(speech, [], language="hi")
    assert [call["seconds"] for call in calls] == [20, 14]
    segments = [event for event in events if isinstance(event, Segment)]
    assert [(s.start_s, s.end_s) for s in segments] == [(0, 22), (24, 40)]
    assert [event.done for event in events if isinstance(event, Progress)] == [22, 40, 120]


def test_a_language_without_a_prompt_is_heard_in_one_piece(transcribe: Any) -> None:
    _, _, calls = transcribe([(0, 10), (12, 22), (24, 34), (36, 40)], [], language="en")
    assert [call["seconds"] for call in calls] == [34]


def test_each_group_has_its_own_language_and_script_prompt(transcribe: Any) -> None:
    speech = [(0, 9), (11, 20), (22, 31)]
    heard = [[("en", 0.9)], [("ur", 0.8), ("hi", 0.1)], [("ta", 0.4), ("hi", 0.3)]]
    result, events, calls = transcribe(speech, heard)
    languages = [event.language for event in events if isinstance(event, Segment)]
    assert languages == ["en", "hi", "hi"]  # Urdu counts as Hindi; a weak guess changes nothing
    assert calls[0]["initial_prompt"] is None
    assert "हिंदी" in calls[1]["initial_prompt"]
    assert calls[1]["beam_size"] == 5
    assert all(call["temperature"] == 0.0 for call in calls)
    assert all(call["condition_on_previous_text"] is False for call in calls)
    assert result.language == "hi"


def test_a_given_language_is_kept_and_the_prompt_follows_the_script(transcribe: Any) -> None:
    _, _, calls = transcribe([(0, 5)], [], language="ta", prompt="வார்டு")
    assert calls[0]["language"] == "ta"
    assert calls[0]["initial_prompt"].endswith("உரையாடல். வார்டு")


def test_an_unknown_language(transcribe: Any) -> None:
    with pytest.raises(UnknownName, match=r"'hin'.*Did you mean 'hi'"):
        transcribe([(0, 5)], [], language="hin")


def test_a_cancelled_call_stops_before_the_next_group(transcribe: Any) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        transcribe([(0, 5)], [], language="en", cancel=cancel)


def test_bad_audio(transcribe: Any) -> None:
    with pytest.raises(InvalidInput, match="sample rate"):
        transcribe([], [], rate_hz=3)


def test_the_encoder_runs_once_for_the_same_features() -> None:
    runs = itertools.count(1)
    encode = module._remembering(lambda features: next(runs))
    one, two = np.zeros((80, 5)), np.ones((80, 5))
    assert [encode(one), encode(one.copy()), encode(two), encode(one)] == [1, 1, 2, 3]


@pytest.mark.parametrize("speech", [[(1, 3), (298, 302), (400, 401)], [(298, 302), (400, 401)]])
def test_speech_over_the_edge_of_a_block_is_found_whole(
    monkeypatch: pytest.MonkeyPatch, speech: list[tuple[float, float]]
) -> None:
    starts: list[float] = []

    def found(block: np.ndarray, options: Any) -> list[dict[str, int]]:
        offset = float(block[0])
        starts.append(offset)
        end = offset + len(block) / RATE
        return [
            {
                "start": round((max(a, offset) - offset) * RATE),
                "end": round((min(b, end) - offset) * RATE),
            }
            for a, b in speech
            if a < end and b > offset
        ]

    monkeypatch.setattr("faster_whisper.vad.get_speech_timestamps", found)
    audio = (np.arange(450 * RATE) / RATE).astype(np.float32)
    got = [(span.start / RATE, span.end / RATE) for span in module._speech(audio, 28.0, Cancel())]
    assert np.array(got) == pytest.approx(np.array(speech), abs=0.01)
    assert starts == pytest.approx([0, 298])  # blocks have 300 seconds
