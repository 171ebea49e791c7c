"""`sutradhar transcribe` and `speak` as a person runs them: own processes, real models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import wave
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.models

CALL = [sys.executable, "-c", "from api.cli import main; main()"]


@pytest.fixture
def environment(home: Path, models_root: Path) -> dict[str, str]:
    return {**os.environ, "SUTRADHAR_HOME": str(home), "SUTRADHAR_MODELS": str(models_root)}


@pytest.fixture(scope="session")
def two_cities() -> Path:
    """44 seconds of a novel, read by a person."""
    found = find_spec("moonshine_voice")
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.rglob("two_cities.wav"))


def sutradhar(
    environment: dict[str, str], *args: str | Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CALL, *map(str, args)],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def silence(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(b"\0\0" * round(seconds * 16000))
    return path


def workers(home: Path) -> list[str]:
    """Command lines of the worker processes that belong to this data home."""
    lines: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            variables = (folder / "environ").read_bytes()
        except OSError:  # it has ended, or is not ours
            continue
        if "model_host.workers" in line and str(home).encode() in variables:
            lines.append(line)
    return lines


def test_a_recording_is_written_down(environment: dict[str, str], two_cities: Path) -> None:
    done = sutradhar(environment, "transcribe", two_cities, "--words", "--json")
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    assert heard["language"] == "en"
    assert heard["model"] == "whisper-base"
    assert "best of times" in heard["text"]
    assert "winter of despair" in heard["text"]
    for segment in heard["segments"]:
        assert 0 <= segment["start_s"] <= segment["end_s"] <= heard["duration_s"] + 1
        assert segment["words"]
    assert "transcribing two_cities.wav" in done.stderr


def test_what_is_said_is_heard(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "a b.wav"
    said = sutradhar(
        environment, "speak", "-", "-o", path, stdin="The water tank will be repaired on Monday."
    )
    assert said.returncode == 0, said.stderr
    assert "piper-joe" in said.stdout
    heard = sutradhar(environment, "transcribe", path, "--language", "en", "--format", "srt")
    assert heard.returncode == 0, heard.stderr
    assert heard.stdout.startswith("1\n00:00:00,")
    assert "water tank" in heard.stdout


def test_hindi_goes_to_a_voice_that_speaks_it(environment: dict[str, str], tmp_path: Path) -> None:
    done = sutradhar(environment, "speak", "पानी की टंकी", "-o", tmp_path / "a.wav", "--json")
    assert done.returncode == 0, done.stderr
    spoken = json.loads(done.stdout)
    assert spoken["language"] == "hi"
    assert spoken["duration_s"] > 0.3


def test_silence_has_no_words(environment: dict[str, str], tmp_path: Path) -> None:
    done = sutradhar(environment, "transcribe", silence(tmp_path / "s.wav", 3), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["segments"] == []


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["speak", "hello", "--voice", "jo"], 2, "'joe'"),
        (["speak", "hello", "--language", "hin"], 2, "'hi'"),
        (["speak", "hello", "--model", "kokoro"], 2, "kokoro-82m"),
        (["transcribe", "s.wav", "--language", "hind"], 2, "'hi'"),
        (["transcribe", "s.wav", "--model", "piper-joe"], 2, "transcribe"),
        (["host", "unload", "echo"], 3, "sutradhar serve"),
    ],
)
def test_unknown_names_suggest_the_nearest(
    environment: dict[str, str], tmp_path: Path, args: list[str], code: int, said: str
) -> None:
    silence(tmp_path / "s.wav", 1)
    given = [str(tmp_path / arg) if arg == "s.wav" else arg for arg in args]
    done = sutradhar(environment, *given)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_offline_without_weights_names_the_command(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = silence(tmp_path / "s.wav", 1)
    done = sutradhar(environment, "transcribe", path, "--offline", "--models", tmp_path / "none")
    assert (done.returncode, done.stdout) == (3, "")
    assert "sutradhar pull whisper-base" in done.stderr


def test_interrupted_command_leaves_no_worker(
    environment: dict[str, str], home: Path, two_cities: Path
) -> None:
    with subprocess.Popen(
        [*CALL, "transcribe", str(two_cities)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "loading whisper-base: done" not in (line := process.stderr.readline()):
            assert line, "it ended before the model was loaded"
        assert workers(home)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert workers(home) == []
