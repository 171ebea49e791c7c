"""The `sutradhar` command: one module a command, imported when it is called.

This module stays light, since every call imports it: `--help` prints a text that lies ready
(`help.txt`, which `make docs` draws and a test compares), and typer is imported for anything
else. A command's module has either

    async def command(run: Run, ...) -> None      # a docstring whose first line is its help
    app = new_app()                               # several: `models show`, `models rm` …

`run` brings settings, output and the model client (see `run.py`); the flags that every command
has (--json, --offline, --home, --models, --profile) are added to it.
"""

from __future__ import annotations

import os
import sys

COMMANDS: dict[str, str] = {
    "ask": "Ask a corpus; answers cite source and second, or abstain.",
    "chat": "Talk with a corpus in the terminal.",
    "index": "Index recordings, videos and documents into a corpus.",
    "corpora": "List, look into and remove corpora.",
    "transcribe": "Write down what is said in a recording or video.",
    "speak": "Say a text aloud into a WAV file.",
    "models": "List the models of the catalog; show, verify or remove one.",
    "pull": "Download model weights and verify them.",
    "serve": "Run the host and the API for all commands of this user.",
    "host": "Show devices and loaded models; unload one.",
    "bench": "Measure a part of Sutradhar that needs no models.",
    "doctor": "Find what is missing here, and the command that fixes it.",
}
_HELP_COLUMNS = 80  # what help.txt is drawn for; a narrower terminal gets its own


def main() -> None:
    """Run the command line and exit with one of the documented codes."""
    sys.exit(run_cli(sys.argv[1:]))


def run_cli(args: list[str]) -> int:
    """One call of the command line; the exit code. Never a traceback, unless SUTRADHAR_DEBUG."""
    try:
        if args in (["--help"], ["-h"]) and _columns() >= _HELP_COLUMNS:
            with open(os.path.join(os.path.dirname(__file__), "help.txt")) as text:
                print(text.read(), end="")
            return 0
        from api.cli.app import app

        code = app(args, prog_name="sutradhar", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:  # the reader of our output has gone, as in `sutradhar models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 0
    except BaseException as error:
        from api.cli.failures import report

        return report(error, as_json="--json" in args)


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns)
    except (OSError, ValueError):
        return _HELP_COLUMNS
