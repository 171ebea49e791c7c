from __future__ import annotations

from pathlib import Path

from indexers.readers import source_name, supported
from tests.unit.indexers.readers.scripted import collect

S = 1_000_000
SRT = """1
00:00:01,500 --> 00:00:03,000
<i>Good</i> evening
everyone. {\\an8}

2
00:00:04,000 --> 00:00:05,250
पानी आ गया।
3
01:00:00,000 --> 01:00:01,000 X1:10 Y1:20
A &amp; B
"""
VTT = """WEBVTT

STYLE
::cue { color: red }

NOTE a remark
over lines

intro
00:01.500 --> 00:03.000 align:start position:10%
<v Asha Rao>Good evening <b>everyone</b>.</v>

01:00:00.000 --> 01:00:01.000
<v.loud Ravi>Later</v>

00:00:05.000 --> 00:00:06.000

"""


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


async def read(path: Path, text: str, language: str | None = None) -> list[tuple[object, ...]]:
    drafts, _ = await collect(written(path, text), language=language)
    return [
        ((d.start_us or 0) / S, (d.end_us or 0) / S, d.text, d.speaker, d.language) for d in drafts
    ]


async def test_srt(tmp_path: Path) -> None:
    expected = [
        (1.5, 3.0, "Good evening everyone.", None, "en"),
        (4.0, 5.25, "पानी आ गया।", None, "hi"),
        (3600.0, 3601.0, "A & B", None, "en"),
    ]
    assert await read(tmp_path / "a.srt", SRT) == expected
    assert await read(tmp_path / "b.srt", SRT.replace("\n", "\r\n")) == expected


async def test_vtt(tmp_path: Path) -> None:
    assert await read(tmp_path / "a.vtt", VTT) == [
        (1.5, 3.0, "Good evening everyone.", "Asha Rao", "en"),
        (3600.0, 3601.0, "Later", "Ravi", "en"),
    ]


async def test_language_of_the_caller_refines_the_script(tmp_path: Path) -> None:
    found = await read(tmp_path / "a.srt", SRT, language="kok")
    assert [language for *_, language in found] == ["en", "kok", "en"]


async def test_moments(tmp_path: Path) -> None:
    path = tmp_path / "week 12.moments.jsonl"
    path.write_text(
        '{"start_s": 1, "end_s": 2.5, "text": "Hello", "speaker": "Asha", "note": 1,'
        ' "at": "2031-03-04T10:00:00+05:30", "modality": "event", "language": "hi"}\n'
        '\n{"start_s": 3, "end_s": 3, "text": "Bare", "at": "2031-03-04T10:00:00"}\n'
        '{"page": 7, "text": "On paper"}\n',
        encoding="utf-8-sig",
    )
    (one, two, three), _ = await collect(path, timezone="UTC")
    assert (one.modality, one.text, one.speaker, one.language) == ("event", "Hello", "Asha", "hi")
    assert (one.start_us, one.end_us) == (1 * S, 2.5 * S)
    assert (one.at_us, one.at_end_us) == (1930365000 * S, 1930365001.5 * S)
    assert (two.modality, two.at_us, two.at_end_us) == ("speech", 1930384800 * S, 1930384800 * S)
    assert (three.modality, three.page, three.start_us) == ("text", 7, None)


def test_names() -> None:
    assert source_name(Path("/x/week 12.moments.jsonl")) == "week 12"
    assert source_name(Path("/x/talk.mp4")) == "talk.mp4"
    assert source_name(Path("/x/.moments.jsonl")) == ".moments.jsonl"
    assert all(supported(Path(name)) for name in ("a.MP4", "a.b.pdf", "x.moments.jsonl", "a.vtt"))
    assert not any(supported(Path(name)) for name in ("a.jsonl", "a", "a.py", "mp4"))
