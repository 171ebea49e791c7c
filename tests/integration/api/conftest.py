"""One indexed corpus for all tests of the command line, and processes as a person starts them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.media.audio import decode_audio, write_wav

CALL = [sys.executable, "-c", "from api.cli import main; main()"]
MINUTES = (
    "The ward committee met on 3 March 2024. The drain on Station Road will be repaired for "
    "4,20,000 rupees. The contractor is Sharma Works.\n"
)
CALLED = [
    (1.0, 4.0, "The new water tank holds ninety thousand litres.", "Asha"),
    (5.0, 9.5, "The tank will be filled every morning at six.", "Ravi"),
    (10.0, 14.0, "The school library opens again on the first of July.", "Asha"),
]


class Command:
    """A running command; what it has said on stderr so far is in `said`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, text: str) -> None:
        """Read stderr up to the line that holds `text`."""
        assert self.process.stderr is not None
        while text not in (line := self.process.stderr.readline()):
            assert line, f"it ended before it said '{text}': {self.said}"
            self.said += line
        self.said += line

    def send(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def answer(self) -> Any:
        """One line of JSON of stdout."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; exit code and stdout."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, str]:
        out, rest = self.process.communicate()
        self.said += rest
        assert "Traceback" not in self.said
        return self.process.returncode, out


class Place:
    """A data home, and the commands that are run on it."""

    def __init__(self, home: Path, models: Path) -> None:
        self.home = home
        self.environment = {
            **os.environ,
            "SUTRADHAR_HOME": str(home),
            "SUTRADHAR_MODELS": str(models),
        }

    def run(self, *args: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*CALL, *map(str, args)],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            errors="surrogateescape",
        )
        assert "Traceback" not in done.stderr
        return done

    def json(self, *args: object) -> Any:
        """The JSON on stdout of a command that succeeds."""
        done = self.run(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def start(self, *args: object) -> Iterator[Command]:
        """A command in its own process group, killed with it if it is still there at the end."""
        process = subprocess.Popen(
            [*CALL, *map(str, args)],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield Command(process)
            finally:
                process.kill()

    def workers(self) -> dict[int, str]:
        """pid → command line of the worker processes of this home."""
        found: dict[int, str] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                variables = (folder / "environ").read_bytes()
            except OSError:  # it has ended, or is not ours
                continue
            if "model_host.workers" in line and f"={self.home}\0".encode() in variables:
                found[int(folder.name)] = line
        return found

    def worker(self, card_id: str) -> int:
        """The process of a model that the running server has loaded."""
        status = self.json("host")
        return next(int(i["pid"]) for i in status["instances"] if i["card_id"] == card_id)


@contextmanager
def place(models: Path) -> Iterator[Place]:
    """A place with an empty home; no worker of it is left at the end."""
    home = Path(tempfile.mkdtemp(prefix="sutra-"))
    found = Place(home, models)
    try:
        yield found
        deadline = time.monotonic() + 10
        while found.workers() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found.workers() == {}
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def fresh(models_root: Path) -> Iterator[Place]:
    """A place of one test."""
    with place(models_root) as found:
        yield found


@pytest.fixture(scope="session")
def two_cities() -> Path:
    """44 seconds of a novel, read by a person."""
    found = find_spec("moonshine_voice")
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.rglob("two_cities.wav"))


@pytest.fixture(scope="session")
def long_talk(two_cities: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording over and over, as long as anybody will wait here."""
    audio = decode_audio(two_cities)
    path = tmp_path_factory.mktemp("long") / "long talk.wav"
    write_wav(path, np.tile(audio, 60), 16000)
    return path


@pytest.fixture(scope="session")
def ward(models_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with the corpus `ward`: a text and a transcript."""
    folder = tmp_path_factory.mktemp("ward")
    (folder / "minutes.txt").write_text(MINUTES)
    rows = [
        {"start_s": start, "end_s": end, "text": text, "speaker": speaker}
        for start, end, text, speaker in CALLED
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / "call.moments.jsonl").write_text(lines)
    with place(models_root) as found:
        assert len(found.json("index", folder, "--corpus", "ward")["sources"]) == 2
        yield found
