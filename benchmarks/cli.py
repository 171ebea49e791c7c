"""How long the command line takes to start, as a multiple of `python -c pass`.

    python -m benchmarks.cli [--json]

The two run in turn, so that a drift of the machine's speed hits both; medians of the ratio.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

COMMANDS = (("--help",), ("--version",), ("ask", "--help"), ("models", "--json"))


def seconds(command: list[str]) -> float:
    """Wall seconds of one process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main(
    runs: Annotated[int, typer.Option(help="Pairs a command.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone on stdout.")] = False,
) -> None:
    """Time the command line's start."""
    sutradhar = str(Path(sys.executable).with_name("sutradhar"))
    bare = [sys.executable, "-c", "pass"]
    rows = []
    for arguments in COMMANDS:
        pairs = [(seconds([sutradhar, *arguments]), seconds(bare)) for _ in range(runs)]
        rows.append(
            {
                "command": " ".join(("sutradhar", *arguments)),
                "median_s": round(median(ours for ours, _ in pairs), 3),
                "times_bare_python": round(median(ours / base for ours, base in pairs), 2),
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['command']:28} {row['median_s']:7.3f} s  {row['times_bare_python']:6.2f} x")


if __name__ == "__main__":
    typer.run(main)
