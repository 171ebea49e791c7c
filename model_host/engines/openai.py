"""Models behind an HTTP API: OpenAI's (and every server that speaks it), and Anthropic's.

The key comes from the environment variable that the card names, and appears in no message.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import Field

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.loading import Options, loading
from model_host.errors import (
    Busy,
    EngineFailed,
    InvalidInput,
    ModelMissing,
    SourceUnreachable,
    SutradharError,
    TooLarge,
    Unavailable,
)
from model_host.tasks import Chat, Chatted, Embedded, EmbedText, Request, Result, TextDelta

T = TypeVar("T")
POLL_S = 0.05  # how often a running call looks whether its caller has gone
BATCH = 64  # texts in one request for embeddings
TOOL = "answer"  # the tool that Anthropic's API must call to answer in JSON


class RemoteOptions(Options):
    """Where the model is. `api_key_env` names an environment variable; without it no key is sent.
    `timeout_s` holds for each silence, not for the whole answer."""

    api: Literal["openai", "anthropic"] = "openai"
    base_url: str = Field(pattern=r"^https?://")
    model: str = Field(min_length=1)
    api_key_env: str = ""
    timeout_s: float = Field(60.0, gt=0)
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    send_temperature: bool | None = None  # None: to OpenAI's API only; newer models refuse it
    query_prefix: str = ""
    passage_prefix: str = ""


class OpenAI:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        self._options = options = RemoteOptions.of(card)
        self._key = os.environ.get(options.api_key_env, "") if options.api_key_env else "none"
        if not self._key:
            raise Unavailable(
                f"The card '{card.id}' has no key.",
                why=f"The environment variable {options.api_key_env} is empty.",
                fix=f"Set {options.api_key_env} and start again.",
            )
        with loading(card):
            import anthropic
            import openai

            clients: dict[str, Any] = {
                "openai": openai.AsyncOpenAI,
                "anthropic": anthropic.AsyncAnthropic,
            }
            self._client = clients[options.api]
            self._library: Any = openai if options.api == "openai" else anthropic

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Result:
        """Chat streams TextDelta; EmbedText is sent in batches.

        Raises SourceUnreachable when the server does not answer, Busy (with `retry_after_s`) when
        it is overloaded, Unavailable when it refuses the key, ModelMissing when it does not know
        the model, InvalidInput and TooLarge when it refuses the request."""
        match request, self._options.api:
            case Chat(), "openai":
                return asyncio.run(self._guarded(self._chat(request, emit), cancel))
            case Chat(), "anthropic":
                return asyncio.run(self._guarded(self._anthropic(request, emit), cancel))
            case EmbedText(), "openai":
                return asyncio.run(self._guarded(self._embed(request), cancel))
            case _:
                raise InvalidInput(f"This API does not serve '{request.task}'.")

    def close(self) -> None:
        self._key = ""

    async def _guarded(self, work: Coroutine[Any, Any, T], cancel: Cancel) -> T:
        """`work`, abandoned (its connection closed) soon after `cancel`, with typed errors."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait((task,), timeout=POLL_S))[0]:
                cancel.check()
            return task.result()
        except SutradharError:
            raise
        except Exception as error:
            raise self._typed(error) from None  # a cause could show the request and its key
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        options = self._options
        async with self._client(
            api_key=self._key,
            base_url=options.base_url,
            timeout=options.timeout_s,
            max_retries=0,  # whoever waits decides
        ) as client:
            yield client

    async def _chat(self, ask: Chat, emit: Emit) -> Chatted:
        options = self._options
        call: dict[str, Any] = {
            "model": options.model,
            "messages": [message.model_dump() for message in ask.messages],
            options.max_tokens_field: ask.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if options.send_temperature is not False:
            call["temperature"] = ask.temperature
        if ask.seed is not None:
            call["seed"] = ask.seed
        if ask.stop:
            call["stop"] = list(ask.stop)
        if ask.json_schema is not None:
            strict = ask.json_schema.get("additionalProperties") is False
            schema = {"name": "answer", "schema": ask.json_schema, "strict": strict}
            call["response_format"] = {"type": "json_schema", "json_schema": schema}
        texts: list[str] = []
        finish, usage = "stop", None
        async with self._connected() as client:
            async for chunk in await client.chat.completions.create(**call):
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    finish = choice.finish_reason or finish
                    if choice.delta.content:
                        texts.append(choice.delta.content)
                        emit(TextDelta(text=choice.delta.content))
        return Chatted(
            text="".join(texts),
            finish_reason="length" if finish == "length" else "stop",
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
        )

    async def _anthropic(self, ask: Chat, emit: Emit) -> Chatted:
        options = self._options
        system = "\n\n".join(m.content for m in ask.messages if m.role == "system")
        call: dict[str, Any] = {
            "model": options.model,
            "messages": [m.model_dump() for m in ask.messages if m.role != "system"],
            "max_tokens": ask.max_tokens,
        }
        if not call["messages"]:
            raise InvalidInput("There is no message of the user.")
        if options.send_temperature:
            call["extra_body"] = {"temperature": min(ask.temperature, 1.0)}  # its scale ends there
        if system:
            call["system"] = system
        if ask.stop:
            call["stop_sequences"] = list(ask.stop)
        if ask.json_schema is not None:
            call["tools"] = [{"name": TOOL, "input_schema": ask.json_schema}]
            call["tool_choice"] = {"type": "tool", "name": TOOL}
        texts: list[str] = []
        async with self._connected() as client, client.messages.stream(**call) as stream:
            async for event in stream:
                if event.type != "content_block_delta":
                    continue
                text = getattr(event.delta, "text", "") or getattr(event.delta, "partial_json", "")
                if text:
                    texts.append(text)
                    emit(TextDelta(text=text))
            final = await stream.get_final_message()
        return Chatted(
            text="".join(texts),
            finish_reason="length" if final.stop_reason == "max_tokens" else "stop",
            prompt_tokens=final.usage.input_tokens,
            completion_tokens=final.usage.output_tokens,
        )

    async def _embed(self, ask: EmbedText) -> Embedded:
        options = self._options
        prefix = options.query_prefix if ask.kind == "query" else options.passage_prefix
        rows: list[list[float]] = []
        async with self._connected() as client:
            for at in range(0, len(ask.texts), BATCH):
                # An empty text is refused by most servers.
                batch = [prefix + (text or " ") for text in ask.texts[at : at + BATCH]]
                reply = await client.embeddings.create(
                    model=options.model, input=batch, encoding_format="float"
                )
                rows += [row.embedding for row in sorted(reply.data, key=lambda row: row.index)]
        if len(rows) != len(ask.texts):
            raise EngineFailed(f"{len(ask.texts)} texts were sent, {len(rows)} vectors came back.")
        vectors = np.array(rows, np.float32).reshape(len(rows), -1 if rows else 0)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embedded(vectors=vectors / np.where(norms > 0, norms, 1.0))

    def _typed(self, error: Exception) -> SutradharError:
        """Most specific first. Says where, never the key."""
        where = f"{self._options.model} at {self._options.base_url}"
        reason = str(error)[:500]
        if self._options.api_key_env and self._key:
            reason = reason.replace(self._key, "***")
        library = self._library
        if isinstance(error, library.APITimeoutError):
            return SourceUnreachable(f"{where} did not answer in {self._options.timeout_s:g} s.")
        if isinstance(error, library.APIConnectionError):
            return SourceUnreachable(
                f"{where} cannot be reached.", fix="Is the server running, the address right?"
            )
        if not isinstance(error, library.APIStatusError):
            return EngineFailed(f"{where} failed.", why=f"{type(error).__name__}: {reason}")
        status = error.status_code
        if status in (401, 403):
            key = self._options.api_key_env or "api_key_env (on the card)"
            return Unavailable(f"{where} refuses the key (HTTP {status}).", fix=f"Check {key}.")
        if status == 404:
            return ModelMissing(f"{where} is not known there.", why=reason)
        if status == 413 or "context_length" in reason or "too long" in reason.lower():
            return TooLarge(f"The messages are too long for {where}.", why=reason)
        if status in (429, 503, 529):
            return Busy(
                f"{where} is busy (HTTP {status}).", why=reason, retry_after_s=_retry_after(error)
            )
        if 400 <= status < 500:
            return InvalidInput(f"{where} refuses the request (HTTP {status}).", why=reason)
        return EngineFailed(f"{where} failed (HTTP {status}).", why=reason)


def _retry_after(error: Any) -> float:
    try:
        return max(0.0, float(error.response.headers["retry-after"]))
    except (KeyError, ValueError):
        return 5.0
