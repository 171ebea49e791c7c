from __future__ import annotations

import json
import shutil
from importlib.util import find_spec

import pytest

from tests.unit.api.conftest import Cli


def test_on_a_bare_machine_weights_are_a_warning_with_the_command(cli: Cli) -> None:
    code, out, _ = cli("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 0
    assert checks["weights of piper-joe"]["state"] == "warning"
    assert checks["weights of piper-joe"]["fix"] == "sutradhar pull piper-joe"
    assert checks["python"]["state"] == "ok"


def test_offline_they_are_missing(cli: Cli) -> None:
    code, out, _ = cli("doctor", "--json", "--offline")
    assert code == 3
    assert json.loads(out)["ok"] is False


@pytest.mark.parametrize(
    ("flags", "name", "said"),
    [
        (["--home", "/dev/null/home"], "data home", "SUTRADHAR_HOME"),
        (["--models", "/dev/null/models"], "model root", "SUTRADHAR_MODELS"),
    ],
)
def test_folder_that_cannot_be_written(cli: Cli, flags: list[str], name: str, said: str) -> None:
    code, out, _ = cli("doctor", "--json", *flags)
    check = next(c for c in json.loads(out)["checks"] if c["name"] == name)
    assert code == 3
    assert (check["state"], said in check["fix"]) == ("missing", True)


def test_full_disk(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr("api.cli.doctor.shutil.disk_usage", lambda _: usage)
    code, out, _ = cli("doctor")
    assert code == 3
    assert "model root: free " in out


def test_misspelt_variable_and_small_memory_warn(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTRADHAR_OFLINE", "1")
    monkeypatch.setenv("SUTRADHAR_DEVICES", "cpu=1GiB")
    code, out, _ = cli("doctor")
    assert code == 0
    assert "settings: unset SUTRADHAR_OFLINE" in out
    assert "memory: " in out


@pytest.mark.parametrize(
    ("absent", "code", "state"),
    [("piper", 0, "warning"), ("faster_whisper", 3, "missing")],
    ids=["another model can stand in", "nothing can"],
)
def test_library_that_is_absent(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, absent: str, code: int, state: str
) -> None:
    monkeypatch.setattr(
        "api.cli.doctor.find_spec", lambda name: None if name == absent else find_spec(name)
    )
    result = cli("doctor", "--json")
    lacking = [c for c in json.loads(result.out)["checks"] if f"lacks {absent}" in c["found"]]
    assert result.code == code
    assert [c["state"] for c in lacking] == [state]
    assert "make setup" in lacking[0]["fix"]
