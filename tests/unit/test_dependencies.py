"""docs/dependencies.md, pyproject.toml, the locked files and the environment say the same."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions
from typing import Any

import pytest

from tests.conftest import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = sorted((ROOT / "requirements").rglob("*.txt"))
DESIGN = {
    *("langgraph", "langchain-core", "llama-index-core", "qdrant-client", "vllm", "torch"),
    *("transformers", "faster-whisper", "coqui-tts", "open-clip-torch", "decord2", "fastapi"),
}


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in requirements)
    return {match[0].lower() for match in found if match}


CORE = names(PROJECT["dependencies"])
EXTRAS = {extra: names(lines) for extra, lines in PROJECT["optional-dependencies"].items()}
PACKAGES = {"api", "graphs", "tools", "indexers", "model_host"}
OURS = PACKAGES | {"tests", "samples", "benchmarks"}
INSTALLED = CORE.union(
    *(found for extra, found in EXTRAS.items() if not extra.startswith("engine"))
)


def page() -> dict[str, str]:
    """Package -> its licence as docs/dependencies.md gives it."""
    rows = re.findall(
        r"^\| ([a-z0-9-]+) \|.*\| ([^|]+) \|$", (ROOT / "docs/dependencies.md").read_text(), re.M
    )
    return {package: licence.strip() for package, licence in rows if package != "package"}


def licence(package: str) -> str | None:
    """As the package's own metadata says it; None when it does not."""
    meta = metadata(package)
    if "License-Expression" in meta:
        return meta["License-Expression"]
    classifiers = [line.split("::") for line in meta.get_all("Classifier") or []]
    found = [parts[-1].strip() for parts in classifiers if parts[0].strip() == "License"]
    found = [name for name in found if name not in ("License", "DFSG approved")]
    short = (meta["License"] or "").partition(",")[0]
    return found[-1] if found else short[:20] or None


def test_every_dependency_has_a_row_and_every_row_a_dependency() -> None:
    assert set(page()) == CORE.union(*EXTRAS.values()) | {"torchaudio"}


def imported(folder: str) -> set[str]:
    """Distributions that the Python files below `folder` import, lazily or not."""
    names: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - OURS - sys.stdlib_module_names


@pytest.mark.parametrize("folder", sorted(OURS))
def test_what_is_imported_is_declared(folder: str) -> None:
    shipped = folder in PACKAGES
    allowed = INSTALLED - (EXTRAS["dev"] | EXTRAS["studio"] if shipped else set())
    owners = packages_distributions()
    for name in imported(folder):
        providers = {owner.lower().replace("_", "-") for owner in owners.get(name, [name])}
        assert providers & allowed, f"{folder} imports {name}, which pyproject.toml does not name"


def test_the_design_is_covered() -> None:
    assert set(page()) >= DESIGN


@pytest.mark.parametrize("package", sorted(INSTALLED))
def test_licence_is_what_the_package_says(package: str) -> None:
    try:
        declared = licence(package)
    except PackageNotFoundError:
        pytest.fail(f"{package} is not installed: run 'make setup'")
    if declared is not None:
        assert page()[package].startswith(declared)


def test_no_copyleft_outside_its_extra() -> None:
    licences = page()
    outside = CORE | EXTRAS["starter"]
    assert not {name for name in outside if "GPL" in licences[name]}


def test_core_is_free_of_torch() -> None:
    for name in ("run", "all"):
        text = (ROOT / f"requirements/{name}.txt").read_text()
        assert not re.search(r"^(torch|nvidia-[a-z0-9-]+|triton|tensorflow)==", text, re.M)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_locked_files_are_hashed_and_name_no_host(path: Any) -> None:
    text = path.read_text()
    assert "://" not in text
    assert "--index-url" not in text
    pins = re.findall(r"^[a-z0-9][^\s=]*==[^\\\n]*\\?\n( +--hash=sha256:[0-9a-f]{64})?", text, re.M)
    assert pins
    assert all(pins)


def test_locked_files_hold_every_dependency() -> None:
    text = (ROOT / "requirements/all.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==", text, re.M))
    assert locked >= INSTALLED


def test_studio_serves_both_graphs() -> None:
    config = json.loads((ROOT / "langgraph.json").read_text())
    for target in (*config["graphs"].values(), config["http"]["app"]):
        assert (ROOT / target.partition(":")[0]).is_file()
