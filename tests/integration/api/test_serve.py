"""`sutradhar serve`: one process that owns models and corpora, and its clients."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.integration.api.conftest import Command, Place

pytestmark = pytest.mark.models

TANK = "How many litres does the new water tank hold?"
ASK = ("ask", TANK, "--corpus", "ward")


@pytest.fixture(scope="module")
def server(ward: Place) -> Iterator[Command]:
    with ward.start("serve") as found:
        found.wait_for("ready on")
        yield found
        assert found.interrupt() == (130, "")
    assert not (ward.home / "run" / "api.sock").exists()


def test_commands_find_it(ward: Place, server: Command) -> None:
    answer = ward.json(*ASK)
    assert answer["citations"][0]["source"] == "call"
    assert answer["models"].keys() == {"embed_text", "chat"}
    status = ward.json("host")
    assert (status["running"], status["pid"]) == (True, server.pid)
    assert {i["card_id"] for i in status["instances"]} == {"e5-small", "smollm2-135m"}
    assert set(ward.workers()) == {i["pid"] for i in status["instances"]}
    assert [c["name"] for c in ward.json("corpora")] == ["ward"]
    assert [s["name"] for s in ward.json("corpora", "show", "ward")] == ["call", "minutes.txt"]


def test_every_citation_names_a_moment(ward: Place, server: Command) -> None:
    cited = ward.json(*ASK)["citations"][0]
    moments = {m["moment_id"]: m for m in ward.json("corpora", "moments", "ward")}
    assert cited["quote"] in moments[cited["moment_id"]]["text"]
    (source,) = {m["source"] for m in ward.json("corpora", "moments", "ward", "--source", "call")}
    assert source == "call"


def test_a_flag_that_the_server_does_not_have_is_refused(ward: Place, server: Command) -> None:
    for args, flag in (
        ((*ASK, "--offline"), "--offline"),
        (("speak", "hi", "--models", str(ward.home)), "--models"),
    ):
        done = ward.run(*args)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"started without this {flag}" in done.stderr
    assert ward.run(*ASK, "--profile", "starter").returncode == 0


def test_a_second_one_is_refused(ward: Place, server: Command) -> None:
    done = ward.run("serve")
    assert (done.returncode, done.stdout) == (4, "")
    assert f"process {server.pid}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["ask", "Who?", "--corpus", "wrad"], 2, "'ward'"),
        (["ask", "", "--corpus", "ward"], 2, "empty"),
        (["ask", "Who?", "--corpus", "ward", "--voice", "jo"], 2, "'joe'"),
        (["ask", "--corpus", "ward", "--audio", "/proc/version"], 2, "'version'"),
        (["corpora", "show", "wrad"], 2, "'ward'"),
        (["index", "/proc/version", "--corpus", "../x"], 2, "cannot name a corpus"),
    ],
)
def test_an_error_is_the_same_as_without_it(
    ward: Place, server: Command, args: list[str], code: int, said: str
) -> None:
    done = ward.run(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("card_id", "stage"), [("e5-small", "retrieve …"), ("smollm2-135m", "draft …")]
)
def test_a_model_killed_in_the_middle_of_an_answer(
    ward: Place, server: Command, card_id: str, stage: str
) -> None:
    ward.json(*ASK)
    pid = ward.worker(card_id)
    os.kill(pid, signal.SIGSTOP)  # it cannot answer before it dies
    with ward.start(*ASK, "--json") as asking:
        asking.wait_for(stage)
        os.kill(pid, signal.SIGKILL)
        code, out = asking.end()
    assert code == 0, asking.said
    assert "ninety thousand" in out
    assert ward.json(*ASK)["models"].keys() == {"embed_text", "chat"}
    assert ward.worker(card_id) != pid


def test_killed_server_is_no_hindrance(fresh: Place) -> None:
    with fresh.start("serve") as killed:
        killed.wait_for("ready on")
        killed.process.kill()
        killed.process.wait()
    assert (fresh.home / "run" / "api.sock").exists()
    assert fresh.run("ask", "Who?", "--corpus", "c").returncode == 2
    assert fresh.json("host") == {"running": False}
    with fresh.start("serve") as again:
        again.wait_for("ready on")
        assert fresh.json("host")["pid"] == again.pid
        assert again.interrupt(signal.SIGTERM) == (143, "")
