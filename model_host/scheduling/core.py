"""The scheduler: events in, actions out. The simulator drives it, and the live host is to.

Its caller tells it what happened (`arrive`, `finished`, `moved`, `gone`), calls `step`, and carries
out the actions that come back. What is served next is the same under every policy: by class, then
arrival. A policy decides the rest: what is loaded or woken, where, who makes room, who is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from model_host.scheduling.world import RAM, Instance, Model, Queue, Request, World


class Serve(NamedTuple):
    request: Request
    instance: Instance


class Load(NamedTuple):
    instance: Instance


class Wake(NamedTuple):
    instance: Instance


class Sleep(NamedTuple):
    instance: Instance


class Unload(NamedTuple):
    instance: Instance


class Refuse(NamedTuple):
    """`retry_after_s`: when it is worth asking again."""

    request: Request
    retry_after_s: float


Action = Serve | Load | Wake | Sleep | Unload | Refuse


class Start(NamedTuple):
    """Bring a model up on a device (waking `asleep`, if given) after `victims` have made room:
    a busy one drains first, and each sleeps or is unloaded as the policy says then."""

    model: Model
    device: str
    victims: tuple[Instance, ...] = ()
    asleep: Instance | None = None


class Drop(NamedTuple):
    """Unload an idle instance that nobody asked to make room."""

    instance: Instance


Move = Start | Drop | Refuse


class Policy(Protocol):
    """Decides, and never acts. It may keep statistics of its own."""

    def arrived(self, world: World, request: Request) -> None:
        """Told of every request, before it is queued."""
        ...

    def choose(self, world: World) -> Move | None:
        """The next move, or None: nothing more to do now. Called again after each move."""
        ...

    def beds(self, world: World, victim: Instance) -> tuple[Instance, ...] | None:
        """What sleeps in RAM and is to go, so that `victim` can sleep there; None: it is unloaded
        instead."""
        ...

    def wake_me_s(self, world: World) -> float | None:
        """When time alone may change a choice; None: never."""
        ...


class Scheduler:
    """One machine's books and its queue. Not thread-safe: one task drives it."""

    def __init__(self, models: Sequence[Model], budget: Mapping[str, int], policy: Policy) -> None:
        self.world = World({model.id: model for model in models}, {RAM: 0, **budget})
        self.policy = policy
        self._placed: list[Instance] = []
        self._draining: list[Instance] = []
        self._dirty = False  # something changed that a policy may act on

    # -- what happened ----------------------------------------------------------------------

    def arrive(self, request: Request) -> None:
        """Raises KeyError for a model that is not known."""
        world = self.world
        world.models[request.model]
        world.now_s = max(world.now_s, request.at_s)
        self.policy.arrived(world, request)
        world.waiting.setdefault(request.model, Queue()).push(request)
        self._dirty = True

    def finished(self, instance: Instance, now_s: float) -> None:
        """One of its requests is done."""
        self.world.now_s = now_s
        instance.busy -= 1
        instance.used_s = now_s
        self._dirty = self._dirty or not instance.busy or bool(self.world.waiting)

    def moved(self, instance: Instance, now_s: float) -> None:
        """Its transition has ended."""
        world = self.world
        world.now_s = now_s
        if instance.state in ("loading", "waking"):
            world.move(instance, "ready")
            instance.since_s = instance.used_s = now_s
        elif instance.state == "sleeping":
            world.move(instance, "asleep")
        self._dirty = True

    def gone(self, instance: Instance, now_s: float) -> None:
        """It has crashed, or its bytes came back after an unload that takes time."""
        self.world.now_s = now_s
        for held in (self._placed, self._draining):
            if instance in held:
                held.remove(instance)
        self.world.remove(instance)
        self._dirty = True

    def cancel(self, request: Request) -> None:
        """Nobody waits for it any more. Raises ValueError when it does not wait."""
        if request.model not in self.world.waiting:
            raise ValueError("the request does not wait")
        self._leave(request)
        self._dirty = True

    # -- what to do -------------------------------------------------------------------------

    def step(self, now_s: float) -> list[Action]:
        """The actions that are due now; the books already count them as begun."""
        self.world.now_s = now_s
        out: list[Action] = []
        if not self._dirty:
            return out
        self._dirty = False
        self._serve(out)
        self._make_room(out)
        while (move := self.policy.choose(self.world)) is not None:
            self._apply(move, out)
            self._make_room(out)
        return out

    def tick(self, now_s: float) -> list[Action]:
        """As `step`, also when nothing has happened: time alone may make a policy act."""
        self._dirty = True
        return self.step(now_s)

    def _serve(self, out: list[Action]) -> None:
        world = self.world
        for model_id in [*world.waiting]:
            queue = world.waiting[model_id]
            for instance in world.of(model_id):
                if instance.state != "ready" or instance.draining:
                    continue
                while instance.busy < instance.model.slots and len(queue):
                    request = queue.pop()
                    instance.busy += 1
                    instance.used_s = world.now_s
                    out.append(Serve(request, instance))
            if not len(queue):
                del world.waiting[model_id]

    def _apply(self, move: Move, out: list[Action]) -> None:
        world = self.world
        if isinstance(move, Refuse):
            self._leave(move.request)
            out.append(move)
            return
        if isinstance(move, Drop):
            world.remove(move.instance)
            out.append(Unload(move.instance))
            return
        for victim in move.victims:
            victim.draining = True
            self._draining.append(victim)
        if move.asleep is not None:
            one = move.asleep
            world.place(one, move.device)
        else:
            one = world.add(move.model, move.device)
        self._placed.append(one)

    def _leave(self, request: Request) -> None:
        """Out of the queue, unserved."""
        queue = self.world.waiting[request.model]
        queue.remove(request)
        if not len(queue):
            del self.world.waiting[request.model]

    def _make_room(self, out: list[Action]) -> None:
        """Victims that are idle go; what was placed begins once its bytes are really free."""
        world = self.world
        for victim in [*self._draining]:
            if victim.busy or victim.state != "ready":
                continue
            self._draining.remove(victim)
            victim.draining = False
            model = victim.model
            beds = self.policy.beds(world, victim)
            if beds is None:
                world.remove(victim)
                out.append(Unload(victim))
                continue
            for sleeper in beds:
                world.remove(sleeper)
                out.append(Unload(sleeper))
            world.move(victim, "sleeping", world.now_s + model.sleep_s)
            out.append(Sleep(victim))
        for one in [*self._placed]:
            model = one.model
            if world.budget[one.device] - world.used[one.device] < model.size_bytes:
                continue
            self._placed.remove(one)
            if one.wakes:
                world.move(one, "waking", world.now_s + model.wake_s)
                one.wakes = False
                out.append(Wake(one))
            else:
                world.move(one, "loading", world.now_s + model.load_s)
                out.append(Load(one))
