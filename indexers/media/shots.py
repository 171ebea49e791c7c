"""Shots and still pictures of a video, found in one pass over small frames.

A shot ends at a cut (PySceneDetect's adaptive detector) or where a slide gives way to another.
A still is a picture that stays: a slide, a title, a page on a shared screen. It is what is worth
reading. Corners that move all the time (a speaker's camera beside the slides) are left out of the
comparison. A shot that never rests gets one still, over the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.media.video import Frame, Picture, iter_frames

LOOK_HZ = 4.0  # frames a second that are compared; cuts are found to a quarter of a second
_STEP = 16  # frames between two reports
_BLOCK = 4  # pixels
_BLOCK_CHANGED = 16.0  # grey levels
_STABLE = 0.002  # share of blocks that may differ from the frame before
_NEW = 0.004  # share of blocks that must differ from the last still: about one short line of text
_NEW_SLIDE = 0.015
_BUSY, _FORGET = 0.4, 0.9  # a block that moved in most of the last two seconds is left out
_SETTLE_S = 1.5  # a picture that rests so soon after a change has been there since the change


class Span(NamedTuple):
    start_s: float
    end_s: float


class Scan(NamedTuple):
    shots: tuple[Span, ...]
    stills: tuple[Span, ...]


def scan_video(path: Path, duration_s: float, stills_hz: float = 1.0) -> Iterator[float | Scan]:
    """Yields the seconds that have been looked at, now and then, and the Scan at last.

    `stills_hz` bounds the stills in a second. Raises UnreadableMedia."""
    looker = _Looker(1 / stills_hz)
    for index, frame in enumerate(iter_frames(path, LOOK_HZ)):
        looker.look(frame)
        if index % _STEP == _STEP - 1:
            yield frame.time_s
    yield looker.finish(duration_s)


class _Looker:
    def __init__(self, spacing_s: float) -> None:
        from scenedetect import AdaptiveDetector

        self.detector: Any = AdaptiveDetector(min_scene_len=int(LOOK_HZ))
        self.spacing_s = spacing_s
        self.times: list[float] = []
        self.cuts: list[float] = []
        self.stills: list[tuple[float, float]] = []  # start, and end where it is known
        self.before: NDArray[np.float32] | None = None
        self.still: NDArray[np.float32] | None = None
        self.busy: NDArray[np.float32] | None = None
        self.changed_s: float | None = None  # since when the picture is not the last still

    def look(self, frame: Frame) -> None:
        from scenedetect import FrameTimecode

        index = len(self.times)
        self.times.append(frame.time_s)
        code = FrameTimecode(index, LOOK_HZ)
        for cut in self.detector.process_frame(code, frame.image):
            self.cuts.append(self.times[cut.frame_num])
        blocks = _blocks(frame.image)
        if self.before is None or self.busy is None:
            self.before, self.busy = blocks, np.zeros(blocks.shape, np.float32)
            return
        moved = np.abs(blocks - self.before) > _BLOCK_CHANGED
        self.busy = _FORGET * self.busy + (1 - _FORGET) * moved
        seen = self.busy < _BUSY
        self.before = blocks
        rests = float((moved & seen).mean()) < _STABLE
        differs = 1.0
        if self.still is not None:
            differs = float(((np.abs(blocks - self.still) > _BLOCK_CHANGED) & seen).mean())
            if differs < _NEW:
                self.changed_s = None
                return
            self.changed_s = frame.time_s if self.changed_s is None else self.changed_s
        if rests and seen.mean() > 0.3:
            self._new_still(frame.time_s, blocks, differs)

    def _new_still(self, now_s: float, blocks: NDArray[np.float32], differs: float) -> None:
        start_s = self.times[0] if self.changed_s is None else self.changed_s
        if self.stills:
            last_s = self.stills[-1][0]
            if now_s - last_s < self.spacing_s:
                return  # stays new, and is taken a moment later
            self.stills[-1] = (last_s, start_s)
        if now_s - start_s > _SETTLE_S:
            start_s = self.times[-2]
        self.stills.append((start_s, -1.0))
        self.still, self.changed_s = blocks, None
        if len(self.stills) > 1 and differs > _NEW_SLIDE:
            self.cuts.append(start_s)

    def finish(self, duration_s: float) -> Scan:
        end_s = self.times[-1] + 1 / LOOK_HZ
        # The last picture stays until the end, unless the file breaks off long before it
        gap_s = max(float(np.diff(self.times).max(initial=0.0)), 2.0)
        if end_s < duration_s <= self.times[-1] + 2 * gap_s:
            end_s = duration_s
        bounds = [self.times[0]]
        for cut in sorted(self.cuts):
            if cut - bounds[-1] >= 1.0:
                bounds.append(cut)
        bounds.append(end_s)
        shots = [Span(a, b) for a, b in pairwise(bounds) if b > a]
        if self.stills and self.stills[-1][1] < 0:
            self.stills[-1] = (self.stills[-1][0], self.changed_s or end_s)
        stills = [Span(a, b) for a, b in self.stills if b > a]
        for shot in shots:
            if not any(_overlap(shot, still) > 0.25 for still in stills):
                stills.append(shot)
        return Scan(tuple(shots), tuple(sorted(stills)))


def _overlap(one: Span, two: Span) -> float:
    return min(one.end_s, two.end_s) - max(one.start_s, two.start_s)


def _blocks(image: Picture) -> NDArray[np.float32]:
    """Mean grey level of each block."""
    height, width = (side - side % _BLOCK for side in image.shape[:2])
    grey = image[:height, :width].mean(axis=2, dtype=np.float32)
    tiles = grey.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    blocks: NDArray[np.float32] = tiles.mean(axis=(1, 3))
    return blocks
