"""What to do when a model is wanted: the one port of the scheduling policy, and a simple one.

A policy decides and never acts: it sees numbers, returns a decision, and the host carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Room(NamedTuple):
    """A device as a policy sees it."""

    device: str
    budget_bytes: int
    free_bytes: int


class Seat(NamedTuple):
    """A loaded (or loading) instance as a policy sees it."""

    instance_id: str
    device: str
    size_bytes: int
    busy: bool
    pinned: bool
    idle_s: float


class Start(NamedTuple):
    """Start on `device`, after unloading `evict`."""

    device: str
    evict: tuple[str, ...] = ()


class Wait(NamedTuple):
    """Instances that are busy now would make room; ask again when one is free."""


class Refuse(NamedTuple):
    """It cannot fit, even with everything unloaded."""

    device: str
    missing_bytes: int


Decision = Start | Wait | Refuse


class Policy(Protocol):
    def decide(
        self, size_bytes: int, allowed: Sequence[str], rooms: Sequence[Room], seats: Sequence[Seat]
    ) -> Decision:
        """What to do for a model of `size_bytes` that may run on `allowed` devices, best first."""
        ...


class LeastRecentlyUsed:
    """The first allowed device with room; else unload what has been idle longest."""

    def decide(
        self, size_bytes: int, allowed: Sequence[str], rooms: Sequence[Room], seats: Sequence[Seat]
    ) -> Decision:
        known = {room.device: room for room in rooms}
        possible = [known[name] for name in allowed if name in known]
        for room in possible:
            if room.free_bytes >= size_bytes:
                return Start(room.device)
        for room in possible:
            evict: list[str] = []
            free = room.free_bytes
            idle = [s for s in seats if s.device == room.device and not s.busy and not s.pinned]
            for seat in sorted(idle, key=lambda seat: -seat.idle_s):
                evict.append(seat.instance_id)
                free += seat.size_bytes
                if free >= size_bytes:
                    return Start(room.device, tuple(evict))
        for room in possible:
            movable = sum(s.size_bytes for s in seats if s.device == room.device and not s.pinned)
            if room.free_bytes + movable >= size_bytes:
                return Wait()
        best = max(possible, key=lambda room: room.budget_bytes, default=None)
        if best is None:
            return Refuse(", ".join(allowed), size_bytes)
        pinned = sum(s.size_bytes for s in seats if s.device == best.device and s.pinned)
        return Refuse(best.device, size_bytes - (best.budget_bytes - pinned))
