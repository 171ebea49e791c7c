"""LangGraph Studio's local server: both graphs and our own routes, in one process, offline.

The server is the real one (`make studio`), driven through LangGraph's own client. It raises an
error when code of ours blocks its event loop, so these runs show that none does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
import pytest_asyncio

from indexers.corpora import Corpora
from indexers.settings import IndexSettings

pytest.importorskip("langgraph_cli", reason="langgraph-cli[inmem] is not installed")
pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed")
sdk = pytest.importorskip("langgraph_sdk")

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).parents[2]
SPOKEN = ROOT / "samples" / "questions" / "drain_budget.wav"  # "How much money was approved …"
APPROVED = "The council approved 450,000 rupees for the storm drain on Temple Street."
OBJECTED = "Joseph Pinto objected, because that drain was repaired two years ago."
NOTES = f"# Ward 12\n\n{APPROVED}\n\n{OBJECTED}\n\nThe library opens on 12 March.\n"
SPEECH = ("whisper-base", "piper-joe")
QUESTION = "How much was approved for the storm drain?"


class Studio(NamedTuple):
    url: str
    client: Any  # of langgraph_sdk
    home: Path
    process: subprocess.Popen[bytes]
    log: Path
    cli_answer: dict[str, Any]  # what the command line said to QUESTION


@pytest.fixture(scope="module")
def studio_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sutra-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def studio(studio_home: Path, models_root: Path) -> AsyncIterator[Studio]:
    """The server over a corpus that the command line has made, with the network taken away."""
    keep = ("LANG", "LANGCHAIN", "SUTRADHAR", "PYTEST", "MOUNT", "BG_JOB")
    env = {name: value for name, value in os.environ.items() if not name.startswith(keep)}
    env |= {"SUTRADHAR_HOME": str(studio_home), "SUTRADHAR_MODELS": str(models_root)}
    notes = studio_home / "notes.md"
    notes.write_text(NOTES, "utf-8")
    await _sutradhar(env, "index", str(notes), "--corpus", "ward")
    said = await _sutradhar(env, "ask", QUESTION, "--corpus", "ward", "--json")
    await _sutradhar(env, "pull", *SPEECH)
    nowhere = {name: "http://127.0.0.1:9" for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    env |= nowhere | {"SUTRADHAR_OFFLINE": "true", "LANGGRAPH_CLI_NO_ANALYTICS": "1"}
    config = json.loads((ROOT / "langgraph.json").read_text())
    config["disable_persistence"] = True  # it would keep its threads in the working folder
    (studio_home / "langgraph.json").write_text(json.dumps(config))
    log = studio_home / "studio.log"
    with _serving(studio_home, env, log) as (process, url):
        async with asyncio.timeout(120), httpx.AsyncClient() as client:
            while not await _ready(client, url):
                assert process.poll() is None, log.read_text()
                await asyncio.sleep(0.1)
        async with sdk.get_client(url=url, api_key=None) as client:
            yield Studio(url, client, studio_home, process, log, json.loads(said))


@contextmanager
def _serving(
    home: Path, env: dict[str, str], log: Path
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    command += ["--config", str(home / "langgraph.json"), "--port", str(port)]
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=out, stderr=out, start_new_session=True
        ) as process,
    ):
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


async def _ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/ok")).status_code == 200
    except httpx.TransportError:
        return False


async def _sutradhar(env: dict[str, str], *arguments: str) -> bytes:
    command = [sys.executable, "-c", "from api.cli import main; main()", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out


@asynccontextmanager
async def held_corpus(home: Path, name: str) -> AsyncIterator[None]:
    """A corpus that another process (this one) owns, as a running `sutradhar serve` would."""
    async with Corpora(IndexSettings(corpora_root=home / "corpora")).open(name, create=True):
        yield


def human(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "corpus": "ward"}


async def test_it_offers_both_graphs_and_our_own_routes(studio: Studio) -> None:
    assistants = await studio.client.assistants.search()
    schemas = {
        found["graph_id"]: await studio.client.assistants.get_schemas(found["assistant_id"])
        for found in assistants
    }
    async with httpx.AsyncClient(base_url=studio.url) as client:
        health = await client.get("/health")
        corpora = await client.get("/corpora")

    assert schemas.keys() == {"recall", "conversation"}
    assert schemas["recall"]["input_schema"]["properties"].keys() >= {"question", "corpus"}
    assert schemas["conversation"]["input_schema"]["properties"].keys() == {
        "messages",
        "audio",
        "speak_to",
        "corpus",
    }
    assert schemas["conversation"]["context_schema"]["properties"].keys() >= {"draft", "voice"}
    assert health.json() == {"status": "ok"}
    assert "ward" in [corpus["name"] for corpus in corpora.json()]


async def test_recall_answers_as_the_command_line_does(studio: Studio) -> None:
    asked = {"question": QUESTION, "corpus": "ward"}
    answer = await studio.client.runs.wait(None, "recall", input=asked)

    assert answer["answer"] == studio.cli_answer["answer"]
    assert not answer["abstained"]
    assert answer["citations"][0]["source"] == "notes.md"
    assert answer["citations"][0]["quote"] in NOTES
    said = studio.cli_answer["citations"][0]
    assert {key: said[key] for key in answer["citations"][0]} == answer["citations"][0]


async def test_recall_abstains(studio: Studio) -> None:
    asked = {"question": "Who won the football match?", "corpus": "ward"}
    answer = await studio.client.runs.wait(None, "recall", input=asked)

    assert answer["abstained"]
    assert "football" in answer["answer"]


async def test_recall_streams_its_stages(studio: Studio) -> None:
    stages: list[str] = []
    async for part in studio.client.runs.stream(
        None,
        "recall",
        input={"question": QUESTION, "corpus": "ward"},
        context={"draft": False},
        stream_mode=["updates"],
    ):
        assert part.event != "error", part.data
        if part.event == "updates":
            stages += part.data
    assert stages == ["retrieve", "draft", "ground"]


async def test_a_thread_remembers_the_turn_before(studio: Studio) -> None:
    client = studio.client
    thread = (await client.threads.create())["thread_id"]
    first = await client.runs.wait(
        thread, "conversation", input=human(QUESTION), context={"draft": False}
    )
    stages: list[str] = []
    async for part in client.runs.stream(
        thread,
        "conversation",
        input=human("And who objected to it?"),
        context={"draft": False},
        stream_mode=["updates"],
        stream_subgraphs=True,
    ):
        assert not part.event.startswith("error"), part.data
        if part.event.startswith("updates"):
            stages += part.data
    state = (await client.threads.get_state(thread))["values"]

    assert "450,000" in first["turn"]["answer"]
    assert stages[:2] == ["listen", "decide"]
    assert stages.index("retrieve") < stages.index("recall")
    assert [message["type"] for message in state["messages"]] == ["human", "ai", "human", "ai"]
    assert "storm drain" in state["turn"]["search"]
    assert state["turn"]["citations"][0]["quote"] == OBJECTED


async def test_a_spoken_question_gets_a_spoken_answer(studio: Studio) -> None:
    target = studio.home / "answer.wav"
    thread = (await studio.client.threads.create())["thread_id"]
    asked = {"corpus": "ward", "audio": str(SPOKEN), "speak_to": str(target)}
    state = await studio.client.runs.wait(thread, "conversation", input=asked)

    assert "storm drain" in state["turn"]["question"].casefold()
    assert "450,000" in state["turn"]["answer"]
    assert state["turn"]["speech"] == str(target)
    assert target.stat().st_size > 50_000


@pytest.mark.parametrize(
    ("corpus", "message"), [("wart", "Did you mean 'ward'"), ("held", "is in use by process")]
)
async def test_errors_say_what_to_do(studio: Studio, corpus: str, message: str) -> None:
    async with held_corpus(studio.home, "held"):
        with pytest.raises(Exception, match=message):
            await studio.client.runs.wait(
                None, "recall", input={"question": QUESTION, "corpus": corpus}
            )


async def test_it_stops_with_all_that_it_started(studio: Studio) -> None:
    """The last test of this module: the server is gone afterwards."""
    started = psutil.Process(studio.process.pid).children(recursive=True)
    workers = [child for child in started if "model_host.workers.main" in child.cmdline()]
    assert workers

    studio.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(studio.process.wait, 60)
    _, alive = await asyncio.to_thread(psutil.wait_procs, started, 5)

    assert alive == []
    assert studio.process.returncode in (0, -signal.SIGTERM)
    assert "BlockingError" not in studio.log.read_text()
