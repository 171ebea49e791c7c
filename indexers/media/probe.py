"""What a media file holds, and the one place where FFmpeg's errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from model_host.errors import UnreadableMedia

_BAD_PACKETS = 2000  # in a row, then the rest is taken as lost


class MediaInfo(NamedTuple):
    """`rotation` is how far the picture must be turned clockwise, in degrees; width and height
    are of the turned picture. `duration_s` is 0.0 when the file does not say. Cover art of an
    audio file is not video."""

    duration_s: float
    has_audio: bool
    has_video: bool
    width: int = 0
    height: int = 0
    rotation: int = 0


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """The file as a PyAV container. Raises UnreadableMedia for whatever FFmpeg cannot read,
    here and inside the block."""
    import av

    av.logging.set_level(None)  # its notes on broken packets would land on our stderr
    if not path.is_file():
        raise UnreadableMedia(f"There is no file {path.name!r}.", fix="Check the path.")
    if path.stat().st_size == 0:
        raise unreadable(path, "It is empty (0 bytes).", "Copy or record it again.")
    try:
        # "file:" keeps a name like "http:x.mp4" or "concat:a|b" from being read as a protocol
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            yield container
    except (av.error.FFmpegError, av.error.ArgumentError) as error:
        raise unreadable(path, _why(error)) from error


def unreadable(path: Path, why: str, fix: str = "") -> UnreadableMedia:
    return UnreadableMedia(
        f"{path.name!r} cannot be read.",
        why=why,
        fix=fix or "Play it to check that it is whole, or convert it again from its original.",
        file=path.name,
    )


def _why(error: Exception) -> str:
    from av.error import InvalidDataError

    if isinstance(error, InvalidDataError):
        return "It is damaged, ends too early, or is no media file."
    return f"FFmpeg says: {getattr(error, 'strerror', None) or error}."


def video_stream(container: Any) -> Any | None:
    """The first stream of moving pictures (attached cover art is none)."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def origin_s(container: Any) -> float:
    """Where the container's timeline starts; all times are counted from here."""
    return float(container.start_time or 0) / 1_000_000


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames, as far as the file goes; packets that cannot be decoded are left out.
    Raises FFmpeg's error only when there was no frame at all."""
    from av.error import FFmpegError

    good, bad = 0, 0
    last: FFmpegError | None = None
    packets = container.demux(stream)
    while bad < _BAD_PACKETS:
        try:
            packet = next(packets, None)
        except FFmpegError as error:  # the file ends in the middle of something
            last = error
            break
        if packet is None:
            break
        try:
            frames = packet.decode()
        except FFmpegError as error:
            bad += 1
            last = error
            continue
        for frame in frames:
            good, bad = good + 1, 0
            yield frame
    if not good and last is not None:
        raise last


def probe(path: Path) -> MediaInfo:
    """Reads the headers (and one frame of video for its rotation).

    Raises UnreadableMedia when the file is no media, is empty, or has neither sound nor video."""
    with open_media(path) as container:
        video = video_stream(container)
        has_audio = bool(container.streams.audio)
        duration_s = float(container.duration or 0) / 1_000_000
        if video is None or video.codec_context is None:
            if not has_audio:
                raise unreadable(path, "It has neither sound nor moving pictures.")
            return MediaInfo(duration_s, has_audio, has_video=False)
        width, height, rotation = video.width, video.height, 0
        frame = next(decoded(container, video), None)
        if frame is None and not has_audio:
            raise unreadable(path, "Not one picture of it can be decoded.")
        if frame is not None:
            rotation = -round(frame.rotation) % 360
            width, height = frame.width, frame.height
        if rotation in (90, 270):
            width, height = height, width
        return MediaInfo(duration_s, has_audio, frame is not None, width, height, rotation)
