"""Where a tool may read and write when a model chooses the file name."""

from __future__ import annotations

from pathlib import Path

from model_host.errors import InvalidInput


def inside(folder: Path, name: str) -> Path:
    """`name` as a path below `folder`, links followed. Raises InvalidInput when it leaves it."""
    root = folder.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root) or path == root:
        raise InvalidInput(
            f"The file '{name}' is not in the tool's folder.",
            why="A tool reads and writes below its own folder alone.",
            fix="Give a plain file name.",
        )
    return path
