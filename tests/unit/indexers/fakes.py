"""A reader and a client without models: a line of a `.txt` file is a Moment, and words that two
texts share bring their vectors nearer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.readers.draft import Draft, Item, ReadProgress
from indexers.settings import IndexSettings
from indexers.vectors.terms import words
from model_host.errors import SutradharError, UnreadableMedia
from model_host.tasks import Embedded, EmbedText

DIMENSION = 64


def embed(text: str) -> NDArray[np.float32]:
    vector = np.full(DIMENSION, 0.01, dtype=np.float32)
    for word in words(text):
        vector[int(hashlib.md5(word.encode()).hexdigest(), 16) % DIMENSION] += 1
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


class Reply:
    def __init__(self, result: Embedded, card_id: str) -> None:
        self.result = result
        self.card_id = card_id


class FakeClient:
    """Answers EmbedText; counts the texts; `fail` holds errors to raise first."""

    def __init__(self, card_id: str = "fake-embed") -> None:
        self.card_id = card_id
        self.texts: Counter[str] = Counter()
        self.models: list[str | None] = []
        self.fail: list[SutradharError] = []

    async def run(self, request: EmbedText, *, model: str | None = None, latency: str = "") -> Any:
        if self.fail:
            raise self.fail.pop(0)
        self.models.append(model)
        if request.kind == "passage":
            self.texts.update(request.texts)
        return Reply(Embedded(vectors=np.stack([embed(t) for t in request.texts])), self.card_id)


class LineReader:
    """Reads `.txt`: `12.5 some words` is speech at 12.5 s for 1 s, other lines are text; a line
    `BROKEN` is an error. Counts the files that it read."""

    def __init__(self) -> None:
        self.reads: Counter[str] = Counter()
        self.languages: list[str | None] = []

    def source_name(self, path: Path) -> str:
        return path.name

    def supported(self, path: Path) -> bool:
        return path.suffix == ".txt"

    async def read_source(
        self, path: Path, client: Any, settings: IndexSettings, *, language: str | None = None
    ) -> AsyncGenerator[Item, None]:
        self.reads[path.name] += 1
        self.languages.append(language)
        lines = _lines(path)
        for number, line in enumerate(lines, 1):
            if line == "BROKEN":
                raise UnreadableMedia(f"{path.name} is damaged.")
            head, _, rest = line.partition(" ")
            try:
                start_us = int(float(head) * 1e6)
            except ValueError:
                yield Draft(modality="text", text=line, language=language)
            else:
                yield Draft(
                    modality="speech",
                    text=rest,
                    start_us=start_us,
                    end_us=start_us + 1_000_000,
                    language=language,
                )
            yield ReadProgress(number, len(lines), "lines")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
