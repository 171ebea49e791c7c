"""Chat, embeddings and reading through real workers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from model_host.client import Client
from model_host.errors import InvalidInput, TooLarge
from model_host.tasks import (
    Chat,
    Chatted,
    Embedded,
    EmbedText,
    Message,
    Read,
    ReadResult,
    TextDelta,
)

pytestmark = pytest.mark.models


def chat(*texts: str, **fields: Any) -> Chat:
    roles = ("user", "assistant")
    messages = tuple(
        Message(role=roles[index % 2], content=text) for index, text in enumerate(texts)
    )
    return Chat(messages=messages, **fields)


async def answer(client: Client, ask: Chat) -> Chatted:
    reply = await client.run(ask, model="smollm2-135m")
    assert isinstance(reply.result, Chatted)
    deltas = [event.text for event in reply.events if isinstance(event, TextDelta)]
    assert "".join(deltas) == reply.result.text
    return reply.result


async def test_chat_streams_counts_and_stops(client: Client) -> None:
    question = "Why is the sky blue? Answer in one sentence."
    whole = await answer(client, chat(question, max_tokens=40))
    assert len(whole.text) > 20
    assert (whole.finish_reason, whole.completion_tokens) == ("length", 40)
    assert 15 < whole.prompt_tokens < 80

    word = whole.text.split()[5]
    cut = await answer(client, chat(question, max_tokens=40, stop=(word,)))
    assert cut.finish_reason == "stop"
    assert word not in cut.text
    assert whole.text.startswith(cut.text.rstrip())

    warm = {"temperature": 1.2, "max_tokens": 30}
    seven, again, eight = [
        await answer(client, chat("Tell a story.", seed=seed, **warm)) for seed in (7, 7, 8)
    ]
    assert seven.text == again.text != eight.text


@pytest.mark.parametrize("question", ["What did the committee decide?", "नमस्ते", "{]🙂\0\ud83d"])
async def test_json_follows_the_schema_whatever_is_asked(client: Client, question: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "route": {"enum": ["recall", "chat"]},
            "sure": {"type": "boolean"},
            "count": {"type": "integer", "minimum": 0, "maximum": 9},
        },
        "required": ["route", "sure", "count"],
        "additionalProperties": False,
    }
    result = await answer(client, chat(question, json_schema=schema, max_tokens=120))
    made = json.loads(result.text)
    assert set(made) == {"route", "sure", "count"}
    assert made["route"] in ("recall", "chat")
    assert isinstance(made["sure"], bool)
    assert 0 <= made["count"] <= 9


async def test_bad_chats_are_typed(client: Client) -> None:
    with pytest.raises(TooLarge, match="tokens; the model takes") as caught:
        await answer(client, chat("word " * 20_000))
    assert caught.value.detail["tokens"] > 20_000 > caught.value.detail["limit"]
    for schema in ({"type": "nonsense"}, {"$ref": "#/nowhere"}):
        with pytest.raises(InvalidInput, match="JSON schema"):
            await answer(client, chat("hi", json_schema=schema))
    for odd in ("", "🙂", "\0", "\ud83d"):
        assert (await answer(client, chat(odd, max_tokens=3))).completion_tokens <= 3


async def test_a_caller_who_leaves_stops_the_model(client: Client) -> None:
    for ask in (chat("Count to one thousand.", max_tokens=4000), chat("word " * 3000)):
        async with client.open(ask, model="smollm2-135m") as call:
            if ask.max_tokens == 4000:
                await anext(aiter(call))
        assert (await answer(client, chat("Hi", max_tokens=3))).completion_tokens <= 3


async def embed(client: Client, *texts: str, kind: Any = "passage") -> np.ndarray:
    reply = await client.run(EmbedText(texts=texts, kind=kind), model="e5-small")
    assert isinstance(reply.result, Embedded)
    vectors = reply.result.vectors
    assert vectors.shape == (len(texts), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    return vectors


async def test_a_question_is_nearest_to_its_answer_in_another_language(client: Client) -> None:
    passages = [
        "The committee will spend twelve lakh rupees on the new drain.",
        "The library opens at nine in the morning and closes at six.",
        "Volunteers planted two hundred trees along the river.",
        "The school's water tank leaks and will be repaired in May.",
    ]
    index = await embed(client, *passages)
    questions = {
        "नाली पर कितना पैसा खर्च होगा?": 0,
        "গ্রন্থাগার কখন খোলে?": 1,
        "எத்தனை மரங்கள் நடப்பட்டன?": 2,
        "When is the tank of the school mended?": 3,
    }
    for question, expected in questions.items():
        query = await embed(client, question, kind="query")
        assert int((index @ query[0]).argmax()) == expected, question


async def test_a_vector_does_not_depend_on_its_batch(client: Client) -> None:
    texts = [f"Sentence {n} about {'water ' * (n % 7)}tanks." for n in range(40)]
    together = await embed(client, *texts)
    for n in (0, 17, 39):
        np.testing.assert_allclose((await embed(client, texts[n]))[0], together[n], atol=1e-4)


async def test_odd_texts_have_vectors_too(client: Client) -> None:
    none = await client.run(EmbedText(texts=()), model="e5-small")
    assert isinstance(none.result, Embedded)
    assert len(none.result.vectors) == 0
    odd = await embed(client, "", " ", "\0", "...", "🙂", "\ud800", "before\0after", "before")
    assert not np.allclose(odd[6], odd[7])  # what stands after a NUL counts
    long = await embed(client, "water tank " * 700, "water tank")
    assert float(long[0] @ long[1]) > 0.8
    with pytest.raises(TooLarge, match="Text 1 has 100001 characters"):
        await embed(client, "short", "x" * 100_001)


def slide(*lines: tuple[float, float, str], size: int = 40, dark: bool = False) -> np.ndarray:
    """1280x720; each line at left, top (pixels)."""
    paper, ink = ((15, 25, 70), (255, 255, 255)) if dark else ((255, 255, 255), (0, 0, 0))
    image = Image.new("RGB", (1280, 720), paper)
    draw = ImageDraw.Draw(image)
    for left, top, text in lines:
        draw.text((left, top), text, ink, font=ImageFont.load_default(size))
    return np.asarray(image)


async def read(client: Client, image: np.ndarray) -> ReadResult:
    result = (await client.run(Read(image=image))).result
    assert isinstance(result, ReadResult)
    for line in result.lines:
        left, top, right, bottom = line.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert 0.5 <= line.confidence <= 1
    return result


async def test_a_slide_is_read_with_its_numbers_and_places(client: Client) -> None:
    lines = (
        (80, 60, "Ward 12: budget 2025"),
        (80, 200, "Drain near the school"),
        (80, 300, "Rs 12,50,000 approved on 14 June"),
        (700, 500, "Next meeting at 10:30"),
    )
    for size, dark in ((40, False), (40, True), (18, False)):
        found = (await read(client, slide(*lines, size=size, dark=dark))).lines
        assert [line.text for line in found] == [text for _, _, text in lines]
        for line, (left, top, _) in zip(found, lines, strict=True):
            assert line.box[0] == pytest.approx(left / 1280, abs=0.02)
            assert line.box[1] == pytest.approx(top / 720, abs=0.03)


async def test_colour_is_red_green_blue(client: Client) -> None:
    """Red on black: were channels swapped, it would be dark blue on black, and still read; so the
    test is that text on a coloured ground comes through whichever channel holds it."""
    for channel in range(3):
        image = slide((80, 300, "Only one channel"), dark=False).copy()
        alone = np.zeros_like(image)
        alone[:, :, channel] = 255 - image[:, :, channel]
        assert [line.text for line in (await read(client, alone)).lines] == ["Only one channel"]


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 500), (500, 1), (3000, 4), (4, 3000), (40, 600), (20, 20), (720, 1280)]
)
async def test_images_without_text(client: Client, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    for image in (
        np.zeros((*shape, 3), np.uint8),
        np.full((*shape, 3), 255, np.uint8),
        rng.integers(0, 255, (*shape, 3)).astype(np.uint8),
    ):
        assert len((await read(client, image)).lines) == 0


async def test_an_empty_image_is_typed(client: Client) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        await read(client, np.zeros((0, 10, 3), np.uint8))
