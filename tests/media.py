"""Makes test media: recordings of tones, slide videos, documents, and broken variants of them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # (channels, samples)
Picture = NDArray[np.uint8]  # (height, width, 3)


def tone(seconds: float, rate_hz: int = 16000, hz: float = 440.0, level: float = 0.4) -> Audio:
    """One channel of a sine."""
    at = np.arange(round(seconds * rate_hz), dtype=np.float32) / rate_hz
    return (level * np.sin(2 * np.pi * hz * at)).astype(np.float32).reshape(1, -1)


def silence(seconds: float, rate_hz: int = 16000) -> Audio:
    return np.zeros((1, round(seconds * rate_hz)), np.float32)


def wav(path: Path, audio: Audio, rate_hz: int = 16000) -> Path:
    """16-bit PCM, any number of channels."""
    import wave

    with wave.open(str(path), "wb") as out:
        out.setnchannels(len(audio))
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes((np.clip(audio, -1, 1).T * 32767).astype("<i2").tobytes())
    return path


_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def encode(
    path: Path,
    audio: Audio,
    rate_hz: int = 16000,
    *,
    codec: str = "aac",
    offset_s: float = 0.0,
    cover: Picture | None = None,
) -> Path:
    """Audio in the container that the suffix names, starting at `offset_s` of its timeline;
    `cover` is attached as album art."""
    import av

    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=rate_hz, layout=_LAYOUTS[len(audio)])
        art: Any = None
        if cover is not None:
            art = out.add_stream("mjpeg", rate=1)
            art.width, art.height, art.pix_fmt = cover.shape[1], cover.shape[0], "yuvj444p"
            art.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(cover, format="rgb24").reformat(format="yuvj444p")
            frame.pts = 0
            out.mux([*art.encode(frame), *art.encode(None)])
        _mux_audio(out, stream, audio, rate_hz, offset_s)
    return path


def _mux_audio(out: Any, stream: Any, audio: Audio, rate_hz: int, offset_s: float) -> None:
    for frame in _audio_frames(audio, rate_hz, stream.codec_context.frame_size or 1024, offset_s):
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def _audio_frames(audio: Audio, rate_hz: int, size: int, offset_s: float) -> Iterator[Any]:
    import av

    for at in range(0, audio.shape[1], size):
        block = np.ascontiguousarray(audio[:, at : at + size], np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=_LAYOUTS[len(audio)])
        frame.sample_rate = rate_hz
        frame.time_base = Fraction(1, rate_hz)
        frame.pts = at + round(offset_s * rate_hz)
        yield frame


class Slide(NamedTuple):
    seconds: float
    lines: tuple[str, ...]
    colour: tuple[int, int, int] = (255, 255, 255)


def slide_picture(slide: Slide, width: int = 1280, height: int = 720) -> Picture:
    """Black (or white, on dark slides) text, the first line larger."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (width, height), slide.colour)
    draw = ImageDraw.Draw(image)
    ink = (0, 0, 0) if sum(slide.colour) > 380 else (255, 255, 255)
    top = height * 0.1
    for index, line in enumerate(slide.lines):
        size = height * (0.09 if index == 0 else 0.06)
        draw.text((width * 0.08, top), line, ink, font=ImageFont.load_default(size))
        top += size * 1.6
    return np.asarray(image)


