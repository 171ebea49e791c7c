"""`sutradhar serve` that cannot begin."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model_host.host.server import alone
from tests.unit.api.conftest import Cli


def test_another_one_runs(cli: Cli, home: Path) -> None:
    with alone(home / "run" / "host.sock"):
        code, out, err = cli("serve")
    assert (code, out) == (4, "")
    assert f"process {os.getpid()}" in err


def test_a_home_that_cannot_be_made(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("SUTRADHAR_HOME", str(home / "file"))
    code, out, err = cli("serve")
    assert (code, out) == (5, "")
    assert "Traceback" not in err
