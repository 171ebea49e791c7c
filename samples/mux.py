"""Writes sound and pictures as small MP4 (H.264 + AAC) or Ogg (Opus) files, through PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_FRAMES_PER_S = 5  # slides do not move
_KEY_FRAME_S = 4
_BLOCK = 2048  # samples


def write_ogg(path: Path, audio: NDArray[np.float32], rate_hz: int) -> None:
    """Opus, mono, 24 kbit/s: 180 KB a minute."""
    with av.open(str(path), "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=rate_hz)
        stream.layout, stream.bit_rate = "mono", 24_000
        _encode_audio(out, stream, audio, rate_hz)


def write_mp4(
    path: Path,
    pictures: Sequence[tuple[NDArray[np.uint8], float, float]],
    audio: NDArray[np.float32],
    rate_hz: int,
) -> None:
    """`pictures`: RGB, start and end in seconds, one after the other from 0 to the end."""
    height, width, _ = pictures[0][0].shape
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        video: Any = out.add_stream("libx264", rate=_FRAMES_PER_S)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.gop_size = _FRAMES_PER_S * _KEY_FRAME_S
        video.options = {"crf": "26", "preset": "slow", "tune": "stillimage"}
        sound: Any = out.add_stream("aac", rate=rate_hz)
        sound.layout, sound.bit_rate = "mono", 64_000
        count = 0
        for picture, _, end_s in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            while count < round(end_s * _FRAMES_PER_S):
                frame.pts, frame.time_base = count, Fraction(1, _FRAMES_PER_S)
                out.mux(video.encode(frame))
                count += 1
        out.mux(video.encode(None))
        _encode_audio(out, sound, audio, rate_hz)


def _encode_audio(out: Any, stream: Any, audio: NDArray[np.float32], rate_hz: int) -> None:
    for start in range(0, len(audio), _BLOCK):
        block = np.ascontiguousarray(audio[None, start : start + _BLOCK])
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, start
        frame.time_base = Fraction(1, rate_hz)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
