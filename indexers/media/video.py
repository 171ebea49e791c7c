"""Pictures of a video, upright and scaled down, at their real times.

decord2 reads them; PyAV reads on where decord2 gives up (damaged or exotic files). Times are
seconds of the container's timeline, the same as the sound's. Memory does not grow with length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.media.probe import decoded, open_media, origin_s, probe, unreadable, video_stream

Picture = NDArray[np.uint8]
_BATCH = 16
# Containers with an index. In transport and program streams decord2 lands on wrong frames.
_INDEXED = ("mov", "matroska", "avi", "flv", "asf")


class Frame(NamedTuple):
    """`image` is (height, width, 3) RGB, shown from `time_s` on."""

    time_s: float
    image: Picture


def iter_frames(path: Path, rate_hz: float, longest_px: int = 256) -> Iterator[Frame]:
    """At most `rate_hz` frames a second, each the first at or after its tick.

    Raises UnreadableMedia when not one frame can be decoded."""
    last_s = -1.0
    try:
        for frame in _decord(path, longest_px, rate_hz=rate_hz):
            last_s = frame.time_s
            yield frame
    except _DecordFailed:
        for frame in _pyav(path, longest_px, rate_hz):
            if frame.time_s > last_s:
                last_s = frame.time_s
                yield frame
    if last_s < 0:
        raise unreadable(path, "Not one picture of it can be decoded.")


def frames_at(path: Path, times_s: Sequence[float], longest_px: int = 1280) -> Iterator[Frame]:
    """The frame that is on the screen at each of the ascending `times_s`."""
    left = list(times_s)
    try:
        for frame in _decord(path, longest_px, times_s=times_s):
            left.pop(0)
            yield frame
    except _DecordFailed:
        shown: Frame | None = None
        for frame in _pyav(path, longest_px, 0.0):
            while left and shown is not None and frame.time_s > left[0]:
                yield shown._replace(time_s=left.pop(0))
            shown = frame
            if not left:
                return
        if shown is not None:
            for time_s in left:
                yield shown._replace(time_s=time_s)


class _DecordFailed(Exception):
    """decord2 cannot open or decode this; never leaves the module."""


def _decord(
    path: Path, longest_px: int, *, rate_hz: float = 0.0, times_s: Sequence[float] = ()
) -> Iterator[Frame]:
    import decord
    from decord._ffi.base import DECORDError

    info = probe(path)
    width, height = _fit(info.width, info.height, longest_px)
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise unreadable(path, "It has no moving pictures.")
        if not container.format.name.startswith(_INDEXED):
            raise _DecordFailed
        late_s = float((stream.start_time or 0) * stream.time_base) - origin_s(container)
    try:
        decord.logging.set_level(decord.logging.QUIET)
        reader = decord.VideoReader(f"file:{path}", width=width, height=height)
        starts = reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(np.float64)
        starts += late_s  # decord counts from the first picture
        if times_s:
            shown = np.searchsorted(starts, np.asarray(times_s) + 1e-3, side="right") - 1
            indices = np.maximum(shown, 0)
        else:
            ticks = np.arange(starts[0], starts[-1] + 1e-6, 1 / rate_hz)
            indices = np.unique(np.searchsorted(starts, ticks - 1e-3))
    except (DECORDError, RuntimeError, AssertionError, IndexError, ValueError) as error:
        raise _DecordFailed from error
    for at in range(0, len(indices), _BATCH):
        batch = indices[at : at + _BATCH]
        try:
            images = reader.get_batch(batch.tolist()).asnumpy()
        except (DECORDError, RuntimeError) as error:
            raise _DecordFailed from error
        for index, image in zip(batch, images, strict=True):
            yield Frame(float(starts[index]), image)


def _pyav(path: Path, longest_px: int, rate_hz: float) -> Iterator[Frame]:
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise unreadable(path, "It has no moving pictures.")
        stream.thread_type = "AUTO"
        origin, due_s = origin_s(container), -1.0
        for frame in decoded(container, stream):
            time_s = (frame.time or 0.0) - origin
            if time_s >= due_s:
                if rate_hz:
                    due_s = (int(time_s * rate_hz + 1e-3) + 1) / rate_hz - 1e-3
                yield Frame(time_s, _upright(frame, longest_px))


def _upright(frame: Any, longest_px: int) -> Picture:
    width, height = _fit(frame.width, frame.height, longest_px)
    image: Picture = frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
    turns = round(frame.rotation / 90) % 4  # FFmpeg counts counter-clockwise, as NumPy does
    return np.ascontiguousarray(np.rot90(image, turns))


def _fit(width: int, height: int, longest_px: int) -> tuple[int, int]:
    """Never enlarged, at least 2 pixels a side."""
    scale = min(1.0, longest_px / max(width, height, 1))
    return max(2, round(width * scale)), max(2, round(height * scale))
