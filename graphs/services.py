"""What the nodes of every graph work with: the model client and the corpora.

Whoever runs a graph provides them once (`provide`), and the nodes ask for them (`services`):
the command line for one command, the server and Studio's process for their lifetime. They are
live objects, so they travel neither in the state nor in the context, which are data; and they
belong to the event loop that opened them, so graphs run on that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from graphs.settings import GraphSettings
from indexers.corpora import Corpus
from model_host.client import Client
from model_host.errors import Unavailable


@dataclass(frozen=True)
class Services:
    """`corpus` gives an open corpus by name (raises UnknownCorpus, CorpusBusy)."""

    client: Client
    corpus: Callable[[str], Awaitable[Corpus]]
    settings: GraphSettings = field(default_factory=GraphSettings)


_provided: list[tuple[Services, asyncio.AbstractEventLoop]] = []


@contextmanager
def provide(services: Services) -> Iterator[None]:
    """Make services available to the graphs that run on this event loop."""
    entry = (services, asyncio.get_running_loop())
    _provided.append(entry)
    try:
        yield
    finally:
        _provided.remove(entry)


def services() -> Services:
    """The services provided last; raises Unavailable when there are none, or for another loop."""
    if not _provided:
        raise Unavailable(
            "This graph has no models or corpora to work with.",
            why="Nothing in this process has opened them.",
            fix="Run it through 'sutradhar ask', 'sutradhar serve' or 'make studio'.",
        )
    provided, loop = _provided[-1]
    if loop is not asyncio.get_running_loop():
        raise Unavailable(
            "This graph runs on another event loop than its models and corpora.",
            why="LangGraph's server gives each run a loop of its own with BG_JOB_ISOLATED_LOOPS.",
            fix="Unset BG_JOB_ISOLATED_LOOPS.",
        )
    return provided
