"""The host: fits models into the memory there is, and hands out leases on them.

It decides nothing about scheduling itself: the policy says start, wait or refuse; the ledger says
what is free. Each instance has one task that owns its process from start to end; everybody else
waits for a change and looks again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from model_host.catalog.card import Card
from model_host.catalog.load import Catalog, Profile, choose, load_catalog, load_profile
from model_host.errors import (
    Busy,
    DoesNotFit,
    SutradharError,
    Unavailable,
    WorkerError,
    disk_error,
)
from model_host.host.instance import Instance
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
log = logging.getLogger("host")


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
        self._instances: dict[str, Instance] = {}  # by card id
        self._leases: dict[str, Instance] = {}
        self._queue: list[_Ticket] = []
        self._numbers = itertools.count()
        self._changed = asyncio.Event()
        self._failures: dict[str, tuple[int, float, SutradharError]] = {}
        self._listeners: dict[str, set[Notify]] = {}
        self._pulls: dict[str, asyncio.Task[SutradharError | None]] = {}
        self._waiters: dict[str, int] = {}  # of those
        self._closing = False

    # -- the lease port -----------------------------------------------------------------------

    async def lease(self, wanted: Wanted, notify: Notify | None = None) -> Lease:
        """A ready instance with a free slot, as soon as there is one.

        Raises UnknownName (model, language), ModelMissing and the store's errors, DoesNotFit,
        Busy (queue full, or waited too long), what loading the engine raised. A caller that is
        cancelled gets no lease: nothing is awaited once a slot is found."""
        card = choose(
            self.catalog,
            self.profile,
            wanted.task,
            language=wanted.language,
            model=wanted.model,
            here=self._here,
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
        lease_id = f"{instance.id}.{next(self._numbers)}"
        instance.take(lease_id)
        self._leases[lease_id] = instance
        return Lease(lease_id, card.id, str(instance.process.socket_path), card.limits.stall_s)

    def release(self, lease_id: str, *, hung: bool = False) -> None:
        """The lease has ended; `hung`: its worker is to be ended, too."""
        instance = self._leases.pop(lease_id, None)
        if instance is not None:
            instance.give(lease_id, hung=hung)
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
        return _again(instance.ended_by)

    async def status(self) -> HostStatus:
        now = time.monotonic()
        return HostStatus(
            pid=os.getpid(),
            profile=self.profile.name,
            offline=self.settings.offline,
            models_root=str(self.settings.models_root),
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
        instance.retire()
        while instance.state != "gone":
            await self._next_change()

    def _here(self, card: Card) -> bool:
        """Whether it can be loaded without a pull, where a pull is forbidden."""
        return not self.settings.offline or self.store.is_present(card)

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

            async def pulling() -> SutradharError | None:
                try:
                    await self.store.pull(card, listener)
                except SutradharError as error:  # not raised: it would end the task group
                    return error
                return None

            pull = self._pulls[card.id] = self._tasks.create_task(pulling())
            pull.add_done_callback(lambda _: self._pulls.pop(card.id, None))
        self._waiters[card.id] = self._waiters.get(card.id, 0) + 1
        try:
            await asyncio.wait({pull})
        finally:
            self._waiters[card.id] -= 1
            if not self._waiters[card.id]:
                self._pulls.pop(card.id, None)
                pull.cancel()  # nobody wants it any more
        if error := _closed() if pull.cancelled() else pull.result():
            raise _again(error) or error

    async def _slot(self, card: Card, ticket: _Ticket) -> Instance:
        mine: Instance | None = None
        while True:
            instance = self._instances.get(card.id)
            if mine is not None and mine.state == "gone" and instance is not mine:
                if error := _again(mine.ended_by):
                    raise error  # the one we waited for did not load
                mine = None
            if self._closing:
                raise _closed()
            if instance is None:
                self._resting(card)
                if self._first(ticket, any_card=True):
                    instance = self._begin(card)
            if instance is not None:
                if instance.state == "loading":
                    mine = instance
                elif instance.state == "ready":
                    mine = None
                    if instance.free_slots > 0 and self._first(ticket, any_card=False):
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

    def _begin(self, card: Card) -> Instance | None:
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
            if decision.device not in self.ledger.devices:
                raise DoesNotFit(
                    f"The model '{card.id}' needs {decision.device}, which is not here.",
                    fix="Choose another model (sutradhar models).",
                    missing_bytes=decision.missing_bytes,
                )
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
                    instance.retire()
            return None  # their bytes are free when their processes have ended
        name = f"{card.id[:12]}-{os.getpid()}-{next(self._numbers)}"
        process = Process(self.settings, name, card.id)
        instance = Instance(name, card, decision.device, process, size)
        self.ledger.reserve(instance.id, decision.device, size)
        self._instances[card.id] = instance
        self._tasks.create_task(self._own(instance))
        return instance

    async def _own(self, instance: Instance) -> None:
        """The one task that owns an instance, from start to end. It raises nothing: that would
        end the host."""
        card = instance.card
        self._notice(Notice("loading", card.id))

        def ready(seen: dict[str, Any]) -> None:
            instance.state = "ready"
            self._failures.pop(card.id, None)
            self._measured(instance, seen)
            self._notice(Notice("loaded", card.id))
            instance.rest()
            self._change()

        try:
            folder = str(self.store.folder(card)) if card.files else None
            threads = self.settings.threads_per_worker or len(os.sched_getaffinity(0))
            spec = {"folder": folder, "threads": threads}
            await instance.live(spec, ready, lambda seen: self._measured(instance, seen))
        except Exception as error:
            if not isinstance(error, SutradharError | OSError):
                log.exception("a worker's owner failed")
            instance.ended_by = _typed(error)
            if instance.state == "loading":
                count = self._failures.get(card.id, (0, 0.0, error))[0]
                self._failures[card.id] = (count + 1, time.monotonic(), instance.ended_by)
        finally:
            instance.state = "draining"
            try:
                await asyncio.shield(instance.process.end())
            finally:
                self.ledger.release(instance.id)
                instance.state = "gone"
                if self._instances.get(card.id) is instance:
                    del self._instances[card.id]
                self._change()

    def _measured(self, instance: Instance, footprint: dict[str, int]) -> None:
        """Correct the books: the estimate before the first call, what was seen after it."""
        peak = int(footprint.get("peak_bytes", 0))
        size = peak if instance.served else max(peak, instance.card.memory.footprint_bytes)
        if size and size != instance.size_bytes and instance.state != "gone":
            instance.size_bytes = size
            self.ledger.commit(instance.id, size)
            self._change()

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
        self._closing = True
        for instance in self._instances.values():
            instance.retire(now=True)
        for pull in tuple(self._pulls.values()):
            pull.cancel()
        self._change()


@asynccontextmanager
async def open_host(settings: HostSettings, *, policy: Policy | None = None) -> AsyncIterator[Host]:
    """A host, whose workers end with the block."""
    catalog = await asyncio.to_thread(load_catalog, settings)
    profile = await asyncio.to_thread(load_profile, settings, catalog)
    await asyncio.to_thread(_sweep, settings.run_dir / "workers")
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


def _sweep(folder: Path) -> None:
    """Take away the sockets of hosts that were killed. Raises Unavailable when the folder belongs
    to somebody else, who could put sockets of his own there; StoreError when it cannot be made."""
    try:
        for path in (folder.parent, folder):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise disk_error(folder, error) from error
    if folder.stat().st_uid != os.getuid():
        raise Unavailable(
            f"The folder {folder} belongs to another user.",
            why="Sockets must lie where nobody else can write.",
            fix="Remove it, or choose another data home: SUTRADHAR_HOME.",
        )
    for path in folder.glob("*.sock"):
        host_pid = path.stem.split("-")[-2:-1]
        if host_pid and not Path("/proc", *host_pid).exists():
            path.unlink(missing_ok=True)


def _typed(error: Exception) -> SutradharError:
    if isinstance(error, SutradharError):
        return error
    why = f"{type(error).__name__}: {error}."
    return WorkerError("A model's process could not be started.", why=why)


def _again(error: SutradharError | None) -> SutradharError | None:
    """A copy, as one exception must not be raised by several tasks."""
    return None if error is None else SutradharError.from_wire(error.to_wire())


def _closed() -> SutradharError:
    return Unavailable("The host is closing.", fix="Run the command again.")


def _share(share: float) -> int:
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return int(pages * page * share)
