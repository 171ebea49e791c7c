from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from api import settings as module
from api.settings import Settings, load_settings, parse_bytes, parse_devices, unknown_variables
from model_host.errors import InvalidInput, SutradharError
from tests.conftest import ROOT

EXAMPLE = ROOT / "sutradhar.example.toml"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUTRADHAR_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sutradhar.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('profil = "x"', "Did you mean 'profile'?"),
        ("[host]\nqueue_limt = 3", "Did you mean 'queue_limit'?"),
        ("[host]\nqueue_limit = 0", "host.queue_limit"),
        ("[index]\nchunk_tokens = 'many'", "valid integer"),
        ("offline = 'perhaps'", "valid boolean"),
        ("devices = 'cpu:8GiB'", "cpu=8GiB,gpu0=32GiB"),
        ("[devices]\ntpu = '8GiB'", "gpu0"),
        ("[devices]\ncpu = '8 quintals'", "8GiB"),
        ("[host]\nhome = '/x'", "at the top"),
        ("host = 3", "host"),
        ("home =", "sutradhar.example.toml"),
        ("\x00", "sutradhar.example.toml"),
    ],
)
def test_wrong_file_names_key_and_expectation(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidInput) as error:
        load_settings()
    assert said in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SUTRADHAR_OFFLINE", "perhaps", "the variable SUTRADHAR_OFFLINE"),
        ("SUTRADHAR_HOST__QUEUE_LIMIT", "-1", "the variable SUTRADHAR_HOST__QUEUE_LIMIT"),
        ("SUTRADHAR_HOST__QUEUE_LIMT", "1", "Did you mean 'queue_limit'?"),
        ("SUTRADHAR_HOST__CATALOG_DIRS", "/a:/b", "JSON"),
        ("SUTRADHAR_DEVICES", "cpu", "cpu=8GiB,gpu0=32GiB"),
    ],
)
def test_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput) as error:
        load_settings()
    assert said in str(error.value)


def test_flag_beats_variable_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().profile == "starter"
    write(tmp_path, "profile = 'file'\n[host]\nqueue_limit = 7\ncpu_share = 0.5")
    assert load_settings().host.profile == "file"
    monkeypatch.setenv("SUTRADHAR_PROFILE", "variable")
    monkeypatch.setenv("SUTRADHAR_HOST__QUEUE_LIMIT", "8")
    seen = load_settings({"offline": None})
    assert (seen.host.profile, seen.host.queue_limit, seen.host.cpu_share) == ("variable", 8, 0.5)
    assert load_settings({"profile": "flag"}).host.profile == "flag"


def test_file_of_the_working_folder_comes_before_the_data_homes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "home", "profile = 'home'")
    monkeypatch.setenv("SUTRADHAR_HOME", str(tmp_path / "home"))
    assert load_settings().profile == "home"
    write(tmp_path, "profile = 'here'")
    assert load_settings().profile == "here"


def test_shared_values_reach_every_section(tmp_path: Path) -> None:
    given = {"home": "h", "models": "~/m", "offline": True, "devices": "cpu=8GiB,gpu0=1.5G"}
    seen = load_settings(given)
    assert seen.home == seen.host.home == tmp_path / "h"
    assert seen.index.corpora_root == tmp_path / "h" / "corpora"
    assert seen.models == seen.host.models_root == Path("~/m").expanduser()
    assert seen.host.offline is True
    assert seen.devices == seen.host.devices == {"cpu": 8 << 30, "gpu0": 3 << 29}


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().profile = "other"  # type: ignore[misc]


@pytest.mark.parametrize(("writable", "expected"), [(True, "shared"), (False, "data")])
def test_model_root_is_shared_where_that_is_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool, expected: str
) -> None:
    monkeypatch.setattr(module, "SHARED_MODELS", tmp_path / "shared" / "ai-models")
    monkeypatch.setattr("api.settings.os.access", lambda path, mode: writable)
    seen = load_settings()
    assert expected in seen.models.parts
    assert not seen.models.is_relative_to(seen.home)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("8GiB", 8 << 30), ("8 gb", 8 << 30), ("512M", 512 << 20), ("1.5K", 1536), ("7", 7), (7, 7)],
)
def test_sizes(text: str | int, size_bytes: int) -> None:
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "GiB", "-1G", "8X", "8GiB!", "1,5G"])
def test_wrong_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_bytes(text)


def test_devices_take_a_list_or_a_table() -> None:
    assert parse_devices("cpu=1K, gpu1=2K,") == parse_devices({"cpu": 1024, "gpu1": "2K"})


def test_misspelt_variables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OFFLINE", "DEBUG", "HOST__QUEUE_LIMIT", "OFLINE", "INDEXX__BACKEND"):
        monkeypatch.setenv(f"SUTRADHAR_{name}", "1")
    assert unknown_variables() == ["SUTRADHAR_INDEXX__BACKEND", "SUTRADHAR_OFLINE"]


def test_example_is_the_defaults_and_complete(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    write(tmp_path, text)
    with_example = load_settings()
    (tmp_path / "sutradhar.toml").unlink()
    assert with_example == load_settings()

    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line
        for line in text.splitlines()
    )
    everything: dict[str, Any] = tomllib.loads(uncommented.replace("As a variable: SUTRADHAR", "#"))
    shared = {"home", "models_root", "corpora_root", "profile", "offline", "devices"}
    sections: dict[str, type[BaseModel]] = {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    assert set(everything) == set(Settings.model_fields)
    for name, section in sections.items():
        assert set(everything[name]) == set(section.model_fields) - shared
    write(tmp_path, uncommented)
    load_settings()


def test_every_error_of_settings_is_typed(tmp_path: Path) -> None:
    write(tmp_path, "[graphs]\nretrieve_k = 9999")
    with pytest.raises(SutradharError):
        load_settings()
