"""Blocking iterators, from async code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import TypeVar

from anyio import to_thread

T = TypeVar("T")


async def in_thread(items: Iterator[T]) -> AsyncGenerator[T]:
    """Each step of `items` on a worker thread. A cancelled caller waits for the step at hand (a
    batch of frames, a page), so that `items` is never closed while it runs."""
    end = object()
    try:
        while True:
            item = await to_thread.run_sync(next, items, end)
            if item is end:
                return
            yield item  # type: ignore[misc]
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
