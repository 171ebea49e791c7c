"""A model that is loaded, or about to be: its state, its leases, its worker's life."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from model_host.catalog.card import Card
from model_host.errors import SutradharError
from model_host.host.process import Process

Seen = Callable[[dict[str, Any]], None]


@dataclass(eq=False)
class Instance:
    """Only a `ready` one gets new leases; a `draining` one ends when its leases have."""

    id: str
    card: Card
    device: str
    process: Process
    size_bytes: int
    state: Literal["loading", "ready", "draining", "gone"] = "loading"
    ended_by: SutradharError | None = None
    leases: set[str] = field(default_factory=set)
    served: int = 0
    idle_since: float = field(default_factory=time.monotonic)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None

    @property
    def free_slots(self) -> int:
        return self.card.memory.slots - len(self.leases) if self.state == "ready" else 0

    def take(self, lease_id: str) -> None:
        self.leases.add(lease_id)
        if self._timer is not None:
            self._timer.cancel()

    def give(self, lease_id: str, *, hung: bool) -> None:
        """A lease has ended; `hung`: nobody else shall get this worker."""
        self.leases.discard(lease_id)
        self.served += 1
        if hung and self.state == "ready":
            self.state = "draining"
            self.process.kill()
        self.rest()

    def rest(self) -> None:
        """Without a lease: end when draining, else after the card's idle time."""
        if self.leases:
            return
        self.idle_since = time.monotonic()
        if self.state == "draining":
            self._stop.set()
        elif self.state == "ready" and not self.card.placement.pinned:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.card.limits.idle_s, self.retire)

    def retire(self, *, now: bool = False) -> None:
        """No new leases; ends when the last one has, or `now`."""
        if self.state == "ready":
            self.state = "draining"
        if now or not self.leases:
            self._stop.set()

    async def live(self, spec: dict[str, Any], on_ready: Seen, on_beat: Seen) -> None:
        """Start, load and follow the worker until it is to stop. Raises what ended it before."""
        card = {"card": self.card.model_dump(mode="json"), "socket": str(self.process.socket_path)}
        await self.process.start({**card, **spec})

        async def follow() -> None:
            on_ready(await self.process.ready(self.card.limits.load_s))
            await self.process.watch(on_beat)

        following = asyncio.create_task(follow())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                await following  # raises
        finally:
            following.cancel()
            stopping.cancel()
            if self._timer is not None:
                self._timer.cancel()
            await asyncio.gather(following, stopping, return_exceptions=True)
