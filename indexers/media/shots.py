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

Blocks = NDArray[np.float32]  # grey levels, block by block

LOOK_HZ = 4.0  # frames a second that are compared; cuts are found to a quarter of a second
_STEP = 16  # frames between two reports
_BLOCK = 4  # pixels
_BLOCK_CHANGED = 16.0  # grey levels
_STABLE = 0.002  # share of blocks that may differ from the frame before
_NEW = 0.004  # share of blocks that must differ from the last still: about one short line of text
_NEW_SLIDE = 0.015
# A block that moved in one of eight looks of late is left out …
_BUSY, _BUSIEST, _FORGET = 0.13, 0.3, 0.95
_AROUND = 5  # … with its neighbours, in blocks: a face moves here and there
_LEAST_SEEN = 0.3  # share of blocks; when more than the rest moves, nothing stays
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
        self.stills: list[Span] = []
        self.before: Blocks | None = None
        self.busy: Blocks = np.zeros((1, 1), np.float32)
        self.still: Blocks | None = None  # the picture that stays at the moment, since still_s
        self.still_s = 0.0
        self.changed_s: float | None = None  # since when the picture is not that one

    def look(self, frame: Frame) -> None:
        import cv2
        from scenedetect import FrameTimecode

        index, now_s = len(self.times), frame.time_s
        self.times.append(now_s)
        blocks = _blocks(frame.image)
        if self.before is None:
            self.busy = np.zeros(blocks.shape, np.float32)
        for cut in self.detector.process_frame(FrameTimecode(index, LOOK_HZ), frame.image):
            cut_s = self.times[cut.frame_num]  # it is known some frames later
            self.cuts.append(cut_s)
            if self.still is None or self.still_s < cut_s:
                self._leave(cut_s)
                self.busy[:] = 0
        if self.before is None:
            self.before, self.changed_s = blocks, now_s
            return
        moved = np.abs(blocks - self.before) > _BLOCK_CHANGED
        self.before = blocks
        self.busy = np.minimum(_FORGET * self.busy + (1 - _FORGET) * moved, _BUSIEST)
        seen = cv2.dilate(self.busy, np.ones((_AROUND, _AROUND), np.uint8)) < _BUSY
        if seen.mean() < _LEAST_SEEN:
            self._leave(now_s)
            return
        differs = 1.0
        if self.still is not None:
            differs = float(((np.abs(blocks - self.still) > _BLOCK_CHANGED) & seen).mean())
            if differs < _NEW:
                self.changed_s = None
                return
            self.changed_s = self.changed_s or now_s
            if now_s - self.still_s < self.spacing_s:
                return  # stays new, and is taken a moment later
        if float((moved & seen).mean()) < _STABLE:
            self._settle(now_s, blocks, differs)

    def _settle(self, now_s: float, blocks: Blocks, differs: float) -> None:
        """A new picture stays from here on."""
        start_s = now_s if self.changed_s is None else self.changed_s
        stayed = self.still is not None and start_s - self.still_s > _SETTLE_S
        slide = stayed and differs > _NEW_SLIDE
        self._leave(start_s)
        if now_s - start_s > _SETTLE_S:
            start_s = self.times[-2]
        self.still, self.still_s, self.changed_s = blocks, start_s, None
        if slide:
            self.cuts.append(start_s)

    def _leave(self, now_s: float) -> None:
        if self.still is not None and self.still_s < now_s:
            self.stills.append(Span(self.still_s, now_s))
        self.still, self.changed_s = None, now_s

    def finish(self, duration_s: float) -> Scan:
        end_s = self.times[-1] + 1 / LOOK_HZ
        # The last picture stays until the end, unless the file breaks off long before it
        gap_s = max(float(np.diff(self.times).max(initial=0.0)), 2.0)
        if end_s < duration_s <= self.times[-1] + 2 * gap_s:
            end_s = duration_s
        self._leave(end_s if self.changed_s is None else self.changed_s)
        bounds = [self.times[0]]
        for cut in sorted(self.cuts):
            if cut - bounds[-1] >= 1.0:
                bounds.append(cut)
        bounds.append(end_s)
        shots = [Span(a, b) for a, b in pairwise(bounds) if b > a]
        restless = [
            shot for shot in shots if not any(_overlap(shot, still) > 0.25 for still in self.stills)
        ]
        return Scan(tuple(shots), tuple(sorted(self.stills + restless)))


def _overlap(one: Span, two: Span) -> float:
    return min(one.end_s, two.end_s) - max(one.start_s, two.start_s)


def _blocks(image: Picture) -> Blocks:
    """Mean grey level of each block."""
    height, width = (side - side % _BLOCK for side in image.shape[:2])
    grey = image[:height, :width].mean(axis=2, dtype=np.float32)
    tiles = grey.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    blocks: Blocks = tiles.mean(axis=(1, 3))
    return blocks