def slide_video(
    path: Path,
    slides: Sequence[Slide],
    *,
    fps: int = 10,
    size: tuple[int, int] = (1280, 720),
    audio: Audio | None = None,
    audio_rate_hz: int = 16000,
    codec: str = "libx264",
    frame_times_s: Iterable[float] | None = None,
    audio_offset_s: float = 0.0,
    picture: Picture | None = None,
    corner: Callable[[], Picture] | None = None,
) -> Path:
    """A video of the slides one after the other. `frame_times_s` makes the frame rate variable:
    these are the only frames, each shows the slide of its moment. `picture` stands for all
    slides; `corner` draws what moves in the lower right of every frame."""
    import av

    total_s = sum(slide.seconds for slide in slides)
    times = list(frame_times_s or (n / fps for n in range(round(total_s * fps))))
    pictures = [slide_picture(slide, *size) if picture is None else picture for slide in slides]
    ends = np.cumsum([slide.seconds for slide in slides])
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream(codec, rate=fps)
        video.width, video.height = size
        video.pix_fmt = "yuv420p" if size[0] % 2 == 0 == size[1] % 2 else "yuv444p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound: Any = None
        if audio is not None:
            kind = "libopus" if path.suffix == ".webm" else "aac"
            rate_hz = 48000 if kind == "libopus" else audio_rate_hz
            sound = out.add_stream(kind, rate=rate_hz, layout=_LAYOUTS[len(audio)])
            if rate_hz != audio_rate_hz:
                grid = np.arange(0, audio.shape[1], audio_rate_hz / rate_hz)
                at = np.arange(audio.shape[1])
                audio = np.stack([np.interp(grid, at, row) for row in audio]).astype(np.float32)
                audio_rate_hz = rate_hz
        for time_s in times:
            which = min(int(np.searchsorted(ends, time_s + 1e-6, side="right")), len(slides) - 1)
            image = np.ascontiguousarray(pictures[which])
            if corner is not None:
                moving = corner()
                image = image.copy()
                image[-moving.shape[0] :, -moving.shape[1] :] = moving
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), round(time_s * 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is not None:
            _mux_audio(out, sound, audio, audio_rate_hz, audio_offset_s)
    return path


def rotated(source: Path, path: Path, degrees: int = 90) -> Path:
    """The same MP4 with a display matrix, as a phone held upright writes it."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    rows = (cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the first track is the video
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in rows)
    path.write_bytes(data)
    return path


def truncated(source: Path, path: Path, keep: float) -> Path:
    """The first `keep` (a fraction) of the bytes."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def corrupted(source: Path, path: Path, *, after: float = 0.0, seed: int = 7) -> Path:
    """Every byte after the fraction `after` is noise."""
    data = source.read_bytes()
    cut = int(len(data) * after)
    path.write_bytes(data[:cut] + random.Random(seed).randbytes(len(data) - cut))
    return path


def pdf(
    path: Path,
    pages: Sequence[Sequence[str]],
    *,
    password: str | None = None,
    pictures: Sequence[Picture] = (),
) -> Path:
    """Pages of lines; a line that starts with `# ` is a heading. `pictures` are further pages
    without any text, as a scanner makes them."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=(595, 842), encrypt=password)
    for lines in pages:
        top = 780.0
        for line in lines:
            heading = line.startswith("# ")
            canvas.setFont("Helvetica-Bold" if heading else "Helvetica", 18 if heading else 11)
            canvas.drawString(60, top, line.removeprefix("# "))
            top -= 30 if heading else 15
        canvas.showPage()
    for picture in pictures:
        canvas.drawImage(ImageReader(_pil(picture)), 0, 200, width=595, height=335)
        canvas.showPage()
    canvas.save()
    return path


def _pil(picture: Picture) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(png(picture)))


def png(picture: Picture) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def docx(path: Path, blocks: Sequence[str]) -> Path:
    """Paragraphs; `# ` and `## ` start headings, `| a | b |` is a table row."""
    from docx import Document

    document: Any = Document()
    for block in blocks:
        level = len(block) - len(block.lstrip("#"))
        if level:
            document.add_heading(block.lstrip("# "), level)
        elif block.startswith("|"):
            cells = [cell.strip() for cell in block.strip("|").split("|")]
            row = document.add_table(rows=1, cols=len(cells)).rows[0]
            for cell, text in zip(row.cells, cells, strict=True):
                cell.text = text
        else:
            document.add_paragraph(block)
    document.save(str(path))
    return path
