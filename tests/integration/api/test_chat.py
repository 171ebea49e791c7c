"""`sutradhar chat` as a person runs it."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest

from tests.integration.api.conftest import CALL, Place

pytestmark = pytest.mark.models


def test_a_conversation(ward: Place, tmp_path: Path) -> None:
    chat = ("chat", "--corpus", "ward", "--quotes", "--thread", "chat", "--json")
    spoken = tmp_path / "a.wav"
    with ward.start(*chat) as talk:
        talk.wait_for("conversation 'chat'")
        talk.send("How many litres does the new water tank hold?\n")
        assert "ninety thousand" in talk.answer()["answer"]
        talk.send("/speak /proc/version/a.wav\nWho is the contractor?\n")
        talk.wait_for("/proc/version/a.wav")
        talk.send(f"/speak {spoken}\n\n/help\nWho is the contractor?")
        assert talk.process.stdin is not None
        talk.process.stdin.close()
        answer = talk.answer()
        talk.process.stdin = None
        assert talk.end() == (0, "")
    assert "Sharma" in answer["answer"]
    assert spoken.stat().st_size > 10_000


@pytest.mark.parametrize("stdin", ["", "/quit\n"])
def test_nothing_asked(ward: Place, stdin: str) -> None:
    done = ward.run("chat", "--corpus", "ward", stdin=stdin)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_missing_corpus_is_said_at_once(ward: Place) -> None:
    done = ward.run("chat", "--corpus", "wrad", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'ward'" in json.loads(done.stderr)["why"]


def test_interrupted_at_the_prompt_of_a_terminal(ward: Place) -> None:
    """Ctrl-C ends it at once, without Enter."""
    pid, terminal = pty.fork()
    if pid == 0:  # the child: its terminal is ours
        os.execve(CALL[0], [*CALL, "chat", "--corpus", "ward"], ward.environment)
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        said = b""
        while not said.endswith(b"> "):
            said += screen.read(4096)
        screen.write(b"\x03")
        try:
            while chunk := screen.read(4096):
                said += chunk
        except OSError:  # the terminal has closed
            pass
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"Traceback" not in said
