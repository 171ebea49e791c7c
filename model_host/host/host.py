"""The host: fits models into the memory there is, and hands out leases on them.

It decides nothing about scheduling itself: the policy says start, wait or refuse; the ledger says
what is free. Each instance has one task that owns its process from start to end; everybody else
waits for a change and looks again.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from model_host.catalog.card import Card
from model_host.catalog.load import Catalog, Profile, choose, load_catalog, load_profile
from model_host.errors import Busy, DoesNotFit, SutradharError, Unavailable, WorkerError
from model_host.host.ledger import Ledger
from model_host.host.policy import LeastRecentlyUsed, Policy, Refuse, Room, Seat, Start
from model_host.host.process import Process
from model_host.host.status import DeviceStatus, HostStatus, InstanceStatus, Lease, Notice, Wanted
from model_host.settings import HostSettings
from model_host.store.store import Store

_ORDER = {"realtime": 0, "interactive": 1, "batch": 2}
_FAILURES = 3  # in a row; then a card rests
_REST_S = 30.0
_RETRY_AFTER_S = 5.0

Notify = Callable[[Notice], None]


@dataclass
class _Instance:
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
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class _Ticket(NamedTuple):
    """A place in the queue: by latency class, then by arrival."""

    order: int
    number: int
    card_id: str


class Host:
    """Use it as `async with open_host(settings) as host`."""

    def __init__(
        self,
        settings: HostSettings,
        catalog: Catalog,
        profile: Profile,
        tasks: asyncio.TaskGroup,
        policy: Policy | None = None,
    ) -> None:
        self.settings = settings
        self.catalog = catalog
        self.profile = profile
        self.store = Store(settings)
        self.ledger = Ledger(settings.devices or {"cpu": _share(settings.cpu_share)})
        self._policy: Policy = policy or LeastRecentlyUsed()
        self._tasks = tasks
        self._instances: dict[str, _Instance] = {}  # by card id
        self._leases: dict[str, _Instance] = {}
        self._queue: list[_Ticket] = []
        self._numbers = itertools.count()
        self._changed = asyncio.Event()
        self._failures: dict[str, tuple[int, float, SutradharError]] = {}
        self._listeners: dict[str, set[Notify]] = {}
        self._pulls: dict[str, asyncio.Task[object]] = {}

    # -- the lease port -----------------------------------------------------------------------

    async def lease(self, wanted: Wanted, notify: Notify | None = None) -> Lease:
        """A ready instance with a free slot, as soon as there is one.

        Raises UnknownName (model, language), ModelMissing and the store's errors, DoesNotFit,
        Busy (queue full, or waited too long), what loading the engine raised."""
        card = choose(
            self.catalog, self.profile, wanted.task, language=wanted.language, model=wanted.model
        )
        if not card.default_on and card.id not in self.settings.allow:
            raise Unavailable(
                f"The model '{card.id}' is off by default.",
                why=card.licence.note or f"Its licence is {card.licence.id}.",
                fix=f"Allow it: SUTRADHAR_HOST__ALLOW='[\"{card.id}\"]'.",
            )
        if len(self._queue) >= self.settings.queue_limit:
            raise Busy(
                f"{len(self._queue)} calls are waiting already.",
                fix=f"Try again in {_RETRY_AFTER_S:.0f} seconds.",
                retry_after_s=_RETRY_AFTER_S,
            )
        ticket = _Ticket(_ORDER[wanted.latency], next(self._numbers), card.id)
        self._queue.append(ticket)
        self._queue.sort()
        listeners = self._listeners.setdefault(card.id, set())
        if notify is not None:
            listeners.add(notify)
        try:
            await self._pulled(card)
            async with asyncio.timeout(self.settings.lease_wait_s + card.limits.load_s):
                instance = await self._slot(card, ticket)
        except TimeoutError:
            raise Busy(
                f"No '{card.id}' was free in time.",
                why=f"{len(self._queue)} calls are waiting.",
                fix="Try again later.",
                retry_after_s=_RETRY_AFTER_S,
            ) from None
        finally:
            self._queue.remove(ticket)
            if notify is not None:
                listeners.discard(notify)
            self._change()
        lease_id = uuid.uuid4().hex
        instance.leases.add(lease_id)
        self._leases[lease_id] = instance
        return Lease(lease_id, card.id, str(instance.process.socket_path), card.limits.stall_s)

    async def release(self, lease_id: str, *, hung: bool = False) -> None:
        """The lease has ended; `hung`: its worker is to be ended, too."""
        instance = self._leases.pop(lease_id, None)
        if instance is None:
            return
        instance.leases.discard(lease_id)
        instance.served += 1
        instance.idle_since = time.monotonic()
        if hung and instance.state == "ready":
            instance.state = "draining"  # nobody else gets it; its owner ends it
            instance.process.kill()
        self._change()

    async def fate(self, lease_id: str, wait_s: float) -> SutradharError | None:
        """Why a leased worker ended, if it does within `wait_s`; else None."""
        instance = self._leases.get(lease_id)
        if instance is None:
            return None
        try:
            async with asyncio.timeout(wait_s):
                while instance.ended_by is None and instance.state != "gone":
                    await self._next_change()
        except TimeoutError:
            pass
        return instance.ended_by

    async def status(self) -> HostStatus:
        now = time.monotonic()
        return HostStatus(
            pid=os.getpid(),
            profile=self.profile.name,
            waiting=len(self._queue),
            devices=tuple(
                DeviceStatus(
                    name=name,
                    budget_bytes=self.ledger.budget_bytes(name),
                    reserved_bytes=self.ledger.reserved_bytes(name),
                    committed_bytes=self.ledger.committed_bytes(name),
                )
                for name in self.ledger.devices
            ),
            instances=tuple(
                InstanceStatus(
                    card_id=instance.card.id,
                    task=instance.card.task,
                    device=instance.device,
                    pid=instance.process.pid,
                    state="busy" if instance.leases else instance.state,
                    size_bytes=instance.size_bytes,
                    in_flight=len(instance.leases),
                    served=instance.served,
                    idle_s=0.0 if instance.leases else now - instance.idle_since,
                )
                for instance in self._instances.values()
            ),
        )

    async def unload(self, card_id: str) -> None:
        """End an instance when its calls are done; nothing happens when it is not loaded."""
        self.catalog.get(card_id)
        instance = self._instances.get(card_id)
        if instance is None:
            return
        while instance.leases:
            await self._next_change()
        instance.stop.set()
        while instance.state != "gone":
            await self._next_change()

    # -- inside -------------------------------------------------------------------------------

    async def _pulled(self, card: Card) -> None:
        """Weights on disk; several callers share one download."""
        if self.store.is_present(card):
            return
        pull = self._pulls.get(card.id)
        if pull is None:

            def listener(progress: object) -> None:
                done = getattr(progress, "done_bytes", 0)
                total = getattr(progress, "total_bytes", 0)
                self._notice(Notice("pulling", card.id, done, total))

            pull = self._tasks.create_task(self.store.pull(card, listener))
            self._pulls[card.id] = pull
            pull.add_done_callback(lambda _: self._pulls.pop(card.id, None))
        await asyncio.wait([pull])
        error = pull.exception()
        if error is not None:
            raise error

    async def _slot(self, card: Card, ticket: _Ticket) -> _Instance:
        mine: _Instance | None = None
        while True:
            instance = self._instances.get(card.id)
            if mine is not None and mine.state == "gone" and instance is not mine:
                if mine.ended_by is not None:
                    raise mine.ended_by  # the one we waited for did not load
                mine = None
            if instance is None:
                self._resting(card)
                if self._first(ticket, any_card=True):
                    instance = self._begin(card)
            if instance is not None:
                if instance.state == "loading":
                    mine = instance
                elif instance.state == "ready":
                    mine = None
                    free = card.memory.slots - len(instance.leases)
                    if free > 0 and self._first(ticket, any_card=False):
                        return instance
            await self._next_change()

    def _first(self, ticket: _Ticket, *, any_card: bool) -> bool:
        """No ticket that came before wants the same: this card's slot, or room on a device."""
        for other in self._queue:
            if other is ticket:
                return True
            if other.card_id == ticket.card_id:
                return False
            if any_card and other.order < ticket.order and other.card_id not in self._instances:
                return False
        return True

    def _resting(self, card: Card) -> None:
        count, since, error = self._failures.get(card.id, (0, 0.0, None))
        left = since + _REST_S - time.monotonic()
        if count >= _FAILURES and left > 0:
            raise Busy(
                f"The model '{card.id}' failed to load {count} times in a row.",
                why=str(error),
                fix=f"It is tried again in {left:.0f} seconds.",
                retry_after_s=left,
            )

    def _begin(self, card: Card) -> _Instance | None:
        """Start an instance if the policy says so now; None: wait. Raises DoesNotFit."""
        size = card.memory.footprint_bytes
        now = time.monotonic()
        decision = self._policy.decide(
            size,
            card.placement.devices,
            [
                Room(name, self.ledger.budget_bytes(name), self.ledger.free_bytes(name))
                for name in self.ledger.devices
            ],
            [
                Seat(
                    instance.id,
                    instance.card.id,
                    instance.device,
                    self.ledger.held_bytes(instance.id),
                    bool(instance.leases) or instance.state != "ready",
                    instance.card.placement.pinned,
                    now - instance.idle_since,
                )
                for instance in self._instances.values()
            ],
        )
        if isinstance(decision, Refuse):
            raise DoesNotFit(
                f"The model '{card.id}' does not fit on {decision.device}.",
                why=f"It needs {size:,} bytes; {decision.missing_bytes:,} bytes are missing.",
                fix="Raise the device's budget (SUTRADHAR_DEVICES), or choose a smaller model.",
                missing_bytes=decision.missing_bytes,
            )
        if not isinstance(decision, Start):
            return None
        if decision.evict:
            for instance in self._instances.values():
                if instance.id in decision.evict:
                    instance.stop.set()
            return None  # their bytes are free when their processes have ended
        name = f"{card.id[:40]}-{os.getpid()}-{next(self._numbers)}"
        instance = _Instance(
            name, card, decision.device, Process(self.settings, name), size
        )
        self.ledger.reserve(instance.id, decision.device, size)
        self._instances[card.id] = instance
        self._tasks.create_task(self._own(instance))
        return instance

    async def _own(self, instance: _Instance) -> None:
        """The one task that owns an instance, from start to end."""
        card, process = instance.card, instance.process
        self._notice(Notice("loading", card.id, 0, 0))
        try:
            threads = self.settings.threads_per_worker or os.cpu_count() or 1
            folder = self.store.folder(card) if card.files else None
            await process.start(
                {
                    "card": card.model_dump(mode="json"),
                    "folder": str(folder) if folder else None,
                    "threads": threads,
                    "socket": str(process.socket_path),
                }
            )
            ready = await process.ready(card.limits.load_s)
            self._measured(instance, ready)
            instance.state = "ready"
            instance.idle_since = time.monotonic()
            self._failures.pop(card.id, None)
            self._notice(Notice("loaded", card.id, 0, 0))
            self._change()
            await self._serve_until_done(instance)
        except SutradharError as error:
            instance.ended_by = error
            count = self._failures.get(card.id, (0, 0.0, error))[0]
            self._failures[card.id] = (count + 1, time.monotonic(), error)
        except OSError as error:
            instance.ended_by = WorkerError(
                "A model's process could not be started.", why=f"{error}."
            )
        finally:
            instance.state = "draining"
            try:
                await asyncio.shield(process.end())
            finally:
                self.ledger.release(instance.id)
                instance.state = "gone"
                if self._instances.get(card.id) is instance:
                    del self._instances[card.id]
                self._change()

    async def _serve_until_done(self, instance: _Instance) -> None:
        watching = asyncio.create_task(
            process_watch(instance, lambda beat: self._measured(instance, beat))
        )
        stopping = asyncio.create_task(self._idle_or_stopped(instance))
        try:
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                instance.ended_by = watching.result()
        finally:
            watching.cancel()
            stopping.cancel()

    async def _idle_or_stopped(self, instance: _Instance) -> None:
        limit = instance.card.limits.idle_s
        while not instance.stop.is_set():
            left = instance.idle_since + limit - time.monotonic()
            if not instance.leases and left <= 0 and not instance.card.placement.pinned:
                return
            try:
                async with asyncio.timeout(max(left, 0.01) if not instance.leases else limit):
                    await instance.stop.wait()
            except TimeoutError:
                continue

    def _measured(self, instance: _Instance, footprint: dict[str, int]) -> None:
        """Correct the books: the estimate before the first call, what was seen after it."""
        peak = int(footprint.get("peak_bytes", 0))
        size = peak if instance.served else max(peak, instance.card.memory.footprint_bytes)
        if size and size != instance.size_bytes and instance.state != "gone":
            instance.size_bytes = size
            self.ledger.commit(instance.id, size)

    def _notice(self, notice: Notice) -> None:
        for listener in tuple(self._listeners.get(notice.card_id, ())):
            listener(notice)

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _next_change(self) -> None:
        await self._changed.wait()

    def stop_all(self) -> None:
        """End every instance and download; their tasks finish by themselves."""
        for instance in self._instances.values():
            instance.stop.set()
        for pull in tuple(self._pulls.values()):
            pull.cancel()


async def process_watch(
    instance: _Instance, on_beat: Callable[[dict[str, int]], None]
) -> SutradharError:
    return await instance.process.watch(on_beat)


@asynccontextmanager
async def open_host(
    settings: HostSettings, *, policy: Policy | None = None
) -> AsyncIterator[Host]:
    """A host, whose workers end with the block."""
    catalog = load_catalog(settings)
    profile = load_profile(settings, catalog)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        host = Host(settings, catalog, profile, tasks, policy)
        try:
            yield host
        except Exception as error:  # raised below: a task group would wrap it
            failure = error
        finally:
            host.stop_all()
    if failure is not None:
        raise failure


def _share(share: float) -> int:
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return int(pages * page * share)
