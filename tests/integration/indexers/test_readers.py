"""Readers with the real starter models, on real speech and made media."""

from __future__ import annotations

import itertools
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from indexers.readers import Draft, ReadProgress, read_source
from indexers.settings import IndexSettings
from tests import media

if TYPE_CHECKING:
    from model_host.client import Client

pytestmark = pytest.mark.models

TALK = "It was the best of times"  # with a full stop or a comma, as the model hears it


def real_speech(name: str) -> Path:
    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "assets" / name


async def collect(
    path: Path, client: Client, settings: IndexSettings
) -> tuple[list[Draft], list[ReadProgress]]:
    items = [item async for item in read_source(path, client, settings)]
    return (
        [item for item in items if isinstance(item, Draft)],
        [item for item in items if isinstance(item, ReadProgress)],
    )


async def test_real_recording(client: Client, index_settings: IndexSettings) -> None:
    drafts, reports = await collect(real_speech("two_cities.wav"), client, index_settings)
    assert drafts[0].text.startswith(TALK)
    assert drafts[0].start_us == pytest.approx(1.0e6, abs=0.4e6)
    assert len(drafts) >= 12
    for draft in drafts:
        assert draft.modality == "speech"
        assert draft.language == "en"
        assert draft.start_us is not None
        assert draft.end_us is not None
        assert draft.end_us - draft.start_us <= index_settings.segment_max_s * 1e6
        assert " ".join(word.text for word in draft.words) == draft.text
        assert all(a.end_us <= b.start_us + 1 for a, b in itertools.pairwise(draft.words))
    starts = [draft.start_us for draft in drafts]
    assert starts == sorted(starts, key=lambda start: start or 0)
    assert reports[-1].done == reports[-1].total == pytest.approx(44.4, abs=0.1)


async def test_narrated_slides(
    client: Client, index_settings: IndexSettings, tmp_path: Path
) -> None:
    from indexers.media.audio import decode_audio

    slides = [
        media.Slide(6, ("Ward 4 meeting", "Budget: Rs 42 lakh")),
        media.Slide(5, ("Water tank", "Repair next month"), (20, 30, 80)),
    ]
    talk = decode_audio(real_speech("two_cities.wav"))[: 11 * 16000].reshape(1, -1)
    path = media.slide_video(tmp_path / "ward.mp4", slides, audio=talk)
    drafts, _ = await collect(path, client, index_settings)
    screens = [draft for draft in drafts if draft.modality == "screen-text"]
    assert [screen.text for screen in screens] == [
        "Ward 4 meeting\nBudget: Rs 42 lakh",
        "Water tank\nRepair next month",
    ]
    assert screens[1].start_us == pytest.approx(6e6, abs=0.3e6)
    said = next(draft for draft in drafts if draft.modality == "speech")
    assert said.text.startswith(TALK)
    assert [draft.text for draft in drafts if draft.modality == "scene"] == [
        "Ward 4 meeting",
        "Water tank",
    ]


async def test_scanned_pdf(client: Client, index_settings: IndexSettings, tmp_path: Path) -> None:
    scan = media.slide_picture(media.Slide(1, ("Minutes", "The total is 77 lakh")))
    drafts, _ = await collect(
        media.pdf(tmp_path / "scan.pdf", [], pictures=[scan]), client, index_settings
    )
    assert "The total is 77 lakh" in " ".join(draft.text for draft in drafts)
    assert drafts[0].page == 1


async def test_noise_and_silence_say_nothing(
    client: Client, index_settings: IndexSettings, tmp_path: Path
) -> None:
    for name, sound in (("silence", media.silence(8)), ("tone", media.tone(8, hz=200))):
        drafts, _ = await collect(
            media.wav(tmp_path / f"{name}.wav", sound), client, index_settings
        )
        assert drafts == [], name
