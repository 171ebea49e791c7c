from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import pytest

from model_host.errors import InvalidInput
from tests.unit.tools.fakes import FakeClient
from tools.languages import guess_language
from tools.synthesize import build_tool, synthesize


@pytest.mark.parametrize(
    ("text", "speed", "said"),
    [
        ("", 1.0, "nothing"),
        (" \n", 1.0, "nothing"),
        ("x", 3.0, "speed"),
        ("x" * 100_001, 1, "text"),
    ],
)
async def test_bad_input(text: str, speed: float, said: str) -> None:
    client: Any = FakeClient()
    with pytest.raises(InvalidInput, match=said):
        await synthesize(client, text, speed=speed)
    assert client.requests == []


async def test_speech_is_written_as_it_was_said(tmp_path: Path) -> None:
    client: Any = FakeClient()
    path = tmp_path / "new" / "a.wav"
    speech = await synthesize(client, " Hello. ", voice="lata", output=path)
    assert (client.requests[0].text, client.requests[0].language) == ("Hello.", "en")
    assert (speech.duration_s, speech.voice, speech.model) == (0.2, "lata", "fake-voice")
    assert speech.first_audio_s >= 0
    with wave.open(str(path)) as written:
        assert (written.getframerate(), written.getnframes()) == (8000, 1600)


async def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    client: Any = FakeClient()
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput):
        await synthesize(client, "Hello.", output=tmp_path / "file" / "a.wav")


async def test_tool_writes_its_folder_alone(tmp_path: Path) -> None:
    client: Any = FakeClient()
    tool = build_tool(client, tmp_path / "in")
    assert "0.2 s" in await tool.ainvoke({"text": "Hello.", "file": "a.wav"})
    assert (tmp_path / "in" / "a.wav").exists()
    with pytest.raises(InvalidInput):
        await tool.ainvoke({"text": "Hello.", "file": "../a.wav"})
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "en"),
        ("123 …", "en"),
        ("Good morning", "en"),
        ("नमस्ते, आप कैसे हैं?", "hi"),
        ("BMC ने पानी दिया", "hi"),
        ("வணக்கம்", "ta"),
        ("నమస్కారం", "te"),
        ("ನಮಸ್ಕಾರ", "kn"),
        ("നമസ്കാരം", "ml"),
        ("ਸਤ ਸ੍ਰੀ ਅਕਾਲ", "pa"),
        ("નમસ્તે", "gu"),
        ("নমস্কার", "bn"),
        ("অসমৰ ৰাজধানী", "as"),
        ("ନମସ୍କାର", "or"),
    ],
)
def test_script_tells_the_language(text: str, language: str) -> None:
    assert guess_language(text) == language
