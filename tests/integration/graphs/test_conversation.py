"""conversation with real models: typed, spoken, in Hindi, and over several turns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import HumanMessage, messages_to_dict
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from graphs.conversation.context import Context
from graphs.conversation.graph import build_graph
from indexers.media.audio import write_wav
from model_host.errors import UnreadableMedia
from tools.transcribe import transcribe

from .conftest import World, open_world

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).parents[3]
SPOKEN = ROOT / "samples" / "questions" / "drain_budget.wav"  # "How much money was approved …"
MEETING = ROOT / "samples" / "ward_meeting" / "ward_meeting.mp4"
NOT_HEARD = "I heard no question in the recording."


class Talk:
    """One thread of a conversation, kept in a SQLite file."""

    def __init__(self, saver: AsyncSqliteSaver, thread: str) -> None:
        self.graph: Any = build_graph().compile(checkpointer=saver)
        self.config: Any = {"configurable": {"thread_id": thread}}

    async def say(self, text: str = "", *, draft: bool = False, **more: Any) -> dict[str, Any]:
        """The turn that follows."""
        asked = {"corpus": "ward", "messages": [HumanMessage(text)] if text else [], **more}
        state = await self.graph.ainvoke(asked, self.config, context=Context(draft=draft))
        turn: dict[str, Any] = state["turn"]
        return turn

    async def state(self) -> dict[str, Any]:
        values: dict[str, Any] = (await self.graph.aget_state(self.config)).values
        return values


@asynccontextmanager
async def talking(folder: Path, thread: str) -> AsyncIterator[Talk]:
    async with AsyncSqliteSaver.from_conn_string(str(folder / "conversations.sqlite")) as saver:
        yield Talk(saver, thread)


async def test_small_talk_is_answered_without_looking_anything_up(world: World) -> None:
    seen: list[str] = []
    async with talking(world.home, "hello") as talk:
        asked = {"corpus": "ward", "messages": [HumanMessage("Hello there!")]}
        async for _, event in talk.graph.astream(
            asked, talk.config, stream_mode="tasks", subgraphs=True
        ):
            if "input" in event:
                seen.append(event["name"])
        turn = (await talk.state())["turn"]

    assert seen == ["listen", "decide", "reply"]
    assert turn["models"] == {}
    assert turn["citations"] == []
    assert not turn["abstained"]
    assert "'ward'" in turn["answer"]


@pytest.mark.parametrize("draft", [False, True])
async def test_a_follow_up_uses_the_turn_before(world: World, draft: bool) -> None:
    async with talking(world.home, f"follow-up-{draft}") as talk:
        first = await talk.say("How much was approved for the storm drain?", draft=draft)
        second = await talk.say("And who objected to it?", draft=draft)
        third = await talk.say("And by when will it be finished?", draft=draft)

    assert "450,000" in first["answer"]
    assert "I object" in second["citations"][0]["quote"]
    assert "storm drain" in second["search"]
    assert "30 May" in third["citations"][0]["quote"]


async def test_a_follow_up_about_what_nobody_said_is_not_answered(world: World) -> None:
    async with talking(world.home, "nobody") as talk:
        await talk.say("How much was approved for the storm drain?")
        turn = await talk.say("And who painted it?")

    assert turn["abstained"]
    assert "painted" in turn["answer"]


async def test_a_new_question_leaves_the_old_one_behind(world: World) -> None:
    async with talking(world.home, "new") as talk:
        await talk.say("How much was approved for the storm drain?")
        turn = await talk.say("How much did the new swings in Nehru Park cost?")

    assert turn["search"] == turn["question"]
    assert "86,000" in turn["answer"]


async def test_a_conversation_goes_on_after_everything_was_closed(
    home: Path, models_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(home, models_root), talking(home, "t") as talk:
        await talk.say("How much was approved for the storm drain?")

    async with open_world(home, models_root), talking(home, "t") as talk:
        turn = await talk.say("And who objected to it?")
        messages = (await talk.state())["messages"]
        other = Talk(talk.graph.checkpointer, "another")
        alone = await other.state()

    assert "I object" in turn["citations"][0]["quote"]
    assert [message.type for message in messages] == ["human", "ai", "human", "ai"]
    assert alone == {}
    assert not [r for r in caplog.records if "checkpoint" in r.name]  # all types are known to it


async def test_the_state_is_plain_json(world: World) -> None:
    async with talking(world.home, "json") as talk:
        await talk.say("How much was approved for the storm drain?", draft=True)
        state = await talk.state()

    plain = {**state, "messages": messages_to_dict(state["messages"])}
    assert json.loads(json.dumps(plain)) == plain
    assert plain["messages"][1]["data"]["additional_kwargs"]["citations"]


async def test_a_spoken_question_gets_a_spoken_answer(world: World) -> None:
    target = world.home / "answers" / "answer.wav"
    async with talking(world.home, "spoken") as talk:
        turn = await talk.say(audio=str(SPOKEN), speak_to=str(target))
        state = await talk.state()
        typed = await talk.say("Who objected?")

    assert "storm drain" in turn["question"].casefold()
    assert "450,000" in turn["answer"]
    assert turn["speech"] == str(target)
    assert turn["models"].keys() >= {"transcribe", "embed_text", "synthesize"}
    assert turn["timings_s"].keys() >= {"transcribe", "retrieve", "first_audio", "speak"}
    heard = (await transcribe(world.client, target, language="en")).text.casefold()
    assert "drain" in heard
    assert "temple street" in heard
    assert "450" in heard or "four hundred" in heard
    assert state["messages"][0].text == turn["question"]
    assert not {"audio", "speak_to"} & set(state)
    assert typed["speech"] is None  # the next turn is not spoken by itself


async def test_silence_is_said_to_be_silence(world: World) -> None:
    wav = world.home / "silence.wav"
    write_wav(wav, np.zeros(32000, np.float32), 16000)
    async with talking(world.home, "silence") as talk:
        turn = await talk.say(audio=str(wav))
        state = await talk.state()

    assert turn["answer"] == NOT_HEARD
    assert turn["abstained"]
    assert turn["citations"] == []
    assert "embed_text" not in turn["models"]
    assert [message.type for message in state["messages"]] == ["ai"]


@pytest.mark.parametrize("content", ["no bytes", "no samples", "text"])
async def test_what_holds_no_sound_is_refused_once(world: World, content: str) -> None:
    question = world.home / "question.wav"
    if content == "no samples":
        write_wav(question, np.zeros(0, np.float32), 16000)
    else:
        question.write_text("" if content == "no bytes" else "How much?")
    async with talking(world.home, content) as talk:
        with pytest.raises(UnreadableMedia, match=r"question\.wav"):
            await talk.say(audio=str(question), speak_to=str(world.home / "never.wav"))
        turn = await talk.say("Who leads the reading room?")

    assert "Farida Khan" in turn["answer"]  # the next turn does not try that file again
    assert turn["speech"] is None


async def test_no_message_at_all_is_no_question(world: World) -> None:
    async with talking(world.home, "nothing") as talk:
        turn = await talk.say()

    assert turn["answer"] == "There was no question."
    assert turn["models"] == {}


async def test_a_hindi_question_is_answered_in_hindi(world: World) -> None:
    async with talking(world.home, "hindi") as talk:
        turn = await talk.say("नीलकंठ बावड़ी किसने बनवाई थी?")
        second = await talk.say("और उसकी सफाई पर कितने रुपये खर्च हुए?")
        thanks = await talk.say("धन्यवाद")

    assert turn["language"] == "hi"
    assert "राजा मान सिंह" in turn["citations"][0]["quote"]
    assert turn["spoken"].startswith("baori में:")
    assert "75,000" in second["answer"]
    assert "पूछिए" in thanks["answer"]


async def test_the_stages_arrive_before_the_answer(world: World) -> None:
    seen: list[str] = []
    async with talking(world.home, "stages") as talk:
        asked = {"corpus": "ward", "messages": [HumanMessage("Who leads the reading room?")]}
        async for path, mode, data in talk.graph.astream(
            asked,
            talk.config,
            context=Context(draft=False),
            stream_mode=["tasks", "values"],
            subgraphs=True,
        ):
            if mode == "tasks" and "input" in data:
                seen.append(data["name"])
            elif mode == "values" and not path and data.get("turn", {}).get("answer"):
                seen.append("answered")

    assert seen == ["listen", "decide", "recall", "retrieve", "draft", "ground", "answered"]


async def test_cancelling_a_turn_frees_its_model(world: World) -> None:
    async def working() -> list[str]:
        return [i.card_id for i in (await world.client.status()).instances if i.in_flight]

    async with talking(world.home, "cancelled") as talk, asyncio.timeout(120):
        running = asyncio.create_task(talk.say(audio=str(MEETING)))
        while not await working():
            assert not running.done()
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        left = await working()
        after = await talk.say("Who leads the reading room?")

    assert left == []
    assert "transcribe" not in after["models"]  # the next turn does not hear that file again
    assert "Farida Khan" in after["citations"][0]["quote"]
