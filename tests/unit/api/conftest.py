from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from api.cli import run_cli


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path
) -> Cli:
    """The command line in this process, in an empty folder with an empty home and model root."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUTRADHAR_HOME", str(home))
    monkeypatch.setenv("SUTRADHAR_MODELS", str(tmp_path / "models"))

    def call(*args: str) -> Outcome:
        code = run_cli(list(args))
        seen = capsys.readouterr()
        return Outcome(code, seen.out, seen.err)

    return call
