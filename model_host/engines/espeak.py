"""eSpeak NG formant voices: every Indian language, instantly, with a robot's sound.

A thin ctypes binding to the shared library of `espeakng-loader` (GPL-3.0: it is loaded in worker
processes alone). The library keeps global state, so one call speaks at a time.
"""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.loading import Options, expect, loading
from model_host.engines.shared.text import pieces
from model_host.engines.shared.voices import choose_voice
from model_host.errors import EngineFailed, InvalidInput
from model_host.tasks import AudioChunk, Request, Synthesize, Synthesized

# Names and values of speak_lib.h
_SYNCHRONOUS, _DONT_EXIT, _CHARS_UTF8, _RATE = 2, 0x8000, 1, 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
WORDS_A_MINUTE = 165
PIECE = 400  # characters
SILENT = 1e-3  # a peak below this is nothing
# eSpeak's Konkani voice reads each vowel sign out by its name; the Marathi one reads Konkani well.
STAND_INS = {"kok": "mr"}
# NFC takes these letters apart, and eSpeak then drops the vowel after them or spells the word.
_WHOLE = {"\u09a1\u09bc": "\u09dc", "\u09a2\u09bc": "\u09dd", "\u09af\u09bc": "\u09df"}


class EspeakOptions(Options):
    words_a_minute: int = WORDS_A_MINUTE


class Espeak:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        self._card = card
        self._words_a_minute = EspeakOptions.of(card).words_a_minute
        self._speaking = threading.Lock()
        with loading(card):
            import espeakng_loader

            self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
            self._library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
            self._library.espeak_Synth.argtypes = [
                ctypes.c_char_p,
                ctypes.c_size_t,
                ctypes.c_uint,
                ctypes.c_int,
                ctypes.c_uint,
                ctypes.c_uint,
                ctypes.c_void_p,
                ctypes.c_void_p,
            ]
            rate_hz = self._library.espeak_Initialize(
                _SYNCHRONOUS, 200, espeakng_loader.get_data_path().encode(), _DONT_EXIT
            )
            if rate_hz <= 0:
                raise EngineFailed("eSpeak NG does not find its data.")
            self._rate_hz = int(rate_hz)

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Synthesized:
        """An AudioChunk for each sentence.

        Raises UnknownName for the voice or language, InvalidInput when nothing can be said."""
        ask = expect(request, Synthesize)
        voice = choose_voice(self._card, ask, STAND_INS).id
        voice = STAND_INS.get(voice, voice)
        samples = 0
        for piece in pieces(ask.text, limit=PIECE):
            with self._speaking:
                self._set(voice, ask.speed)
                audio = self._speak(piece, cancel)
            cancel.check()
            if audio.size and float(np.abs(audio).max()) > SILENT:
                emit(AudioChunk(audio=audio, rate_hz=self._rate_hz))
                samples += len(audio)
        if not samples:
            raise InvalidInput(f"Nothing in the text can be said in '{ask.language}'.")
        duration_s = samples / self._rate_hz
        return Synthesized(rate_hz=self._rate_hz, duration_s=duration_s, voice=voice)

    def close(self) -> None:
        self._library.espeak_Terminate()

    def _set(self, voice: str, speed: float) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EngineFailed(f"This eSpeak NG has no voice '{voice}'.", why="The card names it.")
        self._library.espeak_SetParameter(_RATE, round(self._words_a_minute * speed), 0)

    def _speak(self, text: str, cancel: Cancel) -> NDArray[np.float32]:
        parts: list[NDArray[np.float32]] = []

        def heard(samples: Any, count: int, events: Any) -> int:
            if count > 0 and samples:
                block = np.ctypeslib.as_array(samples, (count,))
                parts.append(block.astype(np.float32) / 32768.0)
            return int(cancel.is_set)  # 1 stops the voice

        callback = _CALLBACK(heard)
        self._library.espeak_SetSynthCallback(callback)
        for apart, whole in _WHOLE.items():
            text = text.replace(apart, whole)
        data = text.encode()
        status = self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _CHARS_UTF8, None, None)
        if status != 0:
            raise EngineFailed(f"eSpeak NG could not speak (status {status}).")
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
