"""Reads a source file into Drafts: the registry by suffix and content; readers load on use.

    async for item in read_source(path, client, settings):
        ...                                        # Draft | ReadProgress

Content wins over the suffix where they disagree (a PDF called notes.txt is read as a PDF).
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from indexers.errors import UnsupportedFile
from indexers.readers.draft import Draft, Item, ReadProgress
from indexers.readers.sniff import content_kind, suffix_kind
from indexers.settings import IndexSettings
from model_host.errors import UnreadableMedia

if TYPE_CHECKING:
    from model_host.client import Client

__all__ = ["Draft", "Item", "ReadProgress", "read_source", "source_name", "supported"]

MOMENTS_SUFFIX = ".moments.jsonl"

# kind -> module with `read(path, client, settings, language) -> AsyncGenerator[Item]`
_READERS = {
    "pdf": "indexers.readers.pdf",
    "docx": "indexers.readers.documents",
    "html": "indexers.readers.documents",
    "markdown": "indexers.readers.documents",
    "text": "indexers.readers.documents",
    "rtf": "indexers.readers.documents",
    "media": "indexers.readers.media",
    "subtitles": "indexers.readers.transcripts",
    "moments": "indexers.readers.transcripts",
}


def source_name(path: Path) -> str:
    """The source's name in a corpus: its file name, without `.moments.jsonl`."""
    return path.name.removesuffix(MOMENTS_SUFFIX) or path.name


def supported(path: Path) -> bool:
    """True when the suffix is one that a reader knows."""
    return suffix_kind(path) is not None


async def read_source(
    path: Path, client: Client, settings: IndexSettings, *, language: str | None = None
) -> AsyncGenerator[Item]:
    """Everything that can be found in one file, in its order. `language` (ISO 639-1) is what is
    spoken or written in it, when the caller knows.

    Raises UnreadableMedia (missing, empty, damaged, mislabelled, locked), UnsupportedFile (no
    reader for it) or TooLarge; nothing that was yielded before is wrong."""
    try:
        kind = content_kind(path)
    except OSError as error:
        raise UnreadableMedia(
            f"{path.name!r} cannot be read.", why=f"{error.strerror}.", file=path.name
        ) from error
    if kind is None:
        raise UnsupportedFile(
            f"There is no reader for {path.name!r}.",
            why="Neither its name nor its content is a known format.",
            fix="Give documents (PDF, DOCX, HTML, Markdown, text, RTF), recordings, videos, "
            "subtitles (SRT, VTT) or .moments.jsonl.",
            file=path.name,
        )
    reader = importlib.import_module(_READERS[kind])
    async with aclosing(reader.read(path, kind, client, settings, language)) as items:
        async for item in items:
            yield item
