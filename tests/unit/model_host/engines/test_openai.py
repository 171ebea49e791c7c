"""Against a server on this machine that speaks both APIs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from model_host.catalog.card import Card
from model_host.engines.base import Cancel
from model_host.engines.openai import OpenAI
from model_host.errors import (
    Busy,
    Cancelled,
    EngineFailed,
    InvalidInput,
    ModelMissing,
    SourceUnreachable,
    SutradharError,
    TooLarge,
    Unavailable,
)
from model_host.tasks import Chat, Chatted, Embedded, EmbedText, Event, Message, Read, TextDelta

KEY = "sk-a-very-secret-key"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


class Server(ThreadingHTTPServer):
    """Answers with `status` and a body, or streams; keeps what it was asked."""

    daemon_threads = True
    status = 200
    headers: dict[str, str] = {}  # noqa: RUF012
    message = ""
    hang = threading.Event()
    hangs = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.gone = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = json.loads(self.rfile.read(length))
        self.server.asked.append((self.path, body, {k.lower(): v for k, v in self.headers.items()}))
        if self.server.status != 200:
            error = {"error": {"message": self.server.message, "type": "x"}}
            self._whole(json.dumps(error).encode(), self.server.status)
        elif self.path == "/v1/embeddings":
            rows = [
                {"object": "embedding", "index": i, "embedding": [float(len(text)), 0.0, 4.0]}
                for i, text in enumerate(body["input"])
            ]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            reply = {"object": "list", "data": rows[::-1], "model": "m", "usage": usage}
            self._whole(json.dumps(reply).encode(), 200)
        elif self.path == "/v1/chat/completions":
            self._stream(_openai_events(body))
        elif self.path == "/v1/messages":
            self._stream(_anthropic_events(body))

    def _whole(self, data: bytes, status: int) -> None:
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        try:
            for event in events:
                self.wfile.write(event)
                self.wfile.flush()
                if self.server.hangs:
                    while not self.server.hang.wait(0.02):
                        self.wfile.write(b": waiting\n\n")
        except OSError:
            self.server.gone.set()
        self.close_connection = True


def _openai_events(body: dict[str, Any]) -> Iterator[bytes]:
    def chunk(**fields: Any) -> bytes:
        base = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        return b"data: " + json.dumps(base | fields).encode() + b"\n\n"

    for text in ("Hel", "lo ", "नमस्ते"):
        yield chunk(choices=[{"index": 0, "delta": {"content": text}}])
    yield chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "length"}])
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    yield chunk(choices=[], usage=usage)
    yield b"data: [DONE]\n\n"


def _anthropic_events(body: dict[str, Any]) -> Iterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        data = json.dumps({"type": kind, **fields}).encode()
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    usage = {"input_tokens": 9, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "1", "type": "message", "role": "assistant", "content": [], "model": "m",
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    yield event("message_start", message=message)
    if "tools" in body:
        block: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "answer", "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ('{"n"', ": 3}")]
    else:
        block = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": part} for part in ("Hel", "lo")]
    yield event("content_block_start", index=0, content_block=block)
    for delta in deltas:
        yield event("content_block_delta", index=0, delta=delta)
    yield event("content_block_stop", index=0)
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    yield event("message_delta", delta=ended, usage={"output_tokens": 5})
    yield event("message_stop")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.hang.set()
        running.shutdown()
        thread.join()
    Server.hang.clear()


@pytest.fixture
def engine(
    server: Server, make_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., OpenAI]:
    monkeypatch.setenv("A_KEY", KEY)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def make(api: str = "openai", **options: Any) -> OpenAI:
        host = f"http://127.0.0.1:{server.server_port}"
        base = {
            "api": api,
            "base_url": host + "/v1" if api == "openai" else host,
            "model": "m",
            "api_key_env": "A_KEY",
        }
        return OpenAI(make_card(options=base | options), None, 1)

    return make


def ask(engine: OpenAI, cancel: Cancel | None = None, **fields: Any) -> tuple[Chatted, list[Event]]:
    events: list[Event] = []
    messages = (Message(role="system", content="Be brief."), Message(role="user", content="Hi"))
    result = engine.run(Chat(messages=messages, **fields), cancel or Cancel(), events.append)
    assert isinstance(result, Chatted)
    return result, events


def test_openai_chat_streams(engine: Callable[..., OpenAI], server: Server) -> None:
    result, events = ask(engine(), max_tokens=9, stop=("x",), seed=4, json_schema=SCHEMA)

    assert result == Chatted(
        text="Hello नमस्ते", finish_reason="length", prompt_tokens=7, completion_tokens=3
    )
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["Hel", "lo ", "नमस्ते"]
    path, body, headers = server.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["max_tokens"], body["stop"], body["seed"]) == (9, ["x"], 4)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_options_change_the_call(engine: Callable[..., OpenAI], server: Server) -> None:
    ask(engine(max_tokens_field="max_completion_tokens", send_temperature=False, api_key_env=""))
    _, body, headers = server.asked[0]
    assert "max_tokens" not in body
    assert "temperature" not in body
    assert body["max_completion_tokens"] == 256
    assert KEY not in headers["authorization"]


def test_anthropic_chat_streams(engine: Callable[..., OpenAI], server: Server) -> None:
    result, events = ask(engine("anthropic", send_temperature=True), temperature=1.7, stop=("x",))

    assert result == Chatted(
        text="Hello", finish_reason="stop", prompt_tokens=9, completion_tokens=5
    )
    assert len(events) == 2
    path, body, headers = server.asked[0]
    assert path == "/v1/messages"
    assert KEY in headers.get("x-api-key", headers.get("authorization", ""))
    assert body["system"] == "Be brief."
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert (body["temperature"], body["stop_sequences"]) == (1.0, ["x"])


def test_anthropic_json(engine: Callable[..., OpenAI], server: Server) -> None:
    result, _ = ask(engine("anthropic"), json_schema=SCHEMA)
    assert json.loads(result.text) == {"n": 3}
    body = server.asked[0][1]
    assert body["tool_choice"] == {"type": "tool", "name": "answer"}
    assert "temperature" not in body


def test_anthropic_needs_a_message_of_the_user(engine: Callable[..., OpenAI]) -> None:
    alone = Chat(messages=(Message(role="system", content="x"),))
    with pytest.raises(InvalidInput, match="no message of the user"):
        engine("anthropic").run(alone, Cancel(), print)


def test_embeddings_are_batched_in_order_and_normalised(
    engine: Callable[..., OpenAI], server: Server
) -> None:
    texts = ("", *("x" * (n % 5 + 1) for n in range(99)))
    made = engine(query_prefix="query: ")
    result = made.run(EmbedText(texts=texts, kind="query"), Cancel(), print)

    assert isinstance(result, Embedded)
    assert [len(body["input"]) for _, body, _ in server.asked] == [64, 36]
    assert server.asked[0][1]["input"][0] == "query:  "  # never an empty text
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, rtol=1e-5)
    lengths = [max(1, len(text)) + len("query: ") for text in texts]
    np.testing.assert_allclose(result.vectors[:, 0] / result.vectors[:, 2] * 4, lengths, rtol=1e-5)
    nothing = made.run(EmbedText(texts=()), Cancel(), print)
    assert isinstance(nothing, Embedded)
    assert len(nothing.vectors) == 0


@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "bad field", InvalidInput),
        (400, "This exceeds: context_length_exceeded", TooLarge),
        (400, "prompt is too long: 9 tokens", TooLarge),
        (401, f"wrong key {KEY}", Unavailable),
        (403, f"wrong key {KEY}", Unavailable),
        (404, "model m not found", ModelMissing),
        (413, "big", TooLarge),
        (422, f"odd {KEY}", InvalidInput),
        (429, "slow down", Busy),
        (500, f"oops {KEY}", EngineFailed),
        (503, "overloaded", Busy),
        (529, "overloaded", Busy),
    ],
)
def test_http_errors_are_typed_and_hide_the_key(
    engine: Callable[..., OpenAI],
    server: Server,
    api: str,
    status: int,
    message: str,
    kind: type[SutradharError],
) -> None:
    server.status, server.message, server.headers = status, message, {"retry-after": "17"}
    with pytest.raises(SutradharError) as caught:
        ask(engine(api))
    assert type(caught.value) is kind
    assert KEY not in json.dumps(caught.value.to_wire())
    assert len(server.asked) == 1  # no silent retries
    if kind is Busy:
        assert caught.value.detail["retry_after_s"] == 17


def test_no_server(engine: Callable[..., OpenAI]) -> None:
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        ask(engine(base_url="http://127.0.0.1:9/v1"))


def test_a_silent_server_times_out(engine: Callable[..., OpenAI], server: Server) -> None:
    made = engine(timeout_s=0.2)
    server.server_close()  # accepts nothing more, and the kernel's queue stays open to nobody
    with pytest.raises(SourceUnreachable):
        ask(made)


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_a_cancelled_call_closes_its_connection(
    engine: Callable[..., OpenAI], server: Server, api: str
) -> None:
    server.hangs = True
    cancel = Cancel()
    made = engine(api)
    threading.Timer(0.2, cancel.set).start()
    began = time.perf_counter()
    with pytest.raises(Cancelled):
        ask(made, cancel)
    assert time.perf_counter() - began < 10
    assert server.gone.wait(10)


def test_a_missing_key_is_said_by_name(
    make_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    options = {"base_url": "http://x", "model": "m", "api_key_env": "A_KEY"}
    with pytest.raises(Unavailable, match="Set A_KEY"):
        OpenAI(make_card(options=options), None, 1)


@pytest.mark.parametrize(
    "options", [{}, {"base_url": "ftp://x", "model": "m"}, {"base_url": "http://x", "model": ""}]
)
def test_bad_cards(make_card: Callable[..., Card], options: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="bad option"):
        OpenAI(make_card(options=options), None, 1)


def test_what_it_does_not_serve(engine: Callable[..., OpenAI]) -> None:
    image = Read(image=np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InvalidInput, match="does not serve 'read'"):
        engine().run(image, Cancel(), print)
    with pytest.raises(InvalidInput, match="does not serve 'embed_text'"):
        engine("anthropic").run(EmbedText(texts=("x",)), Cancel(), print)
