"""Where what lies below the models' root, and what a marker file says.

<root>/<card id>/            verified files and `.sutradhar.json`, put there by one rename
<root>/.partial/<card id>/   what a pull has so far; the next one goes on from it
<root>/.locks/<card id>      held by whoever pulls or removes that model
<root>/.hub/<card id>.json   the hub revision that was resolved first
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from model_host.catalog.card import Card

MARKER = ".sutradhar.json"


class Layout(NamedTuple):
    root: Path

    def folder(self, card_id: str) -> Path:
        return self.root / card_id

    def partial(self, card_id: str) -> Path:
        return self.root / ".partial" / card_id

    def lock(self, card_id: str) -> Path:
        return self.root / ".locks" / card_id

    def is_present(self, card: Card) -> bool:
        """The marker's hashes are the card's, and files of the right sizes are there."""
        folder = self.folder(card.id)
        if self.marker(card.id).get("files") != pins(card):
            return False
        return all(_size(folder / file.name) == file.size_bytes for file in card.files)

    def marker(self, card_id: str) -> dict[str, Any]:
        """The marker's content; empty when there is none."""
        try:
            body = json.loads((self.folder(card_id) / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return body if isinstance(body, dict) else {}

    def publish(self, card: Card, staging: Path, source: str) -> None:
        """Put a complete folder into place, by one rename, instead of what is there."""
        marker = {
            "card_id": card.id,
            "files": pins(card),
            "source": source,
            "pulled_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        (staging / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
        self.discard(card.id)
        os.rename(staging, self.folder(card.id))
        shutil.rmtree(self.partial(card.id), ignore_errors=True)

    def discard(self, card_id: str) -> None:
        """Take a model's folder away in one step, then delete it."""
        old = self.partial(card_id) / "old"
        shutil.rmtree(old, ignore_errors=True)
        if self.folder(card_id).exists():
            old.parent.mkdir(parents=True, exist_ok=True)
            os.rename(self.folder(card_id), old)
            shutil.rmtree(old, ignore_errors=True)

    def size_bytes(self, card_id: str) -> int:
        """What the model takes, its unfinished downloads included."""
        folders = (self.folder(card_id), self.partial(card_id))
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return sum(max(0, _size(path)) for path in files)

    def ids(self) -> list[str]:
        """Of what lies here: also of stopped pulls, and of cards that are gone."""
        partial = {path.name for path in _folders(self.root / ".partial")}
        here = {path.name for path in _folders(self.root) if self.marker(path.name)}
        return sorted(partial | here)


def pins(card: Card) -> dict[str, str]:
    return {file.name: file.sha256 for file in card.files}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []
