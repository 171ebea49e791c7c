from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_host.errors import InvalidInput, UnreadableMedia
from model_host.tasks import Segment
from tests.unit.tools.fakes import FakeClient
from tools import transcribe as module
from tools.transcribe import RATE_HZ, build_tool, transcribe


@pytest.fixture
def windows_of_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_S", 2.0)
    monkeypatch.setattr("indexers.media.audio._CUT_WITHIN_S", 1.0)


def write(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(b"\x01\x02" * round(seconds * RATE_HZ))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.wav", b""), ("text.mp3", b"these are words"), ("cut.wav", b"RIFF\x00\x00")],
)
async def test_what_is_no_recording_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableMedia):
        await transcribe(FakeClient(), tmp_path / name)  # type: ignore[arg-type]


async def test_missing_file_is_the_callers_fault(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        await transcribe(FakeClient(), tmp_path / "none.wav")  # type: ignore[arg-type]


async def test_a_short_recording_is_one_call(tmp_path: Path) -> None:
    client: Any = FakeClient()
    seen: list[Segment] = []
    found = await transcribe(
        client, write(tmp_path / "a.wav", 1.0), language="en", on_segment=seen.append
    )
    assert len(client.requests) == 1
    assert client.requests[0].language == "en"
    assert (found.text, found.language, found.model) == ("word1", "en", "fake-ears")
    assert found.duration_s == pytest.approx(1.0)
    assert tuple(seen) == found.segments


@pytest.mark.usefixtures("windows_of_two_seconds")
async def test_a_long_one_is_heard_in_windows_on_one_clock(tmp_path: Path) -> None:
    client: Any = FakeClient(("hi", "en", "en"))
    found = await transcribe(client, write(tmp_path / "a.wav", 5.0))
    starts = np.cumsum([0.0] + [len(r.audio) / RATE_HZ for r in client.requests])
    assert len(client.requests) >= 3
    assert found.language == "en"
    assert found.duration_s == pytest.approx(5.0)
    for segment, start, end in zip(found.segments, starts, starts[1:], strict=False):
        assert segment.start_s == pytest.approx((start + end) / 2)
        assert segment.words[0].start_s == segment.start_s


@pytest.mark.usefixtures("windows_of_two_seconds")
async def test_samples_are_heard_like_a_file() -> None:
    client: Any = FakeClient()
    await transcribe(client, np.zeros(5 * RATE_HZ, np.float32))
    assert sum(len(request.audio) for request in client.requests) == 5 * RATE_HZ


async def test_tool_reads_its_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "outside.wav", 0.5)
    write(tmp_path / "in" / "a.wav", 0.5)
    client: Any = FakeClient()
    tool = build_tool(client, tmp_path / "in")
    message = await tool.ainvoke(
        {"name": "transcribe", "args": {"file": "a.wav"}, "id": "1", "type": "tool_call"}
    )
    assert message.content == "word1"
    assert message.artifact.model == "fake-ears"
    for name in ("../outside.wav", str(tmp_path / "outside.wav"), "."):
        with pytest.raises(InvalidInput):
            await tool.ainvoke({"file": name})
