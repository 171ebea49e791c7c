"""GGUF chat models on llama.cpp, through xllamacpp.

The library brings a whole HTTP server with it. It is bound to a Unix socket in a private folder,
so that no TCP port opens, and is not used: calls go straight into the library.
"""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import Field

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.loading import Options, expect, loading, weights
from model_host.errors import Busy, EngineFailed, InvalidInput, SutradharError, TooLarge
from model_host.tasks import Chat, Chatted, Request, TextDelta


class LlamaOptions(Options):
    """`context` in tokens, prompt and answer together, for each slot. `sampling` is passed on to
    llama.cpp (repeat_penalty, top_p …)."""

    context: int = Field(4096, ge=256)
    batch: int = Field(256, ge=32)  # tokens of the prompt between two looks at `cancel`
    gpu_layers: int = Field(0, ge=0)
    sampling: dict[str, float | int] = Field({})


class LlamaCpp:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        options = LlamaOptions.of(card)
        self._context, self._sampling = options.context, options.sampling
        self._scratch = TemporaryDirectory(prefix="llama-")
        with loading(card), _own_signals():
            import xllamacpp

            params: Any = xllamacpp.CommonParams()
            params.model.path = str(weights(card, folder, ".gguf"))
            params.hostnames = [str(Path(self._scratch.name) / "llama.sock")]
            params.n_ctx = options.context * card.memory.slots
            params.n_parallel = card.memory.slots
            params.n_batch = params.n_ubatch = options.batch
            params.n_gpu_layers = options.gpu_layers
            params.cpuparams.n_threads = threads
            params.cpuparams_batch.n_threads = threads
            params.n_threads_http = 1
            params.cache_ram_mib = 0  # the slots keep their last prompt; no second cache
            params.verbosity = -1
            params.warmup = params.ui = params.endpoint_slots = False
            params.offline = True
            self._server: Any = xllamacpp.Server(params)

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Chatted:
        """TextDelta events as tokens come.

        Raises TooLarge, with the counts, when the prompt does not fit the context, and
        InvalidInput for a JSON schema or a list of messages that the model cannot take."""
        answer = _Answer(cancel, emit)
        call = self._call(expect(request, Chat))
        try:
            self._server.handle_chat_completions(call, answer.take)
        except (ValueError, RuntimeError) as error:
            if answer.stopped is None:
                reason = str(error)
                if "schema" in reason.lower():
                    raise InvalidInput(
                        "The JSON schema cannot be turned into a grammar.", why=reason
                    ) from error
                raise EngineFailed("llama.cpp refused the call.", why=reason) from error
        if answer.stopped is not None:
            raise answer.stopped
        cancel.check()
        return answer.result()

    def close(self) -> None:
        del self._server
        self._scratch.cleanup()

    def _call(self, ask: Chat) -> dict[str, Any]:
        call: dict[str, Any] = {
            **self._sampling,
            "messages": [
                {"role": message.role, "content": _text(message.content)}
                for message in ask.messages
            ],
            "max_tokens": ask.max_tokens,
            "temperature": ask.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # also calls back while it reads a long prompt
        }
        if ask.seed is not None:
            call["seed"] = ask.seed % (1 << 32)
        if ask.stop:
            call["stop"] = [_text(stop) for stop in ask.stop]
        if ask.json_schema is not None:
            schema = {"name": "answer", "strict": True, "schema": ask.json_schema}
            call["response_format"] = {"type": "json_schema", "json_schema": schema}
        return call


class _Answer:
    """What the library calls back with, gathered. An exception would be lost in it, so the first
    one is kept and the generation stopped."""

    def __init__(self, cancel: Cancel, emit: Emit) -> None:
        self._cancel = cancel
        self._emit = emit
        self._texts: list[str] = []
        self._finish = "stop"
        self._usage: dict[str, Any] = {}
        self.stopped: BaseException | None = None

    def take(self, chunk: Any) -> bool:
        """One chunk; True stops the generation."""
        try:
            for part in chunk if isinstance(chunk, list) else [chunk]:
                self._cancel.check()
                self._read(part)
        except BaseException as error:
            self.stopped = error
            return True
        return False

    def _read(self, chunk: dict[str, Any]) -> None:
        if "error" in chunk:
            raise _typed(chunk["error"])
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", ()):
            text = (choice.get("delta") or {}).get("content") or ""
            self._finish = choice.get("finish_reason") or self._finish
            if text:
                self._texts.append(text)
                self._emit(TextDelta(text=text))

    def result(self) -> Chatted:
        return Chatted(
            text="".join(self._texts),
            finish_reason="length" if self._finish == "length" else "stop",
            prompt_tokens=int(self._usage.get("prompt_tokens", 0)),
            completion_tokens=int(self._usage.get("completion_tokens", 0)),
        )


def _typed(error: dict[str, Any]) -> SutradharError:
    reason = str(error.get("message", "unknown error"))
    if error.get("type") == "exceed_context_size_error":
        tokens, limit = error.get("n_prompt_tokens"), error.get("n_ctx")
        return TooLarge(
            f"The messages have {tokens} tokens; the model takes {limit}.",
            fix="Shorten them, or raise 'context' in the card's options.",
            tokens=tokens,
            limit=limit,
        )
    code = int(error.get("code", 500))
    if code == 503:
        return Busy("llama.cpp has no free slot.", why=reason, retry_after_s=1.0)
    kind = InvalidInput if 400 <= code < 500 else EngineFailed
    return kind("llama.cpp refused the call.", why=reason)


def _text(text: str) -> str:
    """Without halves of characters, which its JSON reader refuses."""
    return text.encode("utf-8", "replace").decode()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Puts the process's handlers back: the library takes SIGINT and SIGTERM for itself, and a
    worker would no longer end on them."""
    libc = ctypes.CDLL(None)
    numbers = (signal.SIGINT, signal.SIGTERM)
    kept = {number: ctypes.create_string_buffer(512) for number in numbers}  # struct sigaction
    for number, action in kept.items():
        libc.sigaction(int(number), None, action)
    try:
        yield
    finally:
        for number, action in kept.items():
            libc.sigaction(int(number), action, None)
