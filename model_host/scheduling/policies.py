"""The policies that are compared: what today's hosts do. Ours is in `ours.py`.

All of them place a wanted model where its bytes are free, and else make room for the request that
is first in the queue; they differ in who has to go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from model_host.scheduling.core import Drop, Move, Start
from model_host.scheduling.world import CLASSES, RAM, Instance, Model, Request, World

COMING = frozenset(("placed", "loading", "waking", "sleeping"))
_RANK = {latency: rank for rank, latency in enumerate(CLASSES)}


def served(world: World, model_id: str) -> bool:
    """Whether an instance serves this model, or is about to (or to be woken)."""
    return any(
        one.state in COMING or (one.state == "ready" and not one.draining)
        for one in world.of(model_id)
    )


def asleep(world: World, model_id: str) -> Instance | None:
    return next((one for one in world.of(model_id) if one.state == "asleep"), None)


def wanted(world: World) -> list[Model]:
    """Models that somebody waits for and nothing serves: by class, then arrival, of the first."""
    heads = [
        queue.head() for model_id, queue in world.waiting.items() if not served(world, model_id)
    ]
    heads.sort(key=lambda request: (_RANK[request.latency], request.at_s))
    return [world.models[request.model] for request in heads]


def movable(instances: Iterable[Instance]) -> list[Instance]:
    """Those that could make room."""
    return [one for one in instances if one.state == "ready" and not one.draining]


def until_fits(
    world: World, device: str, size_bytes: int, victims: Iterable[Instance]
) -> tuple[Instance, ...] | None:
    """The first of `victims` that together make room on a device; None: they are not enough."""
    room = world.free(device)
    chosen: list[Instance] = []
    if room >= size_bytes:
        return ()
    for one in victims:
        chosen.append(one)
        room += one.model.size_bytes
        if room >= size_bytes:
            return tuple(chosen)
    return None


class LeastRecentlyUsed:
    """Whatever was used longest ago goes; idle instances before busy ones."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def arrived(self, world: World, request: Request) -> None:
        self.asked[request.model] += 1

    def choose(self, world: World) -> Move | None:
        for model in wanted(world):
            sleeper = asleep(world, model.id)
            for device in model.devices:
                if world.free(device) >= model.size_bytes:
                    return Start(model, device, (), sleeper)
            for device in model.devices:
                if world.budget.get(device, 0) < model.size_bytes:
                    continue
                room = until_fits(world, device, model.size_bytes, self.victims(world, device))
                if room:
                    return Start(model, device, room, sleeper)
        return None

    def victims(self, world: World, device: str) -> list[Instance]:
        return sorted(movable(world.on(device)), key=lambda one: (one.busy > 0, self.worth(one)))

    def worth(self, one: Instance) -> float:
        return one.used_s

    def beds(self, world: World, victim: Instance) -> tuple[Instance, ...] | None:
        size = victim.model.size_bytes
        if world.budget[RAM] < size:
            return None
        sleepers = [one for one in world.on(RAM) if one.state == "asleep"]
        return until_fits(world, RAM, size, sorted(sleepers, key=self.worth))

    def wake_me_s(self, world: World) -> float | None:
        return None


class LeastFrequentlyUsed(LeastRecentlyUsed):
    """Whatever was asked for least often goes."""

    def worth(self, one: Instance) -> float:
        return self.asked[one.model.id]


class TimeToLive(LeastRecentlyUsed):
    """As llama-swap: idle for `ttl_s`, and it is unloaded; room is made as LRU does."""

    def __init__(self, ttl_s: float = 300.0) -> None:
        super().__init__()
        self.ttl_s = ttl_s

    def choose(self, world: World) -> Move | None:
        for one in movable(world.instances.values()):
            if not one.busy and self._over(one) <= world.now_s:
                return Drop(one)
        return super().choose(world)

    def _over(self, one: Instance) -> float:
        return one.used_s + self.ttl_s

    def wake_me_s(self, world: World) -> float | None:
        due = [self._over(one) for one in movable(world.instances.values()) if not one.busy]
        return min((at for at in due if at > world.now_s), default=None)


class StaticPartition(LeastRecentlyUsed):
    """A part of each device for each group of models (a use case), LRU within it.

    Parts are as the groups' models are of all that prefer the device, and never less than a
    group's largest model; while that does not fit, the two smallest groups become one."""

    def __init__(self, groups: Mapping[str, str]) -> None:
        super().__init__()
        self._groups = groups
        self._parts: dict[str, tuple[tuple[str, ...], int]] = {}  # model → its group, their bytes

    def choose(self, world: World) -> Move | None:
        if not self._parts:
            for device, budget in world.budget.items():
                self._divide(world, device, budget)
        for model in wanted(world):
            device = model.devices[0]
            group, part = self._parts[model.id]
            mine = [
                one
                for name in group
                for one in world.of(name)
                if one.state != "asleep" and one.device == device
            ]
            room = min(part - sum(one.model.size_bytes for one in mine), world.free(device))
            ready = movable(mine)
            ready.sort(key=lambda one: (one.busy > 0, one.used_s))
            chosen: list[Instance] = []
            while room < model.size_bytes and ready:
                chosen.append(ready.pop(0))
                room += chosen[-1].model.size_bytes
            if room >= model.size_bytes:
                return Start(model, device, tuple(chosen), asleep(world, model.id))
        return None

    def _divide(self, world: World, device: str, budget: int) -> None:
        here = [model for model in world.models.values() if model.devices[0] == device]
        groups: dict[str, list[Model]] = {}
        for model in here:
            groups.setdefault(self._groups.get(model.id, device), []).append(model)
        parts = list(groups.values())
        total = sum(model.size_bytes for model in here)
        while True:
            parts.sort(key=_bytes)
            sizes = [
                max(budget * _bytes(part) // total, max(model.size_bytes for model in part))
                for part in parts
            ]
            if sum(sizes) <= budget or len(parts) <= 1:
                break
            parts[:2] = [[*parts[0], *parts[1]]]
        for part, size in zip(parts, sizes, strict=True):
            for model in part:
                self._parts[model.id] = (tuple(one.id for one in part), min(size, budget))


def _bytes(models: Iterable[Model]) -> int:
    return sum(model.size_bytes for model in models)
