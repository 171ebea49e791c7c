from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexers.media import video
from indexers.media.audio import probe
from indexers.media.shots import Scan, scan_video
from indexers.media.video import frames_at, iter_frames
from model_host.errors import UnreadableMedia
from tests import media

RED, BLUE = (200, 20, 20), (20, 20, 200)
SLIDES = [media.Slide(2, (), RED), media.Slide(2, (), BLUE)]


def is_red(image: np.ndarray) -> bool:
    return bool(image[..., 0].mean() > image[..., 2].mean())


@pytest.fixture(params=["decord", "pyav"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of reading pictures must agree."""
    if request.param == "pyav":

        def gives_up(*args: object, **options: object) -> None:
            raise video._DecordFailed

        monkeypatch.setattr(video, "_decord", gives_up)
    return str(request.param)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "ts", "mov"])
def test_frames_of_each_container(suffix: str, backend: str, tmp_path: Path) -> None:
    codec = {"webm": "libvpx", "avi": "mpeg4"}.get(suffix, "libx264")
    path = media.slide_video(tmp_path / f"a.{suffix}", SLIDES, size=(160, 90), codec=codec)
    frames = list(iter_frames(path, 2.0, longest_px=80))
    assert [round(frame.time_s, 1) for frame in frames] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert [is_red(frame.image) for frame in frames] == [True] * 4 + [False] * 4
    assert frames[0].image.shape == (45, 80, 3)


def test_variable_frame_rate_keeps_real_times(backend: str, tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 1.9, 2.0, 3.3]
    path = media.slide_video(tmp_path / "a.mp4", SLIDES, size=(160, 90), frame_times_s=times)
    frames = list(iter_frames(path, 10.0))
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=0.01)
    shown = list(frames_at(path, [0.15, 1.0, 1.95, 3.0]))
    assert [is_red(frame.image) for frame in shown] == [True, True, True, False]


def test_pictures_that_start_late(backend: str, tmp_path: Path) -> None:
    path = media.slide_video(
        tmp_path / "a.mkv",
        SLIDES,
        size=(160, 90),
        frame_times_s=[1.0 + n / 10 for n in range(20)],
        audio=media.tone(3),
    )
    assert next(iter_frames(path, 2.0)).time_s == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_video_is_turned_upright(degrees: int, backend: str, tmp_path: Path) -> None:
    upright = np.zeros((160, 90, 3) if degrees != 180 else (90, 160, 3), np.uint8)
    upright[: upright.shape[0] // 4] = 255  # a bright sky
    flat = media.slide_video(
        tmp_path / "a.mp4",
        [media.Slide(1, ())],
        size=(160, 90),
        picture=np.rot90(upright, degrees // 90),
    )
    path = media.rotated(flat, tmp_path / "b.mp4", degrees)
    image = next(iter_frames(path, 1.0)).image
    assert image.shape == upright.shape
    assert image[:10].mean() > 200
    assert image[-10:].mean() < 50
    info = probe(path)
    assert (info.rotation, info.height, info.width) == (degrees, *upright.shape[:2])


def test_odd_sizes(backend: str, tmp_path: Path) -> None:
    path = media.slide_video(tmp_path / "a.mp4", SLIDES, size=(161, 91))
    assert next(iter_frames(path, 1.0)).image.shape == (91, 161, 3)


def test_no_pictures(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.m4a", media.tone(1))
    with pytest.raises(UnreadableMedia):
        list(iter_frames(path, 1.0))


def scan(path: Path, hz: float = 1.0) -> Scan:
    *_, last = scan_video(path, probe(path).duration_s, hz)
    assert isinstance(last, Scan)
    return last


def test_slides_are_shots_and_stills(tmp_path: Path) -> None:
    white = [
        media.Slide(4, ("Ward meeting", "Budget 2031")),
        media.Slide(5, ("Roads", "42 km resurfaced")),
        media.Slide(3, ("Thanks",), BLUE),
    ]
    found = scan(media.slide_video(tmp_path / "a.mp4", white, size=(640, 360)))
    edges = [0.0, 4.0, 9.0, 12.0]
    for spans in (found.shots, found.stills):
        assert [span.start_s for span in spans] == pytest.approx(edges[:-1], abs=0.3)
        assert [span.end_s for span in spans] == pytest.approx(edges[1:], abs=0.3)


def test_line_that_is_added_is_a_new_still_of_the_same_shot(tmp_path: Path) -> None:
    slides = [
        media.Slide(4, ("Ward meeting", "Budget 2031")),
        media.Slide(4, ("Ward meeting", "Budget 2031", "Roads")),
    ]
    found = scan(media.slide_video(tmp_path / "a.mp4", slides, size=(640, 360)))
    assert len(found.shots) == 1
    assert [round(still.start_s) for still in found.stills] == [0, 4]


def test_speaker_in_a_corner_does_not_hide_the_slides(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    slides = [media.Slide(6, ("Water",)), media.Slide(6, ("Roads", "and more"))]
    path = media.slide_video(
        tmp_path / "a.mp4",
        slides,
        size=(640, 360),
        corner=lambda: rng.integers(0, 255, (90, 120, 1), np.uint8),
    )
    found = scan(path)
    assert 2 <= len(found.stills) <= 3
    assert any(still.start_s == pytest.approx(6.0, abs=0.6) for still in found.stills)


def test_shot_that_never_rests_has_one_still(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    path = media.slide_video(
        tmp_path / "a.mp4",
        [media.Slide(5, ())],
        size=(160, 90),
        corner=lambda: rng.integers(0, 255, (90, 160, 1), np.uint8),
    )
    found = scan(path)
    assert len(found.stills) == len(found.shots)
