"""Who holds which bytes of which device.

A load reserves first; what was reserved is committed once the worker is ready and its footprint
known; it is released when its process has ended. Every byte has one owner; a device is never
over its budget, except where a measured footprint proves larger than the estimate (then nothing
more is admitted until it fits again).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from model_host.errors import DoesNotFit


@dataclass
class _Device:
    budget_bytes: int
    reserved: dict[str, int] = field(default_factory=dict)
    committed: dict[str, int] = field(default_factory=dict)

    @property
    def free_bytes(self) -> int:
        return self.budget_bytes - sum(self.reserved.values()) - sum(self.committed.values())


class Ledger:
    """Books in bytes. Owners are instance ids."""

    def __init__(self, budgets: dict[str, int]) -> None:
        if any(budget < 0 for budget in budgets.values()):
            raise ValueError("a budget is negative")
        self._devices = {name: _Device(budget) for name, budget in budgets.items()}

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(self._devices)

    def budget_bytes(self, device: str) -> int:
        return self._devices[device].budget_bytes

    def free_bytes(self, device: str) -> int:
        """Neither reserved nor committed; negative when a footprint outgrew its estimate."""
        return self._devices[device].free_bytes

    def reserved_bytes(self, device: str) -> int:
        return sum(self._devices[device].reserved.values())

    def committed_bytes(self, device: str) -> int:
        return sum(self._devices[device].committed.values())

    def held_bytes(self, owner: str) -> int:
        return sum(
            device.reserved.get(owner, 0) + device.committed.get(owner, 0)
            for device in self._devices.values()
        )

    def reserve(self, owner: str, device: str, size_bytes: int) -> None:
        """Raises DoesNotFit when it is not free, ValueError when the owner holds something."""
        if size_bytes < 0 or self.owns(owner):
            raise ValueError(f"{owner} cannot reserve {size_bytes} bytes")
        free = self._devices[device].free_bytes
        if size_bytes > free:
            raise DoesNotFit(
                f"{size_bytes:,} bytes do not fit on {device}.",
                why=f"{max(free, 0):,} are free.",
                missing_bytes=size_bytes - max(free, 0),
            )
        self._devices[device].reserved[owner] = size_bytes

    def commit(self, owner: str, size_bytes: int) -> None:
        """What was reserved, or committed before, becomes a measured footprint."""
        for device in self._devices.values():
            if owner in device.reserved or owner in device.committed:
                device.reserved.pop(owner, None)
                device.committed[owner] = max(0, size_bytes)
                return
        raise ValueError(f"{owner} reserved nothing")

    def release(self, owner: str) -> None:
        """Its process has ended; nothing happens when it held nothing."""
        for device in self._devices.values():
            device.reserved.pop(owner, None)
            device.committed.pop(owner, None)

    def owns(self, owner: str) -> bool:
        return any(
            owner in device.reserved or owner in device.committed
            for device in self._devices.values()
        )
