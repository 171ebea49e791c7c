from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.media.audio import cut_at_quiet, decode_audio, iter_audio, probe, write_wav
from model_host.errors import UnreadableMedia
from tests import media

RATE = 16000


def onset_s(audio: np.ndarray) -> float:
    return float(np.flatnonzero(np.abs(audio) > 0.05)[0]) / RATE


def pitch_hz(audio: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(audio[: 2 * RATE] * np.hanning(2 * RATE)))
    return float(spectrum.argmax()) / 2


@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (44100, 2), (96000, 6)])
def test_any_rate_and_channels_become_mono_at_the_wanted_rate(
    rate_hz: int, channels: int, tmp_path: Path
) -> None:
    sound = np.concatenate([media.tone(2, rate_hz, 330)] * channels)
    audio = decode_audio(media.wav(tmp_path / "a.wav", sound, rate_hz))
    assert len(audio) == pytest.approx(2 * RATE, abs=40)
    assert pitch_hz(audio) == pytest.approx(330, abs=1)
    assert audio.dtype == np.float32
    assert np.abs(audio).max() <= 1.0


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_sound_that_starts_late_lies_where_it_is_heard(suffix: str, tmp_path: Path) -> None:
    path = media.slide_video(
        tmp_path / f"late.{suffix}",
        [media.Slide(5, ("x",))],
        fps=5,
        size=(160, 90),
        audio=media.tone(2),
        audio_offset_s=2.0,
    )
    audio = decode_audio(path)
    assert onset_s(audio) == pytest.approx(2.0, abs=0.1)
    assert len(audio) / RATE == pytest.approx(4.0, abs=0.15)


def test_blocks_are_the_whole_in_order(tmp_path: Path) -> None:
    path = media.wav(tmp_path / "a.wav", media.tone(2.5))
    blocks = list(iter_audio(path, RATE, block_s=1.0))
    assert [start for start, _ in blocks] == [0.0, 1.0, 2.0]
    assert [len(block) for _, block in blocks] == [RATE, RATE, RATE // 2]
    np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), decode_audio(path))


def test_damaged_packets_are_left_out(tmp_path: Path) -> None:
    whole = media.encode(tmp_path / "a.mp3", media.tone(4, 44100), 44100, codec="libmp3lame")
    audio = decode_audio(media.corrupted(whole, tmp_path / "b.mp3", after=0.6))
    assert 2.0 < len(audio) / RATE < 4.5


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    cover = media.slide_picture(media.Slide(1, ("Cover",)), 64, 64)
    path = media.encode(
        tmp_path / "a.mp3", media.tone(1, 44100), 44100, codec="libmp3lame", cover=cover
    )
    info = probe(path)
    assert (info.has_audio, info.has_video) == (True, False)


def test_video_without_sound_has_no_audio(tmp_path: Path) -> None:
    path = media.slide_video(tmp_path / "a.mp4", [media.Slide(1, ("x",))], size=(160, 90))
    assert not probe(path).has_audio
    with pytest.raises(UnreadableMedia, match="no sound track"):
        decode_audio(path)


def test_written_wav_is_16_bit_and_clipped(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.array([0.0, 0.5, 2.0, -2.0], np.float32), 24000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
        samples = np.frombuffer(file.readframes(9), "<i2")
    assert samples.tolist() == [0, 16383, 32767, -32767]


def test_a_window_ends_where_it_is_quiet() -> None:
    audio = np.concatenate([media.tone(3), media.silence(0.6), media.tone(3)], axis=1)[0]
    (start_s, first), (second_s, _) = cut_at_quiet(np.split(audio, 2), window_s=6)
    assert start_s == 0
    assert len(first) / RATE == second_s == pytest.approx(3.3, abs=0.15)


@given(sizes=st.lists(st.integers(0, 50_000), max_size=8))
def test_cutting_loses_and_doubles_nothing(sizes: list[int]) -> None:
    sound = np.arange(sum(sizes), dtype=np.float32)
    blocks = np.split(sound, np.cumsum(sizes)[:-1]) if sizes else []
    windows = list(cut_at_quiet(blocks, window_s=1.0))
    assert np.array_equal(np.concatenate([w for _, w in windows]), sound)
    assert [round(start * RATE) for start, _ in windows] == [
        int(w[0]) if len(w) else 0 for _, w in windows
    ]
