"""Kokoro 82M through kokoro-onnx, phonemes from eSpeak NG. 24 kHz, one chunk a sentence."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_host.catalog.card import Card, Voice
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.loading import Options, expect, loading, onnx_session, weights
from model_host.engines.shared.text import pieces
from model_host.engines.shared.voices import choose_voice
from model_host.errors import InvalidInput
from model_host.tasks import AudioChunk, Request, Synthesize, Synthesized

RATE_HZ = 24000
FIRST = 90  # characters; so that the first sound does not wait for a long sentence
LONGEST = 200  # characters at once; memory grows with them
PAUSE_S = {".": 0.25, "!": 0.25, "?": 0.25, "।": 0.25, ",": 0.1, ";": 0.15, ":": 0.15}
ESPEAK = {"en": "en-us", "fr": "fr-fr", "pt": "pt-br"}  # where eSpeak's name is another


class KokoroOptions(Options):
    default_voices: dict[str, str] = Field({"en": "af_heart", "hi": "hf_alpha"})


class Kokoro:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        self._card = card
        self._options = KokoroOptions.of(card)
        with loading(card):
            import kokoro_onnx

            model = weights(card, folder, ".onnx")
            self._voices = model.parent / "voices"
            session = onnx_session(model, threads, arena=True)
            with TemporaryDirectory() as scratch:  # the library insists on a file of voices
                voices = Path(scratch) / "voices.npz"
                np.savez(voices, none=np.zeros((1, 1, 256), np.float32))
                self._model: Any = kokoro_onnx.Kokoro.from_session(session, str(voices))
        self._style = cache(self._read_style)
        self._phonemizer = cache(_phonemizer)

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Synthesized:
        """An AudioChunk for each sentence, from the first one on. Any voice speaks any language
        of the model: a Hindi voice gives English an Indian accent.

        Raises UnknownName for the voice or language, InvalidInput when nothing can be said."""
        ask = expect(request, Synthesize)
        voice = choose_voice(self._card, ask, self._options.default_voices)
        style = self._style(voice.id)
        backend = self._phonemizer(_accent(voice, ask.language))
        samples = 0
        for piece in pieces(ask.text, limit=LONGEST, first=FIRST):
            cancel.check()
            audio = self._speak(backend, piece, style, ask.speed)
            if audio.size:
                emit(AudioChunk(audio=audio, rate_hz=RATE_HZ))
                samples += len(audio)
        if not samples:
            raise InvalidInput(f"Nothing in the text can be said in '{ask.language}'.")
        return Synthesized(rate_hz=RATE_HZ, duration_s=samples / RATE_HZ, voice=voice.id)

    def close(self) -> None:
        self._style.cache_clear()
        del self._model

    def _speak(
        self, backend: Any, text: str, style: NDArray[np.float32], speed: float
    ) -> NDArray[np.float32]:
        phonemes = " ".join(backend.phonemize([text], strip=True))
        known = self._model.tokenizer.known(phonemes).strip()
        if not any(char.isalpha() for char in known):
            return np.zeros(0, np.float32)
        audio, _ = self._model.create(known, style, speed=speed, is_phonemes=True)
        pause = np.zeros(int(PAUSE_S.get(text[-1], 0.1) * RATE_HZ / speed), np.float32)
        return np.concatenate([np.clip(audio, -1.0, 1.0), pause]).astype(np.float32)

    def _read_style(self, voice: str) -> NDArray[np.float32]:
        path = weights(self._card, self._voices, f"{voice}.bin")
        return np.fromfile(path, np.float32).reshape(-1, 1, 256)


def _accent(voice: Voice, language: str) -> str:
    if language == "en" and voice.id.startswith("b"):
        return "en-gb"
    return ESPEAK.get(language, language)


def _phonemizer(language: str) -> Any:
    quiet = logging.getLogger("sutradhar.phonemizer")
    quiet.setLevel(logging.CRITICAL)
    backend: Any = import_module("phonemizer.backend")  # it has no types
    return backend.EspeakBackend(
        language,
        preserve_punctuation=True,
        with_stress=True,
        language_switch="remove-flags",  # else "(en)" is spoken around English words
        logger=quiet,
    )
