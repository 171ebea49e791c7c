"""Text on the screen of a video: one Moment for as long as the same words stay."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from indexers.media.shots import Span
from indexers.moments import US
from indexers.readers.chunks import chunk_language
from indexers.readers.draft import Draft
from model_host.tasks import TextLine

_SURE = 0.5  # a line that was read with less confidence is noise
_SAME = 0.85  # similarity of two readings of one picture
_FEWEST = 3  # letters and digits on a picture
_TITLE_CHARS = 160


class Screen(NamedTuple):
    """What was read on a picture, and when that picture was shown."""

    start_s: float
    end_s: float
    lines: tuple[TextLine, ...]

    @property
    def text(self) -> str:
        return "\n".join(line.text.strip() for line in self.lines)


def readable(lines: tuple[TextLine, ...]) -> tuple[TextLine, ...]:
    """The believable lines, in the order that they came in; nothing when it is but a letter or
    two, as OCR finds them in leaves and bricks."""
    left = tuple(line for line in lines if line.confidence >= _SURE and _letters(line.text))
    if sum(_letters(line.text) for line in left) < _FEWEST:
        return ()
    return left


def _letters(text: str) -> int:
    return sum(char.isalnum() for char in text)


def merged(screens: list[Screen]) -> list[Screen]:
    """Neighbours with the same text become one; the surer reading stays."""
    out: list[Screen] = []
    for screen in screens:
        if not screen.lines:
            continue
        last = out[-1] if out else None
        if last is not None and screen.start_s - last.end_s < 1.5 and _same(last, screen):
            best = max(last, screen, key=_confidence)
            out[-1] = Screen(last.start_s, max(last.end_s, screen.end_s), best.lines)
        else:
            out.append(screen)
    return out


def screen_draft(screen: Screen, language: str | None) -> Draft:
    boxes = [line.box for line in screen.lines]
    return Draft(
        modality="screen-text",
        text=screen.text,
        start_us=round(screen.start_s * US),
        end_us=round(screen.end_s * US),
        box=(
            max(0.0, min(box[0] for box in boxes)),
            max(0.0, min(box[1] for box in boxes)),
            min(1.0, max(box[2] for box in boxes)),
            min(1.0, max(box[3] for box in boxes)),
        ),
        language=chunk_language(screen.text, language),
        confidence=round(_confidence(screen), 4),
    )


def frame_draft(still: Span) -> Draft:
    """A key frame: the picture that stands for as long as `still`. It has no text; a profile with
    a model for pictures gives it a vector."""
    return Draft(
        modality="frame",
        text="",
        start_us=round(still.start_s * US),
        end_us=round(still.end_s * US),
    )


def scene_draft(shot: Span, screens: list[Screen]) -> Draft:
    """A shot; its text is the title (first line) of each picture in it, which may be nothing."""
    titles = dict.fromkeys(
        screen.lines[0].text.strip()
        for screen in screens
        if min(screen.end_s, shot.end_s) - max(screen.start_s, shot.start_s) > 0.25
    )
    text = " · ".join(titles)[:_TITLE_CHARS]
    return Draft(
        modality="scene",
        text=text,
        start_us=round(shot.start_s * US),
        end_us=round(shot.end_s * US),
        language=chunk_language(text, None),
    )


def _same(one: Screen, two: Screen) -> bool:
    first, second = (" ".join(screen.text.lower().split()) for screen in (one, two))
    if first == second:
        return True
    digits = [[char for char in text if char.isdigit()] for text in (first, second)]
    if digits[0] != digits[1]:
        return False  # another figure is another statement, however alike the words are
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio() >= _SAME


def _confidence(screen: Screen) -> float:
    return sum(line.confidence for line in screen.lines) / len(screen.lines)
