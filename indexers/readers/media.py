"""Recordings and videos: speech, shots, key frames and screen text on one timeline.

Progress is in seconds of the recording. Of a video's time, listening counts for the larger part,
as it takes longest. A file that breaks off is read as far as it goes, with a note.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from indexers.media.probe import MediaInfo, probe
from indexers.media.shots import Scan, Span, scan_video
from indexers.media.video import frames_at
from indexers.readers.draft import Draft, Item, ReadProgress
from indexers.readers.screen import (
    Screen,
    frame_draft,
    merged,
    readable,
    scene_draft,
    screen_draft,
)
from indexers.readers.speech import speech
from indexers.readers.threads import in_thread
from indexers.settings import IndexSettings
from model_host.errors import UnreadableMedia
from model_host.tasks import Read, ReadResult

if TYPE_CHECKING:
    from model_host.client import Client

_SPEECH, _SHOTS = 0.6, 0.15  # shares of a video's time; the rest is reading the screen
_READ_PX = 1280


async def read(
    path: Path, kind: str, client: Client, settings: IndexSettings, language: str | None
) -> AsyncGenerator[Item]:
    """Raises UnreadableMedia, and whatever the client raises."""
    info = await to_thread.run_sync(probe, path)
    share = _SPEECH if info.has_video else 1.0
    heard_s = 0.0
    if info.has_audio:
        longest_s = settings.segment_max_s
        try:
            async with aclosing(speech(path, client, longest_s, language)) as parts:
                async for part in parts:
                    if isinstance(part, Draft):
                        yield part
                    else:
                        heard_s = part.done_s
                        total_s = max(info.duration_s, heard_s)
                        yield ReadProgress(heard_s * share, total_s, "s")
        except UnreadableMedia:
            if not info.has_video or heard_s:
                raise  # a video whose sound track is empty or broken still has pictures
        if note := _broken_off(info, heard_s):
            yield ReadProgress(heard_s * share, max(info.duration_s, heard_s), "s", note)
    if info.has_video:
        async with aclosing(_pictures(path, info, heard_s, client, settings, language)) as items:
            async for item in items:
                yield item


def _broken_off(info: MediaInfo, heard_s: float) -> str:
    if info.has_video or heard_s >= info.duration_s * 0.95 - 1.0:
        return ""
    return f"it breaks off: {heard_s:.0f} of {info.duration_s:.0f} seconds can be heard"


async def _pictures(
    path: Path,
    info: MediaInfo,
    heard_s: float,
    client: Client,
    settings: IndexSettings,
    language: str | None,
) -> AsyncGenerator[Item]:
    length_s = max(info.duration_s, heard_s)
    first = _SPEECH if info.has_audio else 0.0
    second = first + (_SHOTS if info.has_audio else 0.3)
    scan = Scan((), ())
    seen_s = 0.0
    looks = scan_video(path, info.duration_s, settings.frames_per_s)
    async with aclosing(in_thread(looks)) as steps:
        async for step in steps:
            if isinstance(step, Scan):
                scan = step
                continue
            seen_s = step
            done = first + (second - first) * min(1.0, seen_s / max(length_s, 1e-3))
            yield ReadProgress(done * length_s, length_s, "s")
    length_s = max(length_s, scan.shots[-1].end_s)
    screens: list[Screen] = []
    stills = scan.stills
    middles = [(still.start_s + still.end_s) / 2 for still in stills]
    order = sorted(range(len(stills)), key=middles.__getitem__)
    times = [middles[index] for index in order]
    async with aclosing(in_thread(frames_at(path, times, _READ_PX))) as frames:
        count = 0
        async for frame in frames:
            still: Span = stills[order[count]]
            reply = await client.run(Read(image=frame.image), latency="batch")
            assert isinstance(reply.result, ReadResult)
            screens.append(Screen(still.start_s, still.end_s, readable(reply.result.lines)))
            count += 1
            done = second + (1 - second) * count / len(times)
            yield ReadProgress(done * length_s, length_s, "s")
    screens = merged(sorted(screens, key=lambda screen: screen[:2]))
    for screen in screens:
        yield screen_draft(screen, language)
    for index in order:
        yield frame_draft(stills[index])
    for shot in scan.shots:
        yield scene_draft(shot, screens)
    note = ""
    if scan.shots[-1].end_s < info.duration_s * 0.95 - 1.0:
        note = f"its pictures end at {scan.shots[-1].end_s:.0f} of {info.duration_s:.0f} seconds"
    yield ReadProgress(length_s, length_s, "s", note)
