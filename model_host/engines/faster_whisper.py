"""Whisper on CTranslate2, through faster-whisper.

The engine finds the speech first and recognises it in groups of at most `group_s` seconds, cut in
pauses. So memory does not grow with the recording, segments come early, silence yields nothing,
and with no language given each group is recognised in its own language. The text is the same each
time: nothing is sampled.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_host.catalog.card import Card
from model_host.catalog.languages import NAMES
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.audio import usable
from model_host.engines.shared.loading import Options, expect, loading, weights
from model_host.errors import UnknownName
from model_host.tasks import Progress, Request, Segment, Transcribe, Transcribed, Word

RATE_HZ = 16000
VAD_BLOCK_S = 300  # speech is looked for in blocks of this length
_SCRAP_S = 1.0
UNKNOWN = "und"  # ISO 639 for a language that nobody can tell: there was no speech

# Whisper writes Indian languages in Latin or Urdu letters unless its prompt shows the script.
SCRIPT_PROMPTS = {
    "hi": "नमस्ते, यह हिंदी में एक बातचीत है।",
    "mr": "नमस्कार, हा मराठीतील संवाद आहे.",
    "bn": "নমস্কার, এটি বাংলায় একটি কথোপকথন।",
    "as": "নমস্কাৰ, এয়া অসমীয়াত এটা কথোপকথন।",
    "gu": "નમસ્તે, આ ગુજરાતીમાં એક વાતચીત છે.",
    "pa": "ਸਤ ਸ੍ਰੀ ਅਕਾਲ, ਇਹ ਪੰਜਾਬੀ ਵਿੱਚ ਇੱਕ ਗੱਲਬਾਤ ਹੈ।",
    "ta": "வணக்கம், இது தமிழில் ஒரு உரையாடல்.",
    "te": "నమస్కారం, ఇది తెలుగులో ఒక సంభాషణ.",
    "kn": "ನಮಸ್ಕಾರ, ಇದು ಕನ್ನಡದಲ್ಲಿ ಒಂದು ಸಂಭಾಷಣೆ.",
    "ml": "നമസ്കാരം, ഇത് മലയാളത്തിലുള്ള ഒരു സംഭാഷണമാണ്.",
}
# Spoken Hindi and Urdu are one language, and small models name the wrong one. Who wants Urdu
# text gives the language.
_SAME_SPEECH = {"ur": "hi"}


class WhisperOptions(Options):
    """How the model is run. `beam_size` is at least 5 where a script prompt is needed."""

    beam_size: int = Field(5, ge=1, le=10)
    compute_type: str = "int8"
    group_s: float = Field(28.0, gt=1, le=29)
    pause_s: float = Field(1.0, gt=0)  # without a language, a group ends in such a pause …
    settled_s: float = Field(8.0, gt=0)  # … when it has this much speech
    sure: float = Field(0.6, ge=0, le=1)  # of another language than the last group's


class Span(NamedTuple):
    """Speech, in samples."""

    start: int
    end: int


class FasterWhisper:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        self._options = WhisperOptions.of(card)
        with loading(card):
            from faster_whisper import WhisperModel

            root = weights(card, folder, "model.bin").parent
            self._model: Any = WhisperModel(
                str(root),
                device="cpu",
                compute_type=self._options.compute_type,
                cpu_threads=threads,
                local_files_only=True,
            )
            self._model.encode = _remembering(self._model.encode)
        known = set(self._model.supported_languages)
        self._languages = sorted(known & set(card.languages) or known)

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Transcribed:
        """Segment events with Progress (seconds) after each group.

        Raises InvalidInput for unusable audio and UnknownName for a language it does not know.
        """
        ask = expect(request, Transcribe)
        if ask.language is not None and ask.language not in self._languages:
            if ask.language not in NAMES:
                raise UnknownName.among("language of this model", ask.language, self._languages)
            known = ", ".join(self._languages)
            raise UnknownName(  # a language; "did you mean" another would be an insult
                f"This model does not know the language '{ask.language}'.",
                fix=f"It knows: {known}." if len(known) < 200 else "See 'sutradhar models show'.",
                kind="language",
                name=ask.language,
            )
        audio = usable(ask.audio, ask.rate_hz, RATE_HZ)
        duration_s = len(audio) / RATE_HZ
        language, sure, heard = ask.language, 1.0, Counter[str]()
        certainty: dict[str, float] = {}
        # A prompt reaches the first window of a group alone, so groups are then of one window.
        prompted = ask.language in SCRIPT_PROMPTS or ask.prompt is not None
        whole = ask.language is not None and not prompted
        split = ask.language is None
        for group in self._groups(audio, cancel, whole=whole, split_languages=split):
            cancel.check()
            sound = np.concatenate([audio[span.start : span.end] for span in group])
            if ask.language is None:
                language, sure = self._detect(sound, language)
            assert language is not None
            for segment in self._recognise(sound, group, language, ask):
                cancel.check()
                heard[language] += round((segment.end_s - segment.start_s) * 1000)
                certainty[language] = max(sure, certainty.get(language, 0.0))
                emit(segment)
            emit(Progress(done=group[-1].end / RATE_HZ, total=duration_s))
        emit(Progress(done=duration_s, total=duration_s))
        if not heard:
            return Transcribed(
                language=ask.language or UNKNOWN, language_confidence=0.0, duration_s=duration_s
            )
        main = heard.most_common(1)[0][0]
        return Transcribed(
            language=main, language_confidence=certainty[main], duration_s=duration_s
        )

    def close(self) -> None:
        self._model.model.unload_model()

    def _groups(
        self, audio: NDArray[np.float32], cancel: Cancel, *, whole: bool, split_languages: bool
    ) -> Iterator[list[Span]]:
        """Speech in groups: in one piece, or of about one window each, also cut at long pauses
        where the language may change."""
        # A group that ends within a window of the model costs one more; in one language, none do.
        limit = int((VAD_BLOCK_S if whole else self._options.group_s) * RATE_HZ)
        pause = int(self._options.pause_s * RATE_HZ)
        settled = int(self._options.settled_s * RATE_HZ)
        group: list[Span] = []
        length = 0
        longest_s = None if whole else self._options.group_s
        for span in _speech(audio, longest_s, cancel):
            turn = split_languages and length >= settled and span.start - group[-1].end >= pause
            if group and (turn or length + span.end - span.start > limit):
                yield group
                group, length = [], 0
            group.append(span)
            length += span.end - span.start
        if group:
            yield group

    def _detect(self, sound: NDArray[np.float32], last: str | None) -> tuple[str, float]:
        """The language of a group; a weak guess keeps the one of the group before."""
        if not self._model.model.is_multilingual:
            return "en", 1.0
        features = self._model.feature_extractor(sound)[..., :-1]
        _, _, found = self._model.detect_language(features=features)
        shares = Counter[str]()
        for code, share in found:
            code = _SAME_SPEECH.get(code, code)
            if code in self._languages:
                shares[code] += share
        if not shares:
            return last or self._languages[0], 0.0
        language, share = shares.most_common(1)[0]
        if last is not None and language != last and share < self._options.sure:
            return last, float(shares[last])
        return language, min(1.0, float(share))

    def _recognise(
        self, sound: NDArray[np.float32], group: list[Span], language: str, ask: Transcribe
    ) -> Iterator[Segment]:
        from faster_whisper.transcribe import restore_speech_timestamps

        script = SCRIPT_PROMPTS.get(language)
        beam = max(5, self._options.beam_size) if script else self._options.beam_size
        segments, _ = self._model.transcribe(
            sound,
            language=language,
            beam_size=beam,
            temperature=0.0,
            initial_prompt=" ".join(part for part in (script, ask.prompt) if part) or None,
            condition_on_previous_text=False,
            no_repeat_ngram_size=5 if script else 0,  # small models loop on languages they miss
            word_timestamps=ask.words,
            vad_filter=False,
        )
        chunks = [{"start": span.start, "end": span.end} for span in group]
        for found in restore_speech_timestamps(segments, chunks, RATE_HZ):
            text = found.text.strip()
            if not text or _made_up(found, len(sound) / RATE_HZ):
                continue
            words = tuple(
                Word(
                    start_s=float(word.start),
                    end_s=float(word.end),
                    text=word.word.strip(),
                    confidence=float(word.probability),
                )
                for word in found.words or ()
            )
            yield Segment(
                start_s=float(found.start),
                end_s=float(found.end),
                text=text,
                language=language,
                confidence=min(1.0, math.exp(float(found.avg_logprob))),
                words=words,
            )


def _made_up(found: Any, length_s: float) -> bool:
    """True for text that no speech is behind. With word times the library looks again at what
    follows the last word, and the model fills a scrap of silence with a loop of syllables. The
    other bounds are Whisper's own, beyond which it would decode again with sampling."""
    scrap = found.seek > 0 and length_s - found.seek / 100 < _SCRAP_S
    return bool(scrap or (found.compression_ratio > 2.4 and found.no_speech_prob > 0.6))


