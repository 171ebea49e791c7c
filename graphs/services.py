"""What the nodes of every graph work with: the model client and the corpora.

Whoever runs a graph provides them once (`provide`), and the nodes ask for them (`services`):
the command line for one command, the server and Studio's process for their lifetime. They are
live objects, so they travel neither in the state nor in the context, which are data.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from graphs.settings import GraphSettings
from indexers.corpora import Corpus
from model_host.client import Client
from model_host.errors import Unavailable


@dataclass(frozen=True)
class Services:
    """`corpus` gives an open corpus by name (raises UnknownCorpus, CorpusBusy)."""

    client: Client
    corpus: Callable[[str], Awaitable[Corpus]]
    settings: GraphSettings = GraphSettings()


_provided: list[Services] = []


@contextmanager
def provide(services: Services) -> Iterator[None]:
    """Make services available to the graphs of this process."""
    _provided.append(services)
    try:
        yield
    finally:
        _provided.remove(services)


def services() -> Services:
    """The services provided last; raises Unavailable when there are none."""
    if not _provided:
        raise Unavailable(
            "This graph has no models or corpora to work with.",
            why="Nothing in this process has opened them.",
            fix="Run it through 'sutradhar ask', 'sutradhar serve' or 'make studio'.",
        )
    return _provided[-1]
