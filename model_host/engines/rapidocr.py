"""PP-OCR through rapidocr: models are inside the library, nothing is downloaded.

Its alphabet is Latin, Greek, Chinese and Japanese; it has no Indian script.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.loading import Options, expect, loading
from model_host.errors import EngineMissing, InvalidInput, TooLarge
from model_host.tasks import Read, ReadResult, Request, TextLine

LARGEST = 100_000_000  # pixels
SMALLEST = 8  # pixels a side, as the model sees it; below there is nothing to read


class RapidOcrOptions(Options):
    least_confidence: float = Field(0.5, ge=0, le=1)
    upside_down: bool = False  # look for text turned by 180 degrees, too
    longest_side: int = Field(2000, ge=320)  # a larger image is shrunk
    detect_side: int = Field(960, ge=320)  # lines are looked for at this size, read at full size


class RapidOCR:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        options = RapidOcrOptions.of(card)
        self._longest_side = options.longest_side
        with loading(card):
            import rapidocr

            logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
            inside = Path(rapidocr.__file__).parent / "models"
            if not list(inside.glob("*_rec_*.onnx")) or not list(inside.glob("*_det_*.onnx")):
                raise EngineMissing("This rapidocr has no models inside.", fix="Install 3.10.")
            self._reader: Any = rapidocr.RapidOCR(
                params={
                    "Global.log_level": "critical",
                    "Global.text_score": options.least_confidence,
                    "Global.use_cls": options.upside_down,
                    "Global.max_side_len": options.longest_side,
                    # The default, a least side of 736, takes three times the memory and time.
                    "Det.limit_type": "max",
                    "Det.limit_side_len": options.detect_side,
                    "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                }
            )
            self._reader(np.full((64, 64, 3), 255, np.uint8))  # loads the models now

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> ReadResult:
        """Lines of text in reading order. Raises InvalidInput for an empty image and TooLarge."""
        image = expect(request, Read).image
        height, width = image.shape[:2]
        if not image.size:
            raise InvalidInput("The image is empty.")
        if height * width > LARGEST:
            raise TooLarge(f"The image has {height * width} pixels.", fix=f"Limit: {LARGEST}.")
        shrunk = min(1.0, self._longest_side / max(height, width))
        if min(height, width) * shrunk < SMALLEST:
            return ReadResult(lines=())
        cancel.check()
        found = self._reader(np.ascontiguousarray(image[:, :, ::-1]))  # it wants BGR
        if found.boxes is None or found.txts is None:
            return ReadResult(lines=())
        scale = np.array([width, height], np.float32)
        lines = []
        for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
            points = np.clip(np.asarray(corners, np.float32) / scale, 0.0, 1.0)
            (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
            box = (float(left), float(top), float(right), float(bottom))
            if text.strip():
                lines.append(TextLine(text=text.strip(), box=box, confidence=float(score)))
        return ReadResult(lines=tuple(in_reading_order(lines)))

    def close(self) -> None:
        del self._reader


def in_reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """Rows from top to bottom, each from left to right; columns of running text one by one."""
    ordered = sorted(lines, key=lambda line: line.box[1])
    bands: list[list[TextLine]] = []
    for line in ordered:
        middle = (line.box[1] + line.box[3]) / 2
        if bands and middle <= max(other.box[3] for other in bands[-1]):
            bands[-1].append(line)
        else:
            bands.append([line])
    rows = [sorted(band, key=lambda line: line.box[0]) for band in bands]
    result: list[TextLine] = []
    at = 0
    while at < len(rows):
        gutter = _gutter(rows[at:])
        if gutter is None:
            result += rows[at]
            at += 1
            continue
        count, split = gutter
        block = [line for row in rows[at : at + count] for line in row]
        result += [line for line in block if line.box[2] <= split]
        result += [line for line in block if line.box[2] > split]
        at += count
    return result


PROSE = 18  # characters: shorter entries side by side are a table, read row by row


def _gutter(rows: Sequence[Sequence[TextLine]]) -> tuple[int, float] | None:
    """How many of the first rows stand in two columns of prose, and where the left one ends."""
    left_end, right_start, count = 0.0, 1.0, 0
    texts: list[str] = []
    for row in rows:
        if len(row) != 2:
            break
        first, second = row
        if max(left_end, first.box[2]) >= min(right_start, second.box[0]):
            break
        left_end, right_start = max(left_end, first.box[2]), min(right_start, second.box[0])
        texts += [first.text, second.text]
        count += 1
    if count < 3 or sorted(map(len, texts))[len(texts) // 2] < PROSE:
        return None
    return count, left_end
