"""`make bench`: every benchmark in turn, each in a process of its own.

    python -m benchmarks.run [NAME …]

The figures belong into `benchmarks/README.md`. Nothing else should run on the machine.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

NAMES = ("cli", "host", "transcribe", "spoken", "indexing")


def main(
    names: Annotated[list[str] | None, typer.Argument(help=", ".join(NAMES))] = None,
) -> None:
    """Run the benchmarks."""
    failed = []
    for name in names or NAMES:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
