from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_host.catalog.load import Profile
from model_host.errors import UnknownName
from model_host.tasks import Segment
from tests.unit.tools.fakes import FakeClient
from tools.registry import build_tools
from tools.subtitles import to_srt, to_vtt

PROFILE = Profile(name="p", serves={"transcribe": ("a",), "synthesize": ("b",), "translate": ()})


def test_tools_are_those_with_a_model(tmp_path: Path) -> None:
    client: Any = FakeClient()
    tools = build_tools(client, folder=tmp_path, profile=PROFILE)
    assert [tool.name for tool in tools] == ["transcribe", "synthesize"]
    assert all(tool.description and tool.args_schema for tool in tools)


async def test_recall_is_a_tool_where_there_are_corpora(tmp_path: Path) -> None:
    client: Any = FakeClient()
    profile = Profile(name="p", serves={"embed_text": ("e",)})

    async def open_corpus(name: str) -> Any:
        raise UnknownName.among("corpus", name, ["ward"])

    assert build_tools(client, folder=tmp_path, profile=profile) == []
    (tool,) = build_tools(client, folder=tmp_path, profile=profile, open_corpus=open_corpus)
    assert tool.name == "recall"
    with pytest.raises(UnknownName, match="'ward'"):
        await tool.ainvoke({"question": "Who?", "corpus": "wrad"})


def test_unknown_tool_suggests_the_nearest(tmp_path: Path) -> None:
    client: Any = FakeClient()
    with pytest.raises(UnknownName, match="transcribe"):
        build_tools(client, folder=tmp_path, profile=PROFILE, names=["transcrib"])


def segment(start_s: float, end_s: float, text: str) -> Segment:
    return Segment(start_s=start_s, end_s=end_s, text=text, language="en", confidence=1.0)


def test_subtitles() -> None:
    heard = [segment(0, 1.9996, " Hi "), segment(3661.5, 3662, "a\n\nb --> <c>")]
    assert to_srt(heard) == (
        "1\n00:00:00,000 --> 00:00:02,000\nHi\n\n2\n01:01:01,500 --> 01:01:02,000\na b -> <c>\n"
    )
    assert to_vtt(heard) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nHi\n\n"
        "01:01:01.500 --> 01:01:02.000\na b -&gt; &lt;c&gt;\n"
    )
    assert to_srt([]) == ""
