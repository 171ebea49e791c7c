"""What a scheduler knows: models, devices, instances and requests, and the bytes that they hold.

An instance holds its bytes on its device while it loads, is ready, falls asleep or wakes, and in
`ram` while it sleeps (and on the way in and out). A `placed` one has been promised room that others
still hold: what it needs is claimed, so that nobody else takes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Latency = Literal["realtime", "interactive", "batch"]
State = Literal["placed", "loading", "ready", "sleeping", "asleep", "waking"]

CLASSES: tuple[Latency, ...] = ("realtime", "interactive", "batch")
RAM = "ram"
_ON_DEVICE = frozenset(("loading", "ready", "sleeping", "waking"))
_IN_RAM = frozenset(("sleeping", "asleep", "waking"))


@dataclass(frozen=True, slots=True)
class Model:
    """`devices`: where it may run, preferred first. `slots`: requests served at once."""

    id: str
    size_bytes: int
    load_s: float
    sleep_s: float
    wake_s: float
    slots: int
    devices: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Request:
    """`start_by_s`: when service must have begun, on the clock of `at_s`; None: no deadline.
    `next`: models that its caller will need after it."""

    id: int
    model: str
    latency: Latency
    at_s: float
    service_s: float
    start_by_s: float | None = None
    tenant: str | None = None
    next: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Instance:
    """`until_s`: when its transition ends. `wakes`: it was asleep when it was placed.
    `draining`: it gets no more requests, and makes room when it is idle."""

    id: int
    model: Model
    device: str
    state: State
    until_s: float = 0.0
    busy: int = 0
    used_s: float = 0.0
    since_s: float = 0.0  # ready since
    draining: bool = False
    wakes: bool = False


class Queue:
    """The waiting requests of one model: by class, then arrival."""

    __slots__ = ("lanes",)

    def __init__(self) -> None:
        self.lanes: tuple[deque[Request], ...] = tuple(deque() for _ in CLASSES)

    def __len__(self) -> int:
        return len(self.lanes[0]) + len(self.lanes[1]) + len(self.lanes[2])

    def __iter__(self) -> Iterator[Request]:
        for lane in self.lanes:
            yield from lane

    def push(self, request: Request) -> None:
        self.lanes[CLASSES.index(request.latency)].append(request)

    def head(self) -> Request:
        for lane in self.lanes:
            if lane:
                return lane[0]
        raise IndexError("nobody waits")

    def pop(self) -> Request:
        for lane in self.lanes:
            if lane:
                return lane.popleft()
        raise IndexError("nobody waits")

    def remove(self, request: Request) -> None:
        self.lanes[CLASSES.index(request.latency)].remove(request)


@dataclass
class World:
    """The books. Every change of an instance's state goes through `move`."""

    models: dict[str, Model]
    budget: dict[str, int]
    now_s: float = 0.0
    used: dict[str, int] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)
    instances: dict[int, Instance] = field(default_factory=dict)
    by_model: dict[str, list[Instance]] = field(default_factory=dict)
    waiting: dict[str, Queue] = field(default_factory=dict)  # models that somebody waits for
    numbers: int = 0

    def __post_init__(self) -> None:
        for device in self.budget:
            self.used[device] = self.claimed[device] = 0

    def free(self, device: str) -> int:
        """Bytes that nobody holds and nobody was promised."""
        return self.budget.get(device, 0) - self.used.get(device, 0) - self.claimed.get(device, 0)

    def of(self, model_id: str) -> list[Instance]:
        return self.by_model.get(model_id, [])

    def on(self, device: str) -> Iterable[Instance]:
        """Instances that hold bytes of a device (`ram`: that sleep)."""
        holds = _IN_RAM if device == RAM else _ON_DEVICE
        return [
            one
            for one in self.instances.values()
            if one.state in holds and (device == RAM or one.device == device)
        ]

    def add(self, model: Model, device: str) -> Instance:
        """A new instance, `placed`."""
        self.numbers += 1
        one = Instance(self.numbers, model, device, "placed")
        self.instances[one.id] = one
        self.by_model.setdefault(model.id, []).append(one)
        self.claimed[device] += model.size_bytes
        return one

    def move(self, one: Instance, state: State, until_s: float = 0.0) -> None:
        """Into another state, with its bytes."""
        self._count(one, -1)
        one.state, one.until_s = state, until_s
        self._count(one, +1)

    def place(self, one: Instance, device: str) -> None:
        """A sleeping instance is promised room on a device; it keeps its bytes in RAM."""
        self._count(one, -1)
        one.device, one.state, one.wakes = device, "placed", True
        self._count(one, +1)

    def remove(self, one: Instance) -> None:
        self._count(one, -1)
        del self.instances[one.id]
        self.by_model[one.model.id].remove(one)

    def _count(self, one: Instance, sign: int) -> None:
        size = sign * one.model.size_bytes
        if one.state in _ON_DEVICE:
            self.used[one.device] += size
        elif one.state == "placed":
            self.claimed[one.device] += size
        if one.state in _IN_RAM or (one.state == "placed" and one.wakes):
            self.used[RAM] += size

    def check(self) -> None:
        """Raises AssertionError when the books are wrong: what holds, at every moment."""
        for device, budget in self.budget.items():
            held = sum(one.model.size_bytes for one in self.on(device))
            if device == RAM:
                held += sum(
                    one.model.size_bytes
                    for one in self.instances.values()
                    if one.state == "placed" and one.wakes
                )
            assert held == self.used[device], (device, held, self.used[device])
            assert 0 <= held <= budget, (device, held, budget)
            promised = sum(
                one.model.size_bytes
                for one in self.instances.values()
                if one.state == "placed" and one.device == device
            )
            assert promised == self.claimed[device]
