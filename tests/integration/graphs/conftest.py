"""A small corpus (notes, a recording's moments, a Hindi text) and the models to ask it with."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from graphs.services import Services, provide
from indexers.corpora import Corpora, Corpus
from indexers.ingest import ingest
from indexers.settings import IndexSettings
from model_host.client import Client, open_client
from model_host.errors import UnknownName
from model_host.settings import HostSettings

NOTES = """\
# Notes of ward 12

## Library

The reading room of the library opens on 12 March at nine in the morning.

Farida Khan will lead the reading room with two helpers.

## Park

The new swings in Nehru Park cost 86,000 rupees.
"""
RECORDING = (
    ("Anita Desai", "Good morning, I open the meeting of ward twelve."),
    ("Anita Desai", "The council approved 450,000 rupees for the storm drain on Temple Street."),
    ("Joseph Pinto", "I object, because that drain was repaired two years ago."),
    ("Meera Rao", "The contractor will finish the work before the monsoon, by 30 May."),
)
HINDI = """\
नीलकंठ बावड़ी 1672 में राजा मान सिंह ने बनवाई थी।

पिछले साल बावड़ी की सफाई पर 75,000 रुपये खर्च हुए।
"""


class World(NamedTuple):
    client: Client
    corpus: Corpus
    home: Path


def write_sources(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.md").write_text(NOTES, "utf-8")
    (folder / "baori.txt").write_text(HINDI, "utf-8")
    lines = [
        {"start_s": 8.0 * place, "end_s": 8.0 * place + 6.5, "text": text, "speaker": speaker}
        for place, (speaker, text) in enumerate(RECORDING)
    ]
    (folder / "council.moments.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines), "utf-8"
    )


@asynccontextmanager
async def open_world(home: Path, models_root: Path) -> AsyncIterator[World]:
    """Models and the corpus `ward` (indexed if it is not yet), provided to the graphs."""
    sources = home / "sources"
    if not sources.exists():
        write_sources(sources)
    corpora = Corpora(IndexSettings(corpora_root=home / "corpora"))
    settings = HostSettings(home=home, models_root=models_root)
    async with (
        open_client(settings, embedded=True) as client,
        corpora.open("ward", create=True) as corpus,
        corpora.open("bare", create=True) as bare,
    ):
        async for event in ingest(corpus, [sources], client):
            assert event.error is None, event.error
        opened = {"ward": corpus, "bare": bare}

        async def named(name: str) -> Corpus:
            if name not in opened:
                raise UnknownName.among("corpus", name, opened)
            return opened[name]

        with provide(Services(client, named)):
            yield World(client, corpus, home)


@pytest.fixture(scope="module")
def module_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sutra-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_home: Path, models_root: Path) -> AsyncIterator[World]:
    async with open_world(module_home, models_root) as opened:
        yield opened
