"""The root command: help, errors, streams, exit codes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli import COMMANDS
from api.cli.app import load_command
from api.cli.reference import DOCS, HELP, help_text, reference
from tests.unit.api.conftest import Cli

CALL = "import sys; from api.cli import main; main()"


@pytest.mark.parametrize("name", COMMANDS)
def test_table_says_what_the_module_says(name: str) -> None:
    assert load_command(name).help.partition("\n")[0] == COMMANDS[name]


def test_help_that_lies_ready_is_what_typer_draws() -> None:
    assert HELP.read_text() == help_text(), "run 'make docs'"


def test_reference_is_up_to_date() -> None:
    assert DOCS.read_text() == reference(), "run 'make docs'"


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_help_at_any_width(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "Usage: sutradhar"),
        (["modls"], "Did you mean 'models'?"),
        (["pull", "--al"], "--all"),
        (["models", "show"], "MODEL"),
        (["models", "show", "kokoro"], "kokoro-82m"),
        (["pull", "whisper-bas"], "whisper-base"),
        (["pull", "--task", "transcrib"], "transcribe"),
        (["models", "--profile", "startr"], "starter"),
        (["transcribe", "no-such-file.wav"], "no-such-file.wav"),
        (["transcribe", "x.wav", "--format", "doc"], "srt"),
        (["speak"], "nothing to say"),
        (["speak", "  "], "nothing to say"),
        (["speak", "hello", "--speed", "9"], "speed"),
        (["speak", "--voices", "--model", "pipe"], "piper-joe"),
    ],
)
def test_wrong_usage_is_explained(cli: Cli, args: list[str], said: str) -> None:
    code, out, err = cli(*args)
    assert code == 2
    assert out == ""
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.wav", b""),
        ("words.mp4", b"only words, no picture"),
        ("cut.wav", b"RIFF\xff\xff\xff\xffWAVEfmt "),
        ("no sound\nनाम.txt", b"text"),
    ],
)
def test_what_is_no_recording_is_refused(
    cli: Cli, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    code, out, err = cli("transcribe", name)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("args", [["modls"], ["models", "show", "kokoro"], ["pull", "--nope"]])
def test_with_json_an_error_is_a_problem_on_stderr(cli: Cli, args: list[str]) -> None:
    code, out, err = cli(*args, "--json")
    assert (code, out) == (2, "")
    assert json.loads(err)["exit_code"] == 2


def test_offline_pull_names_the_command(cli: Cli) -> None:
    code, out, err = cli("pull", "piper-joe", "--offline")
    assert (code, out) == (3, "")
    assert "sutradhar pull piper-joe" in err


@pytest.mark.parametrize(
    "args", [["models"], ["models", "show", "echo"], ["speak", "--voices"], ["pull", "echo"]]
)
def test_json_stands_alone_on_stdout(cli: Cli, args: list[str]) -> None:
    code, out, err = cli(*args, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)


def test_table_is_tab_separated_without_a_terminal(cli: Cli) -> None:
    rows = [line.split("\t") for line in cli("models").out.splitlines()]
    assert rows[0][:2] == ["model", "task"]
    assert {len(row) for row in rows} == {len(rows[0])}


def test_a_full_disk_behind_stdout_is_no_fault_of_ours(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("api.cli.output.Output.table", full)
    code, _, err = cli("models")
    assert code == 5
    assert "No space left" in err


def test_internal_fault_is_one_message(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_host.catalog.load.load_catalog", lambda _: 1 / 0)
    code, out, err = cli("models")
    assert (code, out) == (1, "")
    assert "ZeroDivisionError" in err
    assert "Traceback" not in err
    monkeypatch.setenv("SUTRADHAR_DEBUG", "1")
    assert "Traceback" in cli("models").err


@pytest.mark.parametrize("args", [["models", "--json"], ["--help"], ["doctor"]])
def test_reader_that_goes_away_is_no_error(tmp_path: Path, args: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CALL, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SUTRADHAR_HOME": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


SLOW = """
import asyncio, typer
from contextlib import asynccontextmanager
from api.cli import app, run_cli
from api.cli.run import Run

@asynccontextmanager
async def resource():
    print("open", flush=True)
    try:
        yield
    finally:
        print("closed", flush=True)

async def command(run: Run) -> None:
    "Wait."
    async with resource():
        await asyncio.Event().wait()

import sys
module = type(sys)("api.cli.host")
module.command = command
sys.modules["api.cli.host"] = module
sys.exit(run_cli(["host"]))
"""


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupt", "terminate"]
)
def test_signal_closes_what_is_open(sent: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        process.send_signal(sent)
        out, err = process.communicate()
    assert out == "closed\n"
    assert process.returncode == code
    assert "Traceback" not in err


def test_completion_offers_commands_without_importing_them(tmp_path: Path) -> None:
    script = f"{CALL.replace('main()', '')}\ntry: main()\nfinally: print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "_SUTRADHAR_COMPLETE": "complete_bash",
            "COMP_WORDS": "sutradhar tr",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    names, _, modules = done.stdout.partition("[")
    assert names.split() == ["transcribe"]
    assert "api.cli.transcribe" not in modules
