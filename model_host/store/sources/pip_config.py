"""The package indexes that pip (or uv) is set up with on this machine. None is named here."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from model_host.errors import SourceUnreachable

# First pip's own default, then what the machine's configuration says over it.
ASK = """
import runpy, sys
from pip._internal.models.index import PyPI
print(PyPI.simple_url)
sys.argv = ["pip", "config", "list"]
runpy.run_module("pip", run_name="__main__")
"""


class Indexes(NamedTuple):
    """`urls` are simple-API roots in the order in which they are asked."""

    urls: tuple[str, ...]
    certificates: tuple[str, ...] = ()
    proxy: str | None = None


def package_indexes() -> Indexes:
    """Raises SourceUnreachable when nothing here knows an index."""
    uv_urls = tuple(_uv_urls())
    if uv_urls:
        return Indexes(uv_urls)
    for command, extra in _pips():
        answer = ask([*command, "-c", ASK], extra)
        if answer:
            return _parse(answer)
    raise SourceUnreachable(
        "No package index is known here.",
        why="This environment has neither pip nor uv settings to take one from.",
        fix="Set PIP_INDEX_URL or UV_DEFAULT_INDEX, or install pip into this environment.",
    )


def ask(command: list[str], extra_env: Mapping[str, str] | None = None) -> str:
    """What a program prints; empty when it fails."""
    try:
        return subprocess.run(
            command,
            env={**os.environ, **(extra_env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _pips() -> Iterator[tuple[list[str], dict[str, str]]]:
    """Interpreters with pip: ours, ours with the pip that Python carries, any other."""
    yield [sys.executable], {}
    try:
        import ensurepip

        for wheel in sorted(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")):
            yield [sys.executable], {"PYTHONPATH": str(wheel)}
    except ImportError:
        pass
    yield ["/usr/bin/env", "python3"], {}


def _parse(output: str) -> Indexes:
    default, *lines = output.splitlines()
    found: dict[str, tuple[int, str]] = {}
    rank = {"global": 0, "download": 1, "install": 2, ":env:": 3}
    for line in lines:
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        if section in rank and rank[section] >= found.get(option, (-1, ""))[0]:
            found[option] = (rank[section], str(ast.literal_eval(value)))
    options = {option: value for option, (_, value) in found.items()}
    urls = [options.get("index-url", default), *options.get("extra-index-url", "").split()]
    if options.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        raise SourceUnreachable(
            "pip is set up to use no index.",
            fix="Unset PIP_NO_INDEX for this command, or use another source of the card.",
        )
    certificates = tuple(filter(None, [options.get("cert")]))
    return Indexes(tuple(dict.fromkeys(urls)), certificates, options.get("proxy"))


def _uv_urls() -> Iterator[str]:
    """uv's settings, where they name an index and pip's do not."""
    if os.environ.get("PIP_INDEX_URL"):
        return
    default = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
    if default:
        yield _uv_url(default)
        extra = f"{os.environ.get('UV_INDEX', '')} {os.environ.get('UV_EXTRA_INDEX_URL', '')}"
        yield from (_uv_url(entry) for entry in extra.split())


def _uv_url(entry: str) -> str:
    """uv writes an index as `url` or `name=url`."""
    name, equals, url = entry.partition("=")
    return url if equals and ":" not in name else entry
