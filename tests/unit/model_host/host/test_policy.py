from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_host.host.policy import Decision, LeastRecentlyUsed, Refuse, Room, Seat, Start, Wait


def seat(name: str, size: int, idle_s: float = 0, **flags: bool) -> Seat:
    device = "gpu0" if flags.pop("gpu", False) else "cpu"
    busy, pinned = flags.get("busy", False), flags.get("pinned", False)
    return Seat(name, device, size, busy, pinned, idle_s)


CPU = (Room("cpu", 100, 100),)
FULL = (Room("cpu", 100, 0),)
BOTH = (Room("cpu", 100, 100), Room("gpu0", 50, 50))
TABLE: dict[str, tuple[int, tuple[str, ...], tuple[Room, ...], list[Seat], Decision]] = {
    "room": (100, ("cpu",), CPU, [], Start("cpu")),
    "the first device that may": (50, ("gpu0", "cpu"), BOTH, [], Start("gpu0")),
    "the second when the first is too small": (60, ("gpu0", "cpu"), BOTH, [], Start("cpu")),
    "room elsewhere before unloading": (
        50,
        ("gpu0", "cpu"),
        (Room("cpu", 100, 100), Room("gpu0", 50, 0)),
        [seat("a", 50, gpu=True)],
        Start("cpu"),
    ),
    "idle longest goes": (
        40,
        ("cpu",),
        FULL,
        [seat("a", 50, 1), seat("b", 50, 2)],
        Start("cpu", ("b",)),
    ),
    "as many as it takes": (
        60,
        ("cpu",),
        FULL,
        [seat("a", 50, 1), seat("b", 50, 2)],
        Start("cpu", ("b", "a")),
    ),
    "busy ones are waited for": (
        60,
        ("cpu",),
        FULL,
        [seat("a", 50, busy=True), seat("b", 50, 2)],
        Wait(),
    ),
    "pinned ones stay": (60, ("cpu",), FULL, [seat("a", 100, pinned=True)], Refuse("cpu", 60)),
    "never": (130, ("cpu",), CPU, [], Refuse("cpu", 30)),
    "never, on the largest": (130, ("gpu0", "cpu"), BOTH, [], Refuse("cpu", 30)),
    "no such device": (1, ("gpu7",), BOTH, [], Refuse("gpu7", 1)),
    "over the budget": (
        50,
        ("cpu",),
        (Room("cpu", 100, -20),),
        [seat("a", 120)],
        Start("cpu", ("a",)),
    ),
}


@pytest.mark.parametrize(
    ("size", "allowed", "rooms", "seats", "expected"), TABLE.values(), ids=TABLE
)
def test_table(
    size: int,
    allowed: tuple[str, ...],
    rooms: tuple[Room, ...],
    seats: list[Seat],
    expected: Decision,
) -> None:
    assert LeastRecentlyUsed().decide(size, allowed, rooms, seats) == expected


@given(
    st.integers(0, 200),
    st.integers(0, 150),
    st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.booleans(), st.floats(0, 9))),
)
def test_what_it_decides_can_be_done(
    size: int, budget: int, rows: list[tuple[int, bool, bool, float]]
) -> None:
    seats = [
        Seat(f"i{n}", "cpu", held, busy, pinned, idle)
        for n, (held, busy, pinned, idle) in enumerate(rows)
    ]
    free = budget - sum(seat.size_bytes for seat in seats)
    decision = LeastRecentlyUsed().decide(size, ("cpu",), [Room("cpu", budget, free)], seats)
    pinned = sum(seat.size_bytes for seat in seats if seat.pinned)
    if isinstance(decision, Start):
        gone = [seat for seat in seats if seat.instance_id in decision.evict]
        assert not any(seat.busy or seat.pinned for seat in gone)
        assert free + sum(seat.size_bytes for seat in gone) >= size
    elif isinstance(decision, Refuse):
        assert decision.missing_bytes == size - (budget - pinned) > 0
    else:
        assert any(seat.busy for seat in seats)
        assert size <= budget - pinned
