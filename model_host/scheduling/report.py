"""Policies beside each other over the same trace, as figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from model_host.errors import InvalidInput, UnknownName
from model_host.scheduling.core import Policy
from model_host.scheduling.ours import Ours
from model_host.scheduling.policies import (
    LeastFrequentlyUsed,
    LeastRecentlyUsed,
    StaticPartition,
    TimeToLive,
)
from model_host.scheduling.simulator import Outcome, simulate
from model_host.scheduling.traces import ModelRow, Workload
from model_host.scheduling.world import CLASSES, Model

Make = Callable[[Sequence[ModelRow]], Policy]
POLICIES: dict[str, Make] = {
    "ours": lambda rows: Ours(),
    "ours-no-hints": lambda rows: Ours(hints=False),
    "lru": lambda rows: LeastRecentlyUsed(),
    "lfu": lambda rows: LeastFrequentlyUsed(),
    "ttl": lambda rows: TimeToLive(),
    "static": lambda rows: StaticPartition({row.id: row.group for row in rows}),
}


def compare(
    work: Workload, budget: Mapping[str, int], names: Sequence[str] = tuple(POLICIES)
) -> dict[str, Any]:
    """`{"policies": {NAME: figures}}`. Raises UnknownName, and InvalidInput for a model that fits
    on no device."""
    models = [row.model() for row in work.models]
    asked = {request.model for request in work.trace}
    for model in models:
        if model.id in asked and not _fits(model, budget):
            raise InvalidInput(
                f"The model '{model.id}' fits on none of its devices.",
                why=f"It needs {model.size_bytes:,} bytes on {' or '.join(model.devices)}.",
                fix="Give larger devices (--devices), or other models (--models).",
            )
    figures = {}
    for name in names:
        if name not in POLICIES:
            raise UnknownName.among("policy", name, POLICIES)
        policy = POLICIES[name](work.models)
        figures[name] = _figures(simulate(models, budget, work.trace, policy))
    return {"policies": figures}


def _fits(model: Model, budget: Mapping[str, int]) -> bool:
    return any(budget.get(device, 0) >= model.size_bytes for device in model.devices)


def _figures(out: Outcome) -> dict[str, Any]:
    every = [wait for waits in out.waits.values() for wait in waits]
    return {
        "wait_s": {
            "all": _spread(every),
            **{latency: _spread(out.waits[latency]) for latency in CLASSES if out.waits[latency]},
        },
        "served": out.served,
        "refused": out.refused,
        "deadline_misses": sum(out.misses.values()),
        "swaps": out.swaps,
        "bytes_loaded": out.bytes_loaded,
    }


def _spread(waits: Sequence[float]) -> dict[str, float]:
    ordered = sorted(waits)

    def at(share: float) -> float:
        return (
            round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0
        )

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0)}
