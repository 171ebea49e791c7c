"""Slides as pictures: a title, some lines, a bar. The font is the one inside Pillow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1280, 720
_PAPER, _INK, _BAR, _TITLE = (250, 248, 242), (30, 30, 40), (22, 78, 99), (255, 255, 255)


def draw_slide(lines: Sequence[str], number: int, of: int) -> NDArray[np.uint8]:
    """RGB picture of a slide; `lines` with the title first.

    Raises ValueError when a line does not fit on it."""
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, 150), fill=_BAR)
    _write(draw, (70, 42), lines[0], 58, _TITLE)
    for index, line in enumerate(lines[1:]):
        _write(draw, (70, 215 + index * 95), line, 46, _INK)
    _write(draw, (WIDTH - 120, HEIGHT - 50), f"{number} / {of}", 26, (120, 120, 120))
    return np.asarray(image, np.uint8)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
) -> None:
    font = ImageFont.load_default(size)
    right, bottom = draw.textbbox(at, text, font=font)[2:]
    if right > WIDTH - 20 or bottom > HEIGHT:
        raise ValueError(f"it does not fit on the slide: {text!r}")
    draw.text(at, text, font=font, fill=colour)