def _speech(audio: NDArray[np.float32], longest_s: float | None, cancel: Cancel) -> Iterator[Span]:
    """Where speech is, block by block; a span that a block's end cuts is looked at again.

    With `longest_s` it is cut at short pauses, where a language may change; without, as the
    library does it."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions()
    if longest_s is not None:
        options = VadOptions(
            min_silence_duration_ms=500, speech_pad_ms=200, max_speech_duration_s=longest_s
        )
    start = 0
    while start < len(audio):
        cancel.check()
        block = audio[start : start + VAD_BLOCK_S * RATE_HZ]
        final = start + len(block) == len(audio)
        found = [
            Span(start + round(span["start"]), start + round(span["end"]))
            for span in get_speech_timestamps(block, options)
        ]
        edge = start + len(block)
        cut = bool(
            found and not final and found[-1].end > edge - RATE_HZ and found[-1].start > start
        )
        yield from found[:-1] if cut else found
        start = found[-1].start if cut else edge


def _remembering(encode: Any) -> Any:
    """`encode` with its last answer kept, so that finding the language and recognising the same
    group costs one run of the encoder."""
    last: list[Any] = []

    def remembered(features: NDArray[np.float32]) -> Any:
        if last and np.array_equal(last[0], features):
            return last[1]
        last[:] = [features, encode(features)]
        return last[1]

    return remembered
