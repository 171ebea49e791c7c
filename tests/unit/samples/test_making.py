from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.evaluation.markup import Script, Unit
from model_host.tasks import Synthesize
from samples.mux import write_mp4, write_ogg
from samples.narration import RATE_HZ, narrate, resampled
from samples.slides import HEIGHT, WIDTH, draw_slide

VOICES = {"voice Asha": "fake/one", "voice Bina": "fake/two"}


async def hum(request: Synthesize, card: str) -> tuple[np.ndarray, int]:
    """A tenth of a second a character, at a rate that is not ours."""
    assert card == "fake"
    seconds = len(request.text) / 10
    at = np.arange(round(seconds * 22050), dtype=np.float32) / 22050
    return np.sin(600 * at).astype(np.float32) * 0.3, 22050


def said(speaker: str, text: str) -> Unit:
    return Unit("utterance", text, speaker=speaker)


async def test_slides_stand_until_the_next_and_speech_does_not_overlap() -> None:
    units = (
        Unit("slide", "One"),
        said("Asha", "ten chars."),
        said("Bina", "and twenty characters"),
        Unit("slide", "Two"),
        said("Asha", "end"),
    )
    audio, times = await narrate(Script("x.mp4", units, VOICES), hum)
    (first, ten, twenty, second, last) = times
    assert first[0] == 0.0
    assert first[1] == second[0]
    assert second[1] == pytest.approx(len(audio) / RATE_HZ)
    assert ten[0] < ten[1] < twenty[0] < twenty[1] <= second[0] < last[0] < last[1]
    assert twenty[1] - twenty[0] == pytest.approx(2.1, abs=0.05)


async def test_every_voice_is_as_loud_and_silence_lies_between() -> None:
    audio, times = await narrate(
        Script("x.ogg", (said("Asha", "ten chars."), said("Bina", "ten chars.")), VOICES), hum
    )
    (start, end), (after, _) = times
    heard = audio[round(start * RATE_HZ) : round(end * RATE_HZ)]
    assert float(np.sqrt(np.mean(np.square(heard)))) == pytest.approx(0.08, rel=0.05)
    assert not audio[round(end * RATE_HZ) + 1 : round(after * RATE_HZ) - 1].any()


async def test_a_speaker_without_a_voice_is_refused() -> None:
    with pytest.raises(KeyError, match="Chandra"):
        await narrate(Script("x.ogg", (said("Chandra", "hello"),), VOICES), hum)


def test_resampling_keeps_the_duration() -> None:
    assert len(resampled(np.zeros(22050, np.float32), 22050, 16000)) == pytest.approx(16000, abs=40)


def test_slide_has_a_bar_and_ink() -> None:
    picture = draw_slide(["Title", "A line"], 1, 2)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize("lines", [["x" * 90], ["Title", "y" * 120], ["Title", *"123456"]])
def test_what_does_not_fit_on_a_slide_is_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        draw_slide(lines, 1, 1)


def test_video_changes_its_picture_when_it_should(tmp_path: Path) -> None:
    dark, light = (np.full((64, 96, 3), level, np.uint8) for level in (10, 240))
    path = tmp_path / "x.mp4"
    write_mp4(path, [(dark, 0.0, 2.0), (light, 2.0, 3.0)], np.zeros(72000, np.float32), 24000)
    with av.open(str(path)) as container:
        frames = [
            (f.time, float(f.to_ndarray(format="gray").mean())) for f in container.decode(video=0)
        ]
    assert {time for time, level in frames if level > 128} == {2.0, 2.2, 2.4, 2.6, 2.8}
    assert len(frames) == 15


def test_ogg_keeps_the_duration(tmp_path: Path) -> None:
    path = tmp_path / "x.ogg"
    write_ogg(path, np.zeros(RATE_HZ * 2, np.float32), RATE_HZ)
    with av.open(str(path)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(2.0, abs=0.05)
