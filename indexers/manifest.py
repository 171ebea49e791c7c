"""corpus.json: what a corpus folder is."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ValidationError

from model_host.errors import StoreError, disk_error

SCHEMA_VERSION = 1


class Manifest(BaseModel):
    """The card and the dimension come with the first vector, and then stay."""

    schema_version: int
    id: str
    name: str
    embedding_card: str | None = None
    dimension: int | None = None


def read_manifest(folder: Path) -> Manifest:
    """Raises StoreError for one that is damaged, or made by a newer version."""
    path = folder / "corpus.json"
    fix = "Restore it from a copy, or remove the corpus and index again."
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise StoreError(f"{path} cannot be read.", why=f"{why}.", fix=fix) from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise StoreError(
            f"The corpus '{folder.name}' has schema {manifest.schema_version}.",
            why=f"This version of Sutradhar reads schema {SCHEMA_VERSION}.",
            fix="Use the version that made it, or index again.",
        )
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes the folder where it is missing; replaces the file in one step."""
    new = folder / "corpus.json.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new.open("w", encoding="utf-8") as file:
            file.write(manifest.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / "corpus.json")
    except OSError as error:
        raise disk_error(folder, error) from error
