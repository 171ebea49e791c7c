"""What cannot be read says so: what, why, and what to do; never a traceback, never a guess."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import UnsupportedFile
from indexers.readers import source_name
from model_host.errors import InvalidInput, TooLarge, UnreadableMedia
from tests import media
from tests.unit.indexers.readers.scripted import Scripted, collect, spoken


def video(path: Path, seconds: float = 2, audio: media.Audio | None = None) -> Path:
    slide = media.Slide(seconds, ("Roads",))
    return media.slide_video(path, [slide], size=(160, 90), fps=5, audio=audio)


def wav(at: Path) -> Path:
    return media.wav(at / "ok.wav", media.tone(2))


def m4a(at: Path) -> Path:
    return media.encode(at / "ok.m4a", media.tone(2))


def mp4(at: Path) -> Path:
    return video(at / "ok.mp4")


def pdf(at: Path) -> Path:
    return media.pdf(at / "ok.pdf", [["A line of text in a document."]])


def docx(at: Path) -> Path:
    return media.docx(at / "ok.docx", ["A line of text in a document."])


def written(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(at: Path) -> Path:
        (at / name).write_bytes(data)
        return at / name

    return write


def cut(make: Callable[[Path], Path], keep: float) -> Callable[[Path], Path]:
    return lambda at: media.truncated(source := make(at), at / f"cut{source.suffix}", keep)


def noise(make: Callable[[Path], Path], after: float) -> Callable[[Path], Path]:
    return lambda at: media.corrupted(source := make(at), at / f"noise{source.suffix}", after=after)


UNREADABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a missing file": (lambda at: at / "none.wav", "no file"),
    "a folder": (lambda at: at, "no file"),
    "empty audio": (written("a.mp3", b""), "empty"),
    "empty video": (written("a.mp4", b""), "empty"),
    "an empty PDF": (written("a.pdf", b""), "empty"),
    "an empty text": (written("a.txt", b""), "empty"),
    "truncated audio": (cut(m4a, 0.5), "damaged"),
    "truncated video": (cut(mp4, 0.5), "damaged"),
    "a truncated PDF": (cut(pdf, 0.5), "damaged"),
    "a truncated DOCX": (cut(docx, 0.5), "damaged"),
    "corrupt audio": (noise(m4a, 0.02), "damaged"),
    "corrupt video": (noise(mp4, 0.02), "damaged"),
    "a corrupt PDF": (noise(pdf, 0.05), "damaged"),
    "noise called .wav": (written("a.wav", bytes(range(256)) * 64), "no media"),
    "a text file called .mp4": (written("a.mp4", b"Dear all,\nsee you at six.\n"), "plain text"),
    "a text file called .pdf": (written("a.pdf", b"Dear all,\nsee you at six.\n"), "plain text"),
    "a 0-second recording": (lambda at: media.wav(at / "z.wav", media.tone(0)), "0 seconds"),
    "a locked PDF": (lambda at: media.pdf(at / "p.pdf", [["x"]], password="y"), "password"),
    "NUL bytes called .txt": (written("a.txt", b"ab\x00\x00\x00cd" * 99), "binary"),
    "subtitles without a cue": (written("a.srt", b"nothing here\n"), "no cue"),
    "a cue that ends early": (
        written("a.srt", b"1\n00:00:05,000 --> 00:00:02,000\nHi\n"),
        "Line 2",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_unreadable(case: str, tmp_path: Path) -> None:
    make, why = UNREADABLE[case]
    path = make(tmp_path)
    with pytest.raises(UnreadableMedia) as caught:
        await collect(path)
    assert why in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


async def test_unknown_kind(tmp_path: Path) -> None:
    path = written("a.xyz", b"\x00\x01\x02\x03" * 99)(tmp_path)
    with pytest.raises(UnsupportedFile, match="no reader"):
        await collect(path)


async def test_too_large_text_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    with path.open("wb") as file:
        file.write(b"words " * 2000)
        file.truncate(200_000_000)  # sparse: takes no disk; reading it would find zeros
    with pytest.raises(TooLarge, match="200 MB") as caught:
        await collect(path)
    assert caught.value.detail["size_bytes"] == 200_000_000


async def test_silence_is_no_error_and_no_model_is_asked(tmp_path: Path) -> None:
    client = Scripted(hear=lambda _: [spoken("Thank you.", 0, 1)])
    drafts, reports = await collect(media.wav(tmp_path / "s.wav", media.silence(3)), client)
    assert drafts == []
    assert client.asked == []
    assert reports[-1].done == pytest.approx(3.0, abs=0.01)


async def test_recording_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = video(tmp_path / "w.mkv", 12, media.tone(12))
    path = media.truncated(whole, tmp_path / "half.mkv", 0.5)
    client = Scripted(hear=lambda ask: [spoken("Half of it.", 0, 1)])
    drafts, reports = await collect(path, client)
    assert [draft.text for draft in drafts if draft.modality == "speech"] == ["Half of it."]
    assert any("of 12 seconds" in report.note for report in reports)


NAMES = [
    "two words.wav",
    "सभा की रिकॉर्डिंग.wav",
    "new\nline.wav",
    "a'b\"c;|&.wav",
    "-rf.wav",
    "http:x.wav",
]


@pytest.mark.parametrize("name", NAMES)
async def test_odd_names(name: str, tmp_path: Path) -> None:
    path = media.wav(tmp_path / name, media.tone(1))
    client = Scripted(hear=lambda _: [spoken("Found it.", 0, 1)])
    drafts, _ = await collect(path, client)
    assert [draft.text for draft in drafts] == ["Found it."]
    assert source_name(path) == name


@pytest.mark.parametrize("name", ["सभा का वीडियो.mp4", "new\nline.mp4", "file:x y.mp4"])
async def test_odd_names_of_videos(name: str, tmp_path: Path) -> None:
    path = video(tmp_path / name)
    drafts, _ = await collect(path, Scripted(see=lambda _: ["Roads"]))
    assert {draft.modality for draft in drafts} == {"screen-text", "scene", "frame"}


SHAPES: dict[str, Callable[[Path], Path]] = {
    "8 kHz mono": lambda at: media.wav(at / "a.wav", media.tone(2, 8000), 8000),
    "96 kHz 6 channels": lambda at: media.wav(
        at / "a.wav", np.concatenate([media.tone(2, 96000)] * 6), 96000
    ),
    "cover art": lambda at: media.encode(
        at / "a.mp3",
        media.tone(2, 44100),
        44100,
        codec="libmp3lame",
        cover=media.slide_picture(media.Slide(1, ("Cover",)), 64, 64),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_unusual_recordings_are_recordings(shape: str, tmp_path: Path) -> None:
    heard: list[int] = []

    def hear(ask: object) -> list[object]:
        heard.append(len(ask.audio))  # type: ignore[attr-defined]
        return []

    client = Scripted(hear=hear)  # type: ignore[arg-type]
    drafts, reports = await collect(SHAPES[shape](tmp_path), client)
    assert drafts == []
    assert heard == [pytest.approx(32000, abs=800)]
    assert reports[-1].total == pytest.approx(2.0, abs=0.1)


async def test_content_wins_over_the_suffix(tmp_path: Path) -> None:
    path = media.pdf(tmp_path / "a.pdf", [["A line of text in a document."]])
    drafts, _ = await collect(path.rename(tmp_path / "notes.txt"))
    assert [draft.page for draft in drafts] == [1]


BAD_LINES = [
    ('{"start_s": 1, "end_s": 2}', "text"),
    ('{"start_s": -1, "end_s": 2, "text": "x"}', "start_s"),
    ('{"start_s": "soon", "end_s": 2, "text": "x"}', "start_s"),
    ('{"start_s": NaN, "end_s": 2, "text": "x"}', "start_s"),
    ('{"start_s": 1, "end_s": 2, "text": "x", "page": 0}', "page"),
    ('{"start_s": 1, "end_s": 2, "text": "x", "modality": "smell"}', "modality"),
    ('{"start_s": 1, "end_s": 2, "text": "x", "at": "yesterday"}', "at"),
    ('{"start_s": 1, "text": "x"}', "start_s and end_s"),
    ('{"start_s": 3, "end_s": 2, "text": "x"}', "end_s"),
    ('{"text": "x"}', "start_s"),
    ("[1, 2]", ""),
    ("{not json", ""),
]


@pytest.mark.parametrize(("line", "field"), BAD_LINES)
async def test_bad_line_of_moments_names_line_and_field(
    line: str, field: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.moments.jsonl"
    path.write_text('{"start_s": 0, "end_s": 1, "text": "good"}\n\n' + line + "\n")
    with pytest.raises(InvalidInput) as caught:
        await collect(path)
    assert "Line 3" in str(caught.value)
    assert field in str(caught.value)
