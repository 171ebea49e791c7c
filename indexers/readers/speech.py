"""What is said in a recording, sentence by sentence, with the second of each word.

The recording goes to the model in portions of a few minutes, cut where it is quiet, so memory does
not grow with its length. The model leaves silence out and tells the language of each part.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.media.audio import cut_at_quiet, iter_audio
from indexers.moments import US, SpokenWord
from indexers.readers.draft import Draft
from indexers.readers.sentences import ends_sentence
from indexers.readers.threads import in_thread
from model_host.errors import Unavailable, UnknownName
from model_host.tasks import (
    DetectSpeech,
    Progress,
    Segment,
    Span,
    SpeechDetected,
    Transcribe,
    Transcribed,
    Word,
)

if TYPE_CHECKING:
    from model_host.client import Client

RATE_HZ = 16000
PORTION_S = 300.0
_BLOCK_S = 20.0
_PAUSE_S = 1.5  # of silence end a sentence, whatever its punctuation
_GAP = re.compile(r" (?=[,.:%]\d|[,.;:!?%।])")
_SHORT_S = 1.0  # a shorter sentence ("Yes.") joins its neighbour
_LOUD = 1e-4  # below, a whole portion is digital silence
_SURE, _HEARD = 0.6, 0.3  # of words; below, a stretch of speech is heard again
_AGAIN_S = 28.0
_REPEATS = 3.0  # times that zlib shortens a text; language stays under 2


class Heard(NamedTuple):
    """How far the recording has been listened to, in seconds."""

    done_s: float


async def speech(
    path: Path, client: Client, longest_s: float, language: str | None
) -> AsyncGenerator[Draft | Heard]:
    """Speech Drafts of at most `longest_s` seconds, in order. None for a silent recording.

    Without a `language`, parts that were hardly understood are heard again in their own language.
    Raises UnreadableMedia and whatever the client raises."""
    gather = Sentences(longest_s)
    end_s = 0.0
    blocks = (block for _, block in iter_audio(path, RATE_HZ, _BLOCK_S))
    async with aclosing(in_thread(cut_at_quiet(blocks, PORTION_S, RATE_HZ))) as portions:
        async for start_s, audio in portions:
            end_s = start_s + len(audio) / RATE_HZ
            if float(np.abs(audio).max(initial=0.0)) >= _LOUD:
                said: list[Said] = []
                request = Transcribe(audio=audio, rate_hz=RATE_HZ, language=language)
                async with client.open(request, latency="batch") as call:
                    async for event in call:
                        if isinstance(event, Segment):
                            said += words_of(event)
                        elif isinstance(event, Progress):
                            yield Heard(start_s + event.done)
                if language is None:
                    said = await _heard_again(audio, said, client)
                for draft in gather.add(said, start_s):
                    yield draft
            yield Heard(end_s)
    for draft in gather.rest():
        yield draft


async def _heard_again(audio: NDArray[np.float32], said: list[Said], client: Client) -> list[Said]:
    """A model that takes a whole stretch for English drops a Hindi part of it, or writes nonsense
    with little confidence. Alone, the part is recognised for what it is."""
    try:
        found = await client.run(DetectSpeech(audio=audio, rate_hz=RATE_HZ), latency="batch")
    except (Unavailable, UnknownName):
        return said
    assert isinstance(found.result, SpeechDetected)
    for part in doubtful(found.result.spans, said):
        cut = audio[round(part.start_s * RATE_HZ) : round(part.end_s * RATE_HZ)]
        reply = await client.run(Transcribe(audio=cut, rate_hz=RATE_HZ), latency="batch")
        assert isinstance(reply.result, Transcribed)
        segments = (event for event in reply.events if isinstance(event, Segment))
        new = [one for segment in segments for one in words_of(segment, part.start_s)]
        old = [one for one in said if _inside(one, part)]
        if _better(new, old, reply.result.language_confidence):
            said = sorted([one for one in said if one not in old] + new)
    return said


def doubtful(spans: Sequence[Span], said: Sequence[Said]) -> list[Span]:
    """Stretches of speech, at most half a minute each, of which little or nothing was understood.

    Low confidence counts for English alone: small models are unsure of every Indian language."""
    out: list[Span] = []
    for span in spans:
        here = [one for one in said if _inside(one, span)]
        heard_s = sum(one.end_s - one.start_s for one in here)
        sure = bool(here) and (
            _confidence(here) >= _SURE or any(one.language != "en" for one in here)
        )
        if sure and heard_s >= _HEARD * (span.end_s - span.start_s):
            continue
        last = out[-1] if out else None
        near = last is not None and span.start_s - last.end_s < 2.0
        if last is not None and near and span.end_s - last.start_s <= _AGAIN_S:
            out[-1] = Span(start_s=last.start_s, end_s=span.end_s)
        else:
            out.append(span)
    return [span for span in out if span.end_s - span.start_s >= 1.5]


def _better(new: list[Said], old: list[Said], language_confidence: float) -> bool:
    if not new:
        return False
    if not old:
        return _confidence(new) >= 0.3
    if {one.language for one in new} != {one.language for one in old}:
        return language_confidence >= 0.6
    return _confidence(new) > _confidence(old) + 0.05


def _confidence(said: list[Said]) -> float:
    return sum(one.confidence for one in said) / len(said)


def _inside(one: Said, span: Span) -> bool:
    return span.start_s <= (one.start_s + one.end_s) / 2 < span.end_s


class Said(NamedTuple):
    """A word in its language; seconds from the start of the portion."""

    start_s: float
    end_s: float
    text: str
    confidence: float
    language: str


def words_of(segment: Segment, offset_s: float = 0.0) -> list[Said]:
    """A model without word times gives the segment as one word."""
    words = segment.words or (
        Word(
            start_s=segment.start_s,
            end_s=segment.end_s,
            text=segment.text,
            confidence=segment.confidence,
        ),
    )
    if _runaway(segment.text):
        return []
    return [
        Said(
            word.start_s + offset_s,
            max(word.start_s, word.end_s) + offset_s,
            " ".join(word.text.split()),
            word.confidence,
            segment.language,
        )
        for word in words
        if word.text.strip()
    ]


def _runaway(text: str) -> bool:
    """The same letter or phrase over and over: what small models make of music and noise."""
    if re.search(r"(\S)\1{7}", text):
        return True
    data = text.encode()
    return len(text) >= 60 and len(data) / len(zlib.compress(data)) > _REPEATS


class Sentences:
    """Puts words together as sentences, over the ends of segments and portions."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._words: list[Said] = []
        self._ready: list[Draft] = []

    def add(self, said: Sequence[Said], offset_s: float) -> list[Draft]:
        """The sentences that are complete now; `offset_s` is where the words' portion starts."""
        for one in said:
            word = one._replace(start_s=one.start_s + offset_s, end_s=one.end_s + offset_s)
            if self._words and self._breaks(word):
                self._close()
            while self._words and word.end_s - self._words[0].start_s > self._longest_s:
                self._close(_widest_gap([*self._words, word]))
            self._words.append(word)
            if ends_sentence(word.text) and self._length_s() >= _SHORT_S:
                self._close()
        ready, self._ready = self._ready, []
        return ready

    def rest(self) -> list[Draft]:
        self._close()
        ready, self._ready = self._ready, []
        return ready

    def _length_s(self) -> float:
        return self._words[-1].end_s - self._words[0].start_s

    def _breaks(self, word: Said) -> bool:
        return (
            word.language != self._words[-1].language
            or word.start_s - self._words[-1].end_s > _PAUSE_S
        )

    def _close(self, count: int | None = None) -> None:
        """The first `count` words (all) are a sentence."""
        words, self._words = self._words[:count], self._words[len(self._words[:count]) :]
        if not words:
            return
        # The model splits "90,000" into words; what starts with a mark belongs to the one before.
        text = _GAP.sub("", " ".join(word.text for word in words))
        if not any(char.isalnum() for char in text):
            return
        self._ready.append(
            Draft(
                modality="speech",
                text=text,
                start_us=_us(words[0].start_s),
                end_us=max(_us(words[0].start_s), *(_us(word.end_s) for word in words)),
                language=words[0].language,
                confidence=round(_confidence(words), 4),
                words=tuple(
                    SpokenWord(
                        start_us=_us(word.start_s),
                        end_us=_us(word.end_s),
                        text=word.text,
                        confidence=round(word.confidence, 4),
                    )
                    for word in words
                ),
            )
        )


def _widest_gap(words: Sequence[Said]) -> int:
    """The index of the word after the longest pause of the second half."""
    gaps = range(max(1, len(words) // 2), len(words))
    return max(gaps, key=lambda at: words[at].start_s - words[at - 1].end_s)


def _us(seconds: float) -> int:
    return max(0, round(seconds * US))
