from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from model_host.catalog.card import Card
from model_host.engines.shared.loading import Options, expect, loading, weights
from model_host.errors import Busy, EngineFailed, EngineMissing, InvalidInput, ModelMissing
from model_host.tasks import Chat, DetectSpeech, EmbedText


class SomeOptions(Options):
    beam: int = 1


def test_options_are_validated_and_named(make_card: Callable[..., Card]) -> None:
    assert SomeOptions.of(make_card(options={"beam": 5})).beam == 5
    for bad in ({"beam": "many"}, {"baem": 1}):
        with pytest.raises(InvalidInput, match="'a-card' has a bad option 'b"):
            SomeOptions.of(make_card(options=bad))


def test_what_a_library_raises_becomes_typed(make_card: Callable[..., Card]) -> None:
    card = make_card()
    with pytest.raises(EngineMissing, match="No module named 'no_such'"), loading(card):
        import_module("no_such")
    with pytest.raises(EngineFailed, match="RuntimeError: bad magic"), loading(card):
        raise RuntimeError("bad magic")
    with pytest.raises(Busy), loading(card):  # ours pass
        raise Busy("later")


def test_weights_are_found_by_suffix(make_card: Callable[..., Card], tmp_path: Path) -> None:
    (tmp_path / "any-name.onnx").touch()
    (tmp_path / "any-name.onnx.json").touch()
    assert weights(make_card(), tmp_path, ".onnx").name == "any-name.onnx"
    assert weights(make_card(), tmp_path, ".onnx.json").name == "any-name.onnx.json"
    for folder in (None, tmp_path):
        with pytest.raises(ModelMissing, match=r"sutradhar pull a-card"):
            weights(make_card(), folder, ".gguf")


def test_another_task_is_refused() -> None:
    request = EmbedText(texts=("x",))
    assert expect(request, EmbedText) is request
    with pytest.raises(InvalidInput, match="'detect_speech', not 'embed_text'"):
        expect(request, DetectSpeech)
    with pytest.raises(InvalidInput):
        expect(request, Chat)
