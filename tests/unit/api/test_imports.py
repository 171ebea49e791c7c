"""What stays out of a process that only serves or asks."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "ctranslate2",
    "faster_whisper",
    "onnxruntime",
    "llama_index.readers",
    "qdrant_client",
    "qdrant_edge",
    "av",
    "cv2",
    "decord",
    "matplotlib",
)


def loaded(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_api_is_light() -> None:
    assert not loaded("import api, api.app, api.cli").intersection(HEAVY)


@pytest.mark.parametrize("name", ["typer", "rich", "pydantic", "asyncio", "numpy"])
def test_help_imports_almost_nothing(name: str) -> None:
    assert name not in loaded("from api.cli import run_cli; run_cli(['--help'])")


@pytest.mark.parametrize("name", ["pydantic", "numpy", "rich", "langgraph"])
def test_command_line_imports_no_libraries_of_commands(name: str) -> None:
    assert name not in loaded("import api.cli.app, api.cli.run")
