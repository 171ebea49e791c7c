"""A discrete-event run of the scheduler: the core of the live host, with a clock of its own."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model_host.scheduling.core import Load, Policy, Refuse, Scheduler, Serve, Sleep, Wake
from model_host.scheduling.world import Model, Request


@dataclass
class Outcome:
    """What happened. Waits are seconds from arrival to the start of service; a refused request
    waits for its deadline, or is in `refused_open` when it had none."""

    waits: dict[str, list[float]] = field(
        default_factory=lambda: {"realtime": [], "interactive": [], "batch": []}
    )
    served: int = 0
    refused: int = 0
    refused_open: list[str] = field(default_factory=list)
    misses: dict[str, int] = field(default_factory=dict)
    swaps: int = 0
    bytes_loaded: int = 0


_ARRIVE, _FINISH, _MOVED, _TICK = range(4)


def simulate(
    models: Sequence[Model],
    budget: Mapping[str, int],
    trace: Iterable[Request],
    policy: Policy,
    *,
    check: bool = False,
) -> Outcome:
    """Run a trace (in order of arrival) to its end, until everybody was served or refused.

    Raises RuntimeError when somebody would wait for ever."""
    scheduler = Scheduler(models, budget, policy)
    world = scheduler.world
    out = Outcome()
    events: list[tuple[float, int, int, Any]] = []
    number = 0
    arrivals = iter(trace)
    coming = next(arrivals, None)
    tick_at: float | None = None
    what: Any
    while True:
        if coming is not None and (not events or coming.at_s <= events[0][0]):
            now, kind, what = coming.at_s, _ARRIVE, coming
            coming = next(arrivals, None)
        elif events:
            now, kind, _, what = heapq.heappop(events)
        else:
            break
        if kind == _ARRIVE:
            scheduler.arrive(what)
        elif kind == _FINISH:
            scheduler.finished(what, now)
        elif kind == _MOVED:
            scheduler.moved(what, now)
        else:
            tick_at = None
            if not world.waiting and coming is None and not events:
                break
        for action in scheduler.tick(now) if kind == _TICK else scheduler.step(now):
            number += 1
            if isinstance(action, Serve):
                request = action.request
                wait = now - request.at_s
                out.waits[request.latency].append(wait)
                out.served += 1
                if request.start_by_s is not None and now > request.start_by_s + 1e-9:
                    out.misses[request.latency] = out.misses.get(request.latency, 0) + 1
                heapq.heappush(events, (now + request.service_s, _FINISH, number, action.instance))
            elif isinstance(action, Load | Wake | Sleep):
                out.swaps += not isinstance(action, Sleep)
                if isinstance(action, Load):
                    out.bytes_loaded += action.instance.model.size_bytes
                heapq.heappush(events, (action.instance.until_s, _MOVED, number, action.instance))
            elif isinstance(action, Refuse):
                request = action.request
                out.refused += 1
                if request.start_by_s is None:
                    out.refused_open.append(request.latency)
                else:
                    out.waits[request.latency].append(request.start_by_s - request.at_s)
        if check:
            world.check()
        due = policy.wake_me_s(world)
        if due is not None and (tick_at is None or due < tick_at - 1e-9):
            number += 1
            heapq.heappush(events, (due, _TICK, number, None))
            tick_at = due
    if world.waiting:
        stuck = sum(len(queue) for queue in world.waiting.values())
        raise RuntimeError(f"{stuck} requests would wait for ever: {sorted(world.waiting)}")
    longest = max((max(waits) for waits in out.waits.values() if waits), default=0.0)
    for latency in out.refused_open:
        out.waits[latency].append(longest)
    return out
