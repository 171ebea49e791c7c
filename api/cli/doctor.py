"""`sutradhar doctor`."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import typer

from api.cli.output import megabytes
from api.cli.run import Run
from api.errors import UNAVAILABLE
from model_host.catalog.engines import ENGINES

State = Literal["ok", "warning", "missing"]

NEEDED_MEMORY_BYTES = 2 << 30  # the starter profile's largest set of models, with working memory
NEEDED_DISK_BYTES = 1 << 30


class Check(NamedTuple):
    """One thing looked at. "missing" things stop the work, "warning" ones limit it."""

    name: str
    state: State
    found: str
    fix: str = ""


async def command(run: Run) -> None:
    """Find what is missing here, and the command that fixes it.

    Nothing is changed or downloaded. Exit code 3 when something essential is missing."""
    checks = list(examine(run))
    run.out.table(["check", "state", "found"], [[c.name, c.state, c.found] for c in checks])
    for check in checks:
        if check.fix:
            run.out.text(f"{check.name}: {check.fix}")
    missing = any(check.state == "missing" for check in checks)
    run.out.result({"ok": not missing, "checks": [check._asdict() for check in checks]})
    if missing:
        raise typer.Exit(UNAVAILABLE)


def examine(run: Run) -> Iterator[Check]:
    yield _python()
    yield _settings(run)
    yield _memory(run)
    yield from _folders(run)
    yield from _engines(run)
    yield from _weights(run)
    yield _host(run.settings.host.host_socket)


def _python() -> Check:
    found = f"Python {sys.version_info.major}.{sys.version_info.minor}, {sys.prefix}"
    if sys.version_info[:2] != (3, 11):
        return Check("python", "missing", found, "make setup PYTHON=/path/to/python3.11")
    return Check("python", "ok", found)


def _settings(run: Run) -> Check:
    from api.settings import find_file, unknown_variables

    found = str(find_file(run.settings.home) or "defaults (no sutradhar.toml)")
    unknown = unknown_variables()
    if unknown:
        fix = f"unset {' '.join(unknown)}"
        return Check("settings", "warning", f"{found}; no setting reads {', '.join(unknown)}", fix)
    return Check("settings", "ok", found)


def _memory(run: Run) -> Check:
    budget = run.settings.devices.get("cpu")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    usable = budget or int(total * run.settings.host.cpu_share)
    found = f"{megabytes(usable)} of {megabytes(total)} may hold models"
    if usable < NEEDED_MEMORY_BYTES:
        fix = "export SUTRADHAR_DEVICES=cpu=2GiB (or more), and close other programs"
        return Check("memory", "warning", found, fix)
    return Check("memory", "ok", found)


def _folders(run: Run) -> Iterator[Check]:
    from model_host.store import Store

    store = Store(run.settings.host)
    ids = {card_id for served in run.profile.serves.values() for card_id in served}
    absent = [run.catalog.get(i) for i in ids if not store.is_present(run.catalog.get(i))]
    needs = {
        "data home": (run.settings.home, NEEDED_DISK_BYTES, "SUTRADHAR_HOME"),
        # a download and what is unpacked from it lie side by side for a moment
        "model root": (
            run.settings.models,
            2 * sum(c.download_bytes for c in absent),
            "SUTRADHAR_MODELS",
        ),
    }
    for name, (folder, needed, variable) in needs.items():
        there = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(there).free
        found = f"{folder}, {megabytes(free)} free"
        if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
            fix = f"export {variable}=DIR with a folder that you may write"
            yield Check(name, "missing", f"{folder} cannot be written", fix)
        elif free < needed:
            fix = f"free {megabytes(needed - free)} there, or export {variable}=DIR on another disk"
            yield Check(name, "missing", found, fix)
        else:
            yield Check(name, "ok", found)


def _engines(run: Run) -> Iterator[Check]:
    """The libraries of the profile's engines. One that another card can stand in for only warns."""
    for task, ids in run.profile.serves.items():
        lacking = {i: _lacking(run.catalog.get(i).engine) for i in ids}
        able = [i for i in ids if not lacking[i]]
        for card_id in ids:
            if lacking[card_id]:
                engine = run.catalog.get(card_id).engine
                extra = ENGINES[engine].extra
                found = f"{engine} (for {card_id}) lacks {', '.join(lacking[card_id])}"
                fix = f"make setup (or pip install 'sutradhar[{extra}]')"
                yield Check(f"engine for {task}", "warning" if able else "missing", found, fix)
        if able:
            yield Check(f"engine for {task}", "ok", ", ".join(able))


def _lacking(engine: str) -> list[str]:
    return [name for name in ENGINES[engine].libraries if find_spec(name) is None]


def _weights(run: Run) -> Iterator[Check]:
    from model_host.store import Store

    store = Store(run.settings.host)
    for card_id in dict.fromkeys(i for ids in run.profile.serves.values() for i in ids):
        card = run.catalog.get(card_id)
        if not card.files:
            continue
        if store.is_present(card):
            yield Check(f"weights of {card_id}", "ok", megabytes(card.download_bytes))
        else:
            state: State = "missing" if run.settings.offline else "warning"
            found = f"not here ({megabytes(card.download_bytes)}; pulled when first needed)"
            yield Check(f"weights of {card_id}", state, found, f"sutradhar pull {card_id}")


def _host(path: Path) -> Check:
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(1.0)
            sock.connect(str(path))
    except OSError:
        return Check("host", "ok", "none is running; each command starts its own")
    return Check("host", "ok", f"running at {path}")
