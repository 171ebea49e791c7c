"""echo: a real engine without a model, for tests and benchmarks. It can also go wrong on demand."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.errors import InvalidInput
from model_host.tasks import Echo as EchoRequest
from model_host.tasks import Echoed, EchoEvent, Event, Request, Result

_LEAK_BYTES = 64 << 20


class Echo:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        if card.options.get("fail"):
            raise InvalidInput("This card is made to fail.")
        time.sleep(float(card.options.get("load_s", 0)))
        self._leaked: list[bytes] = []

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Result:
        assert isinstance(request, EchoRequest)
        began = time.perf_counter()
        if request.sleep_s:
            cancel.wait(request.sleep_s)
            cancel.check()
        slept_s = time.perf_counter() - began
        for index in range(request.event_count):
            emit(EchoEvent(index=index, payload=request.payload))
        if request.misbehave:  # last: whoever saw an event knows that the engine is at work
            self._misbehave(request.misbehave, emit)
        return Echoed(payload=request.payload, slept_s=slept_s)

    def stream(
        self, request: Request, inputs: Iterator[Event], cancel: Cancel, emit: Emit
    ) -> Result:
        assert isinstance(request, EchoRequest)
        if request.misbehave:
            self._misbehave(request.misbehave, emit)
        for event in inputs:
            cancel.check()
            emit(event)
        return Echoed(payload=request.payload, slept_s=0.0)

    def close(self) -> None:
        self._leaked.clear()

    def _misbehave(self, how: str, emit: Emit) -> None:
        if how == "raise":
            raise RuntimeError("made to fail")
        if how == "die":
            print("made to die", file=sys.stderr, flush=True)
            os._exit(7)
        if how == "hang":
            while True:  # deaf to cancellation
                time.sleep(60)
        if how == "hold_gil":
            ctypes.PyDLL(None).sleep(3600)  # a native call that keeps the interpreter's lock
        if how == "flood":
            index = 0
            while True:
                emit(EchoEvent(index=index))
                index += 1
        if how == "garbage":
            sys.stdout.write("not a frame\n")
            emit(Event())  # a class that no client knows
        if how == "leak":
            self._leaked.append(os.urandom(1) * _LEAK_BYTES)
