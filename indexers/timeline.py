"""Half-open intervals [start, end) of integer microseconds; an instant has end == start."""

from __future__ import annotations


def overlaps(start_us: int, end_us: int, other_start_us: int, other_end_us: int) -> bool:
    """Whether they share an instant. Touching intervals do not; an instant lies in [start, end)."""
    return start_us < max(other_end_us, other_start_us + 1) and (
        other_start_us < max(end_us, start_us + 1)
    )


def overlap_us(start_us: int, end_us: int, other_start_us: int, other_end_us: int) -> int:
    """How long they share, 0 when they do not."""
    return max(0, min(end_us, other_end_us) - max(start_us, other_start_us))
