from __future__ import annotations

import pytest

from model_host.engines.silero import SileroOptions, spans

PLAIN = SileroOptions(shortest_speech_s=0, shortest_pause_s=0, pad_s=0)


def rounded(found: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(round(start, 3), round(end, 3)) for start, end in found]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([], []),
        ([0.1, 0.2], []),
        ([0.9], [(0.0, 0.1)]),
        ([0.1, 0.9, 0.9, 0.1], [(0.1, 0.3)]),
        ([0.9, 0.4, 0.4, 0.1, 0.4], [(0.0, 0.3)]),  # goes on down to 0.35, does not start there
        ([0.9, 0.1, 0.9], [(0.0, 0.1), (0.2, 0.3)]),
    ],
)
def test_hysteresis(shares: list[float], expected: list[tuple[float, float]]) -> None:
    assert rounded(spans(shares, 0.1, PLAIN)) == expected


def test_short_pauses_are_joined_and_short_noises_dropped() -> None:
    shares = [0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.1]
    options = SileroOptions(shortest_speech_s=0.25, shortest_pause_s=0.25, pad_s=0)
    assert rounded(spans(shares, 0.1, options)) == [(0.0, 0.6)]


def test_padding_does_not_make_spans_overlap_or_start_before_zero() -> None:
    options = SileroOptions(shortest_speech_s=0, shortest_pause_s=0, pad_s=0.15)
    assert rounded(spans([0.9, 0.1, 0.1, 0.9], 0.1, options)) == [(0.0, 0.55)]
