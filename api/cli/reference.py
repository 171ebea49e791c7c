"""Draws what is written down about the command line: `help.txt` here, and `docs/cli.md`.

`make docs` (`python -m api.cli.reference`) writes both; a test fails when they are stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from api.cli import COMMANDS
from api.cli.app import app, load_command
from api.errors import EXIT_CODES

HELP = Path(__file__).with_name("help.txt")
DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
INTRODUCTION = """\
# The command line

Drawn from the commands themselves by `make docs`; do not edit it.

Results go to stdout, everything else (progress, remarks, errors) to stderr. With `--json`, stdout
holds one JSON value and nothing else; a failure puts a JSON problem on stderr (`code`, `what`,
`why`, `fix`, `exit_code`) and leaves stdout empty, except that `index` still lists how each source
ended. Tables become tab-separated lines when stdout is not a terminal. `SUTRADHAR_DEBUG=1` adds
the traceback of an error.

A flag beats a `SUTRADHAR_*` variable, which beats `sutradhar.toml` (in the working folder, else in
the data home); `sutradhar.example.toml` lists every setting. Shell completion:
`sutradhar --install-completion`.

## Exit codes

| code | meaning |
|---|---|
"""


def help_text() -> str:
    return _help(get_command(app), "sutradhar")


def reference() -> str:
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    parts = [f"{INTRODUCTION}{codes}", f"## sutradhar\n\n```text\n{help_text()}```\n"]
    for name in COMMANDS:
        for path, command in _walk(f"sutradhar {name}", load_command(name)):
            parts.append(f"## {path}\n\n```text\n{_help(command, path)}```\n")
    return "\n".join(parts)


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk(f"{path} {name}", child)


def _help(command: Any, path: str) -> str:
    """As a terminal of 80 columns or more shows it."""
    names = {"help_option_names": ["-h", "--help"]}
    with command.make_context(path, [], resilient_parsing=True, terminal_width=78, **names) as ctx:
        return str(command.get_help(ctx)).rstrip() + "\n"


if __name__ == "__main__":
    HELP.write_text(help_text(), encoding="utf-8")
    DOCS.write_text(reference(), encoding="utf-8")
