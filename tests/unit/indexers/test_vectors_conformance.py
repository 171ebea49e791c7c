"""One specification of `VectorStore`, run over every adapter."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.moments import Moment
from indexers.settings import IndexSettings
from indexers.vectors import open_store
from indexers.vectors.port import Point, VectorStore, Where, point
from model_host.errors import DiskFull, InvalidInput, StoreError, UnknownName
from tests.unit.indexers.fakes import DIMENSION, embed

TEXTS = [
    "The ward budget of 4.5 crore was agreed on 12 March 2024",
    "Two thousand rupees for the school roof",
    "नारी शक्ति योजना की बैठक",
    "शक के आधार पर मना किया",
    "The roof of the library leaks when it rains",
    "Paid 2,500 rupees for the roof tiles",
    "தமிழ் நாடு அரசு",
    "",
]
BACKENDS = [
    "edge",
    "local",
    pytest.param(
        "server",
        marks=pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="QDRANT_URL is not set"),
    ),
]


def make(text: str, ordinal: int, **more: Any) -> Moment:
    return Moment(
        corpus="c", source="s", content_hash="h", modality="text", ordinal=ordinal, text=text
    ).model_copy(update=more)


def moments() -> list[Moment]:
    made = []
    for i, text in enumerate(TEXTS):
        start_us = i * 10_000_000 if i != 3 else None
        made.append(
            make(
                text,
                i,
                source=f"source {i % 2}\nक",
                content_hash=f"hash{i % 3}",
                modality="speech" if i % 2 else "text",
                language="hi" if i in (2, 3) else "en",
                start_us=start_us,
                end_us=None if start_us is None else start_us + (0 if i == 5 else 10_000_000),
            )
        )
    return made


@pytest.fixture(params=BACKENDS)
async def opener(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Callable[[], Any]]:
    settings = IndexSettings(
        corpora_root=tmp_path, backend=request.param, qdrant_url=os.environ.get("QDRANT_URL")
    )
    collection = f"test_{uuid.uuid4().hex}"
    opened: list[VectorStore] = []

    async def open_() -> VectorStore:
        opened.append(await open_store(settings, tmp_path / "vectors", collection, DIMENSION))
        return opened[-1]

    yield open_
    if opened and request.param == "server":
        await opened[-1].drop()
    elif opened:
        await opened[-1].aclose()


@pytest.fixture
async def store(opener: Callable[[], Any]) -> VectorStore:
    store: VectorStore = await opener()
    await store.upsert([point(m, embed(m.text)) for m in moments()])
    return store


@pytest.mark.parametrize(
    ("question", "best"),
    [("शक्ति", 2), ("शक", 3), ("2500", 5), ("2,500", 5), ("4.5", 0), ("२०२४", 0), ("தமிழ்", 6)],
)
async def test_words_and_numbers_are_found_whole(
    store: VectorStore, question: str, best: int
) -> None:
    hits = await store.query(embed("something else"), question, limit=8)

    lexical = {hit.id: hit.lexical for hit in hits if hit.lexical > 0}
    assert list(lexical) == [moments()[best].moment_id]


async def test_a_hit_carries_its_cosine_and_its_bm25(store: VectorStore) -> None:
    hits = await store.query(embed("library roof"), "library roof", limit=8)

    by_id = {m.moment_id: m.text for m in moments()}
    assert by_id[hits[0].id] == TEXTS[4]
    for hit in hits:
        expected = float(embed(by_id[hit.id]) @ embed("library roof"))
        assert hit.dense == pytest.approx(expected, abs=1e-5)
        assert (hit.lexical > 0) == ("roof" in by_id[hit.id])
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_a_question_without_words_is_answered_by_the_vectors(store: VectorStore) -> None:
    hits = await store.query(embed("library"), "?!", limit=3)

    assert [hit.lexical for hit in hits] == [0, 0, 0]
    assert hits[0].id == moments()[4].moment_id


@pytest.mark.parametrize(
    "where",
    [
        Where(sources=("source 1\nक",)),
        Where(modalities=("speech", "frame")),
        Where(languages=("hi",)),
        Where(start_us=10_000_000, end_us=20_000_000),
        Where(start_us=50_000_000),
        Where(start_us=50_000_001),
        Where(end_us=10_000_000),
        Where(sources=("source 0\nक",), languages=("en",), start_us=5, end_us=45_000_000),
        Where(sources=("nowhere",)),
    ],
)
async def test_filters_reach_the_engine(store: VectorStore, where: Where) -> None:
    def holds(m: Moment) -> bool:
        timed = where.start_us is not None or where.end_us is not None
        if timed:
            if m.start_us is None or m.end_us is None:
                return False
            first = where.start_us if where.start_us is not None else -1
            last = where.end_us if where.end_us is not None else 1 << 60
            # Touching intervals do not overlap; an instant lies in [start, end).
            ends_us = max(m.end_us, m.start_us + 1)
            if not (m.start_us < last and first < ends_us):
                return False
        return all(
            not wanted or value in wanted
            for wanted, value in [
                (where.sources, m.source),
                (where.modalities, m.modality),
                (where.languages, m.language),
            ]
        )

    expected = {m.moment_id for m in moments() if holds(m)}

    assert {hit.id for hit in await store.query(embed("roof"), "roof", where, 50)} == expected
    assert await store.count(where) == len(expected)


async def test_upsert_overwrites_and_delete_deletes(store: VectorStore) -> None:
    changed = moments()[0].model_copy(update={"text": "A new bridge"})
    await store.upsert([point(changed, embed(changed.text))])

    assert await store.count() == len(TEXTS)
    assert (await store.query(embed("bridge"), "bridge", limit=1))[0].id == changed.moment_id

    await store.delete([moments()[0].moment_id, moments()[2].moment_id, str(uuid.uuid4())])
    assert await store.count() == len(TEXTS) - 2
    left = await store.query(embed("bridge"), "bridge", limit=8)
    assert changed.moment_id not in {hit.id for hit in left}


async def test_it_is_still_there_after_closing(opener: Callable[[], Any]) -> None:
    first: VectorStore = await opener()
    await first.upsert([point(m, embed(m.text)) for m in moments()])
    before = await first.query(embed("roof"), "roof", limit=5)
    await first.flush()
    await first.optimize()
    await first.aclose()

    again: VectorStore = await opener()

    # Not the RRF scores: where the halves have ties, their order may change.
    after = await again.query(embed("roof"), "roof", limit=5)
    assert {hit.id for hit in after} == {hit.id for hit in before}
    assert after[0][0] == before[0][0]
    assert after[0][2:] == pytest.approx(before[0][2:], abs=1e-5)


async def test_a_vector_of_another_size_is_a_typed_error(store: VectorStore) -> None:
    with pytest.raises(StoreError):
        await store.upsert([Point(str(uuid.uuid4()), np.ones(3, dtype=np.float32), {})])


async def test_edge_and_local_mode_rank_alike(tmp_path: Path) -> None:
    dice = random.Random(5)
    vocabulary = ["शक्ति", "roof", "2,500", "बजट", "ward", "4.5", "नगर", "meeting", "தமிழ்", "road"]
    corpus = [
        make(" ".join(dice.choices(vocabulary, k=dice.randrange(1, 30))), i) for i in range(150)
    ]
    stores = [
        await open_store(
            IndexSettings(corpora_root=tmp_path, backend=backend),
            tmp_path / backend,
            "x",
            DIMENSION,
        )
        for backend in ("edge", "local")
    ]
    for store in stores:
        await store.upsert([point(m, embed(m.text)) for m in corpus])

    for _ in range(20):
        question = " ".join(dice.choices(vocabulary, k=3))
        edge, local = [await s.query(embed(question), question, limit=10) for s in stores]
        # Ties within a half may be ordered otherwise: one place up or down, in the RRF score.
        assert [hit.score for hit in edge] == pytest.approx([h.score for h in local], rel=0.02)
        there = {hit.id: hit for hit in local}
        shared = [hit for hit in edge if hit.id in there]
        assert len(shared) >= 9
        for hit in shared:
            assert hit[2:] == pytest.approx(there[hit.id][2:], abs=1e-4)
    for store in stores:
        await store.aclose()


async def test_a_full_disk_is_refused_before_the_engine_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = IndexSettings(corpora_root=tmp_path)
    store = await open_store(settings, tmp_path / "v", "x", DIMENSION)
    usage = type("Usage", (), {"free": 1 << 20})
    monkeypatch.setattr("indexers.vectors.edge.shutil.disk_usage", lambda _: usage)

    with pytest.raises(DiskFull, match="No space"):
        await store.upsert([point(m, embed(m.text)) for m in moments()])
    assert await store.count() == 0
    await store.aclose()


async def test_bad_settings(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="edge"):
        await open_store(
            IndexSettings(corpora_root=tmp_path, backend="egde"), tmp_path, "x", DIMENSION
        )
    with pytest.raises(InvalidInput, match="qdrant_url"):
        await open_store(
            IndexSettings(corpora_root=tmp_path, backend="server"), tmp_path, "x", DIMENSION
        )


async def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    from model_host.errors import Unavailable

    settings = IndexSettings(
        corpora_root=tmp_path, backend="server", qdrant_url="http://127.0.0.1:9"
    )
    with pytest.raises(Unavailable, match="does not answer"):
        await open_store(settings, tmp_path, "x", DIMENSION)
