"""Our policy: swap when waiting has cost as much as swapping would.

A swap for a model costs its load now, and later the reload of what made room, for whoever comes
back for that; not swapping costs the waiting of those who want the model. So, as who rents skis
until the rent has paid for a pair (Karlin et al. 1988), a model waits until its queue has waited
(weighed by class) as long as the swap is expected to cost, and then it gets its turn:

    waited(m) >= patience x sum of loss(v) over the victims v
    loss(v)    = chance x return_s + rate x return_s^2 / 2 + queue + youth

`rate` is a decaying count of arrivals a second, `chance` that of somebody coming back for the
victim soon, `return_s` a wake where it can sleep and a load else, `queue` what has waited for the
victim, and `youth` what is left of the time that a fresh one has a right to. Victims go in the
order of loss by size: GreedyDual-Size (Cao and Irani 1997), with the expected loss as the credit.
What a caller said comes next counts as asked for. An idle victim that nobody is expected to want
costs nothing, and goes at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from model_host.scheduling.core import Move, Refuse, Start
from model_host.scheduling.policies import asleep, movable, served, until_fits
from model_host.scheduling.world import RAM, Instance, Model, Request, World

WEIGHT = {"realtime": 4.0, "interactive": 1.0, "batch": 0.25}
MEMORY_S = 300.0  # arrivals count half after this long
PATIENCE = 1.0


class Ours:
    """`hints`: whether what callers say comes next is heeded."""

    def __init__(self, *, hints: bool = True, patience: float = PATIENCE) -> None:
        self._hints = hints
        self._patience = patience
        self._count: dict[str, tuple[float, float]] = {}  # model → (decayed count, at)
        self._expected: dict[str, float] = {}  # model → until when somebody is expected
        self._again_s: float | None = None

    # -- what is known of demand --------------------------------------------------------------

    def arrived(self, world: World, request: Request) -> None:
        count, at = self._count.get(request.model, (0.0, request.at_s))
        decayed = count * 0.5 ** ((request.at_s - at) / MEMORY_S)
        self._count[request.model] = (decayed + WEIGHT[request.latency], request.at_s)
        self._expected.pop(request.model, None)
        if self._hints:
            for name in request.next:
                if name in world.models:
                    self._expected[name] = request.at_s + request.service_s + 60.0

    def rate(self, world: World, model_id: str) -> float:
        """Weighted arrivals a second."""
        count, at = self._count.get(model_id, (0.0, world.now_s))
        left: float = count * 0.5 ** ((world.now_s - at) / MEMORY_S)
        return left * math.log(2) / MEMORY_S

    def return_s(self, world: World, one: Instance) -> float:
        """How long it takes to have a victim back."""
        roomy = world.budget[RAM] >= one.model.size_bytes
        return one.model.wake_s if roomy else one.model.load_s

    def loss(self, world: World, one: Instance) -> float:
        """Weighted seconds of waiting that evicting an instance is expected to cost."""
        back = self.return_s(world, one)
        rate = self.rate(world, one.model.id)
        soon = 1.0 if self._expected.get(one.model.id, -1.0) > world.now_s else 0.0
        horizon = back + one.model.load_s
        chance = max(soon, 1.0 - math.exp(-rate * horizon))
        queue = world.waiting.get(one.model.id)
        behind = self._waited(world, queue) if queue is not None else 0.0
        young = max(0.0, one.since_s + back - world.now_s)  # it has just been brought
        return chance * back + rate * back * back / 2 + behind + young

    def _waited(self, world: World, queue: Iterable[Request]) -> float:
        return sum(WEIGHT[r.latency] * (world.now_s - r.at_s) for r in queue)

    # -- the choice -----------------------------------------------------------------------------

    def choose(self, world: World) -> Move | None:
        self._again_s = None
        claims: list[tuple[float, Model]] = []
        for model_id, queue in world.waiting.items():
            model = world.models[model_id]
            if late := self._late(world, model, queue):
                return late
            if not served(world, model_id):
                head = queue.head()
                waited = self._waited(world, queue) + WEIGHT[head.latency] * 0.05
                claims.append((waited, model))
        for waited, model in sorted(claims, key=lambda claim: -claim[0]):
            if move := self._start(world, model, waited):
                return move
        return self._warm(world)

    def _late(self, world: World, model: Model, queue: Iterable[Request]) -> Refuse | None:
        """Somebody whose deadline is over, or cannot be met any more."""
        up = served(world, model.id)
        soonest = 0.0 if up else model.wake_s if asleep(world, model.id) else model.load_s
        for request in queue:
            if request.start_by_s is not None and world.now_s + soonest > request.start_by_s + 1e-6:
                return Refuse(request, max(1.0, soonest))
        return None

    def _start(self, world: World, model: Model, waited: float) -> Start | None:
        sleeper = asleep(world, model.id)
        best: tuple[float, Start] | None = None
        for device in model.devices:
            if world.budget.get(device, 0) < model.size_bytes:
                continue
            victims = self._victims(world, device, model.size_bytes)
            if victims is None:
                continue
            cost = sum(self.loss(world, one) for one in victims)
            if best is None or cost < best[0]:
                best = (cost, Start(model, device, tuple(victims), sleeper))
        if best is None:
            return None
        cost, start = best
        if not start.victims or waited >= self._patience * cost:
            return start
        grows = sum(WEIGHT[request.latency] for request in world.waiting[model.id])
        due_s = world.now_s + max(0.01, (self._patience * cost - waited) / grows)
        self._again_s = due_s if self._again_s is None else min(self._again_s, due_s)
        return None

    def _victims(self, world: World, device: str, size_bytes: int) -> list[Instance] | None:
        """The cheapest that make room, by what a byte saves; then without those not needed."""
        if world.free(device) >= size_bytes:
            return []  # before any loss is reckoned
        ready = movable(world.on(device))
        ready.sort(key=lambda one: (self.loss(world, one) + one.busy * 0.01) / one.model.size_bytes)
        fitting = until_fits(world, device, size_bytes, ready)
        if fitting is None:
            return None
        chosen = [*fitting]
        room = world.free(device) + sum(one.model.size_bytes for one in chosen)
        for one in sorted(chosen, key=lambda one: -self.loss(world, one)):
            if room - one.model.size_bytes >= size_bytes:
                chosen.remove(one)
                room -= one.model.size_bytes
        return chosen

    def _warm(self, world: World) -> Start | None:
        """What is expected next, where there is room for it anyway."""
        for name, until in [*self._expected.items()]:
            if until < world.now_s:
                del self._expected[name]
                continue
            if name in world.waiting or served(world, name):
                continue
            model = world.models[name]
            for device in model.devices:
                if world.free(device) >= model.size_bytes:
                    return Start(model, device, (), asleep(world, name))
        return None

    def beds(self, world: World, victim: Instance) -> tuple[Instance, ...] | None:
        size = victim.model.size_bytes
        if world.budget[RAM] < size:
            return None
        sleepers = [one for one in world.on(RAM) if one.state == "asleep"]

        def worth(one: Instance) -> float:
            return self.rate(world, one.model.id) * one.model.load_s / one.model.size_bytes

        chosen = until_fits(world, RAM, size, sorted(sleepers, key=worth))
        if chosen and worth(chosen[-1]) > worth(victim):
            return None  # who sleeps there is worth more
        return chosen

    def wake_me_s(self, world: World) -> float | None:
        return self._again_s
