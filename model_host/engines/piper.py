"""Piper voices through piper-tts (GPL-3.0: it runs in worker processes alone)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.loading import Options, expect, loading, onnx_session, weights
from model_host.engines.shared.text import pieces
from model_host.engines.shared.voices import choose_voice
from model_host.errors import InvalidInput
from model_host.tasks import AudioChunk, Request, Synthesize, Synthesized

FIRST = 120  # characters
PAUSE_S = 0.2  # after a sentence


class Piper:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        self._card = card
        Options.of(card)
        with loading(card):
            from piper import PiperVoice
            from piper.config import PiperConfig

            config = json.loads(weights(card, folder, ".onnx.json").read_text("utf-8"))
            session = onnx_session(weights(card, folder, ".onnx"), threads)
            self._voice: Any = PiperVoice(session=session, config=PiperConfig.from_dict(config))

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Synthesized:
        """An AudioChunk for each sentence.

        Raises UnknownName for the voice or language, InvalidInput when nothing can be said."""
        from piper.config import SynthesisConfig

        ask = expect(request, Synthesize)
        voice = choose_voice(self._card, ask, {})
        config = self._voice.config
        how = SynthesisConfig(
            speaker_id=(config.speaker_id_map or {}).get(voice.id),
            length_scale=config.length_scale / ask.speed,
        )
        rate_hz = int(config.sample_rate)
        pause = np.zeros(int(PAUSE_S * rate_hz / ask.speed), np.float32)
        samples = 0
        for piece in pieces(ask.text, first=FIRST):
            cancel.check()
            # [[…]] would be read as phonemes
            text = piece.replace("[[", "[ [").replace("]]", "] ]")
            for chunk in self._voice.synthesize(text, how):
                cancel.check()
                audio = np.concatenate([chunk.audio_float_array, pause]).astype(np.float32)
                emit(AudioChunk(audio=audio, rate_hz=rate_hz))
                samples += len(audio)
        if not samples:
            raise InvalidInput("Nothing in the text can be said in English letters.")
        return Synthesized(rate_hz=rate_hz, duration_s=samples / rate_hz, voice=voice.id)

    def close(self) -> None:
        del self._voice
