"""recall: find the Moments of a corpus that bear on a question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

from indexers.corpora import Corpus, Hit, Query
from indexers.moments import Moment
from model_host.client import Client


@dataclass(frozen=True)
class Found:
    """A Moment that retrieval found, and the ones that stand around it in its source."""

    hit: Hit
    before: Moment | None
    after: Moment | None

    @property
    def moment(self) -> Moment:
        return self.hit.moment


async def recall(corpus: Corpus, client: Client, question: str, *, k: int = 24) -> list[Found]:
    """The `k` nearest Moments, best first, with their neighbours."""
    hits = await corpus.search(Query(text=question, k=k), client)
    around = await asyncio.gather(*(corpus.neighbours(hit.moment) for hit in hits))
    return [
        Found(
            hit,
            next((m for m in reversed(near) if m.ordinal < hit.moment.ordinal), None),
            next((m for m in near if m.ordinal > hit.moment.ordinal), None),
        )
        for hit, near in zip(hits, around, strict=True)
    ]


class RecallInput(BaseModel):
    question: str = Field(description="What to look for, in any language.")
    corpus: str = Field(description="The corpus to search.")
    k: int = Field(default=8, ge=1, le=50, description="How many Moments to return.")


def build_tool(client: Client, open_corpus: Callable[[str], Awaitable[Corpus]]) -> StructuredTool:
    """The tool as LangChain sees it; returns Moments with sources and time codes."""

    async def run(question: str, corpus: str, k: int = 8) -> list[dict[str, Any]]:
        found = await recall(await open_corpus(corpus), client, question, k=k)
        return [
            {
                "source": item.moment.source,
                "moment_id": item.moment.moment_id,
                "modality": item.moment.modality,
                "start_s": item.moment.start_s,
                "end_s": item.moment.end_s,
                "page": item.moment.page,
                "text": item.moment.text,
            }
            for item in found
        ]

    return StructuredTool.from_function(
        coroutine=run,
        name="recall",
        description="Find what was said, shown or written in a corpus, with source and time.",
        args_schema=RecallInput,
    )
