"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PATH = re.compile(r"`((?:api|graphs|tools|indexers|model_host|benchmarks|samples|docs)/[\w/.-]+)")
_LINK = re.compile(r"\]\(((?!https?:)[^)#]+)\)")


@pytest.mark.parametrize("name", ["docs/architecture.md", "README.md", "CONTRIBUTING.md"])
def test_paths_and_links_exist(name: str) -> None:
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    paths = [ROOT / path.rstrip(".") for path in _PATH.findall(text)]
    links = [page.parent / link for link in _LINK.findall(text)]
    assert paths or links
    missing = [str(path) for path in (*paths, *links) if not path.exists()]
    assert not missing


def test_every_package_is_in_the_picture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for package in ("api", "graphs", "tools", "indexers", "model_host"):
        assert f"{package}/" in text
