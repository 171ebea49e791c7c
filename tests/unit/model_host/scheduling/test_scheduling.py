"""The scheduling core under every policy: the books are always right, and nobody waits for ever."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_host.errors import InvalidInput, UnknownName
from model_host.scheduling.core import Load, Refuse, Scheduler, Serve, Sleep, Unload, Wake
from model_host.scheduling.ours import Ours
from model_host.scheduling.policies import LeastRecentlyUsed
from model_host.scheduling.report import POLICIES, compare
from model_host.scheduling.simulator import simulate
from model_host.scheduling.traces import (
    FAMILIES,
    ModelRow,
    Workload,
    family,
    mission_models,
    read_models,
    read_trace,
    write_trace,
)
from model_host.scheduling.world import CLASSES, Latency, Model, Request

GIB = 1 << 30
TARGET = {"gpu0": 32 * GIB, "gpu1": 96 * GIB, "ram": 128 * GIB}


def model(name: str, size: int, *devices: str, slots: int = 1) -> Model:
    return Model(name, size, size / 2, size / 8, size / 8, slots, devices or ("gpu0",))


def ask(
    number: int, name: str, at_s: float, latency: Latency = "interactive", **more: Any
) -> Request:
    return Request(number, name, latency, at_s, 1.0, **more)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(sorted(POLICIES)))
def test_the_books_are_right_and_everybody_is_served(seed: int, name: str) -> None:
    rng = random.Random(seed)
    rows = [
        ModelRow(
            id=f"m{n}",
            size_bytes=rng.randint(1, 10),
            load_s=rng.uniform(0, 5),
            sleep_s=rng.uniform(0, 2),
            wake_s=rng.uniform(0, 2),
            slots=rng.randint(1, 3),
            devices=tuple(rng.sample(("gpu0", "gpu1"), rng.randint(1, 2))),
            group=rng.choice("ab"),
        )
        for n in range(rng.randint(1, 6))
    ]
    budget = {"gpu0": rng.randint(10, 20), "gpu1": rng.randint(10, 20), "ram": rng.randint(0, 20)}
    at_s = 0.0
    trace = []
    for number in range(rng.randint(1, 60)):
        at_s += rng.expovariate(1.0) * rng.choice((0, 1, 5))
        deadline = at_s + rng.uniform(0, 10) if rng.random() < 0.3 else None
        latency = rng.choice(CLASSES)
        row = rng.choice(rows)
        trace.append(
            Request(number, row.id, latency, at_s, rng.uniform(0, 4), deadline,
                    next=(rng.choice(rows).id,))
        )  # fmt: skip
    out = simulate([row.model() for row in rows], budget, trace, POLICIES[name](rows), check=True)
    assert out.served + out.refused == len(trace)
    assert sum(map(len, out.waits.values())) == len(trace)
    assert all(wait >= 0 for waits in out.waits.values() for wait in waits)


def test_a_loaded_model_serves_at_once_and_the_queue_is_by_class() -> None:
    scheduler = Scheduler([model("a", 4)], {"gpu0": 8}, LeastRecentlyUsed())
    scheduler.arrive(ask(1, "a", 0.0, "batch"))
    (load,) = scheduler.step(0.0)
    assert isinstance(load, Load)
    scheduler.arrive(ask(2, "a", 1.0, "realtime"))
    assert scheduler.step(1.0) == []
    scheduler.moved(load.instance, 2.0)
    (serve,) = scheduler.step(2.0)
    assert isinstance(serve, Serve)
    assert serve.request.id == 2
    scheduler.finished(serve.instance, 3.0)
    (later,) = scheduler.step(3.0)
    assert isinstance(later, Serve)
    assert later.request.id == 1


def test_a_victim_sleeps_where_there_is_room_and_wakes_again() -> None:
    scheduler = Scheduler(
        [model("a", 6), model("b", 6)], {"gpu0": 8, "ram": 6}, LeastRecentlyUsed()
    )
    scheduler.arrive(ask(1, "a", 0.0))
    (load,) = scheduler.step(0.0)
    scheduler.moved(load.instance, 3.0)  # type: ignore[union-attr]
    scheduler.step(3.0)
    scheduler.finished(load.instance, 4.0)  # type: ignore[union-attr]
    scheduler.arrive(ask(2, "b", 4.0))
    (sleep,) = scheduler.step(4.0)
    assert isinstance(sleep, Sleep)  # b must wait until its bytes are really free
    scheduler.moved(sleep.instance, 5.0)
    (second,) = scheduler.step(5.0)
    assert isinstance(second, Load)
    scheduler.moved(second.instance, 8.0)
    scheduler.step(8.0)
    scheduler.finished(second.instance, 9.0)
    scheduler.arrive(ask(3, "a", 9.0))
    actions = scheduler.step(9.0)
    assert [type(action) for action in actions] == [Unload, Wake]  # RAM holds but one of them
    scheduler.world.check()


def test_a_draining_instance_gets_nothing_more() -> None:
    scheduler = Scheduler([model("a", 6), model("b", 6)], {"gpu0": 8}, LeastRecentlyUsed())
    scheduler.arrive(ask(1, "a", 0.0))
    (load,) = scheduler.step(0.0)
    scheduler.moved(load.instance, 3.0)  # type: ignore[union-attr]
    scheduler.step(3.0)
    scheduler.arrive(ask(2, "b", 3.1))
    assert scheduler.step(3.1) == []  # a is busy
    scheduler.arrive(ask(3, "a", 3.2))
    assert scheduler.step(3.2) == []
    scheduler.finished(load.instance, 4.0)  # type: ignore[union-attr]
    assert [type(action) for action in scheduler.step(4.0)] == [Unload, Load]


def test_what_cannot_meet_its_deadline_is_refused_at_once() -> None:
    scheduler = Scheduler([model("a", 8)], {"gpu0": 8}, Ours())
    scheduler.arrive(ask(1, "a", 0.0, start_by_s=1.0))  # a load takes 4 s
    (refuse,) = scheduler.step(0.0)
    assert isinstance(refuse, Refuse)
    assert refuse.retry_after_s > 0
    assert not scheduler.world.waiting


def test_a_cancelled_request_is_not_served() -> None:
    scheduler = Scheduler([model("a", 8)], {"gpu0": 8}, Ours())
    request = ask(1, "a", 0.0)
    scheduler.arrive(request)
    (load,) = scheduler.step(0.0)
    scheduler.cancel(request)
    scheduler.moved(load.instance, 4.0)  # type: ignore[union-attr]
    assert scheduler.step(4.0) == []
    with pytest.raises(ValueError, match="does not wait"):
        scheduler.cancel(request)


def test_a_crash_gives_the_bytes_back() -> None:
    scheduler = Scheduler([model("a", 8)], {"gpu0": 8}, Ours())
    scheduler.arrive(ask(1, "a", 0.0))
    (load,) = scheduler.step(0.0)
    scheduler.gone(load.instance, 1.0)  # type: ignore[union-attr]
    scheduler.world.check()
    (again,) = scheduler.step(1.0)  # its caller still waits
    assert isinstance(again, Load)
    assert again.instance is not load.instance  # type: ignore[union-attr]


def test_hints_warm_what_comes_next_and_never_evict_for_it() -> None:
    scheduler = Scheduler([model("a", 4), model("b", 4)], {"gpu0": 8}, Ours())
    scheduler.arrive(ask(1, "a", 0.0, next=("b",)))
    loads = [action.instance.model.id for action in scheduler.step(0.0) if isinstance(action, Load)]
    assert loads == ["a", "b"]
    full = Scheduler([model("a", 6), model("b", 4)], {"gpu0": 8}, Ours())
    full.arrive(ask(1, "a", 0.0, next=("b",)))
    assert len(full.step(0.0)) == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_ours_waits_no_longer_than_lru(name: str) -> None:
    """On seeds that nothing was tuned on."""
    work = family(name, 101, lasts_s=400)
    found = compare(work, TARGET, ("ours", "lru"))["policies"]
    ours, lru = (found[policy]["wait_s"]["all"]["p95"] for policy in ("ours", "lru"))
    assert ours <= 1.05 * lru + 0.05


def test_the_same_seed_gives_the_same_figures() -> None:
    one, other = (compare(family("agents", 3, lasts_s=100), TARGET) for _ in range(2))
    assert one == other
    assert set(one["policies"]) == set(POLICIES)


def test_a_trace_comes_back_from_its_file(tmp_path: Path) -> None:
    work = family("agents", 1, lasts_s=60)
    write_trace(tmp_path / "t.jsonl", work.trace)
    again = read_trace(tmp_path / "t.jsonl", work.models)
    assert [(r.model, r.latency, r.next) for r in again] == [
        (r.model, r.latency, r.next) for r in work.trace
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 2"),
        ('{"at_s": -1, "model": "a", "service_s": 1}', "at_s"),
        ('{"at_s": 1, "model": "a", "service_s": 1, "class": "vip"}', "class"),
        ('{"at_s": 1, "model": "zz", "service_s": 1}', "'zz'"),
        ('{"at_s": 1, "model": "a", "service_s": NaN}', "Line 2"),
        ("[]", "Line 2"),
    ],
)
def test_a_wrong_trace_names_its_line(tmp_path: Path, line: str, said: str) -> None:
    rows = (ModelRow(id="a", size_bytes=1, devices=("gpu0",)),)
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"at_s": 0, "model": "a", "service_s": 1}}\n{line}\n')
    with pytest.raises(InvalidInput) as caught:
        read_trace(path, rows)
    assert said in f"{caught.value.what} {caught.value.why}"


@pytest.mark.parametrize(
    "text",
    ["", "x", "[[model]]\nid = 'a'\n", "[[model]]\nid='a'\nsize_bytes=-1\ndevices=['gpu0']\n",
     "[[model]]\nid='a'\nsize_bytes=1\ndevices=['gpu0']\n" * 2],
)  # fmt: skip
def test_a_wrong_models_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(InvalidInput):
        read_models(tmp_path / "m.toml")


def test_what_cannot_run_is_refused() -> None:
    work = Workload(mission_models(), family("mission", 1, lasts_s=60).trace)
    with pytest.raises(InvalidInput, match="fits on none"):
        compare(work, {"gpu0": GIB})
    with pytest.raises(UnknownName, match="'lru'"):
        compare(work, TARGET, ("lur",))
    with pytest.raises(InvalidInput, match="mission"):
        family("misson", 1)
