"""Who holds which bytes of which device.

A load reserves first; what was reserved is committed once the worker is ready and its footprint
known; it is released when its process has ended. Every byte has one owner; a device is never
over its budget, except where a measured footprint proves larger than the estimate (then nothing
more is admitted until it fits again).
"""

from __future__ import annotations

from typing import NamedTuple

from model_host.errors import DoesNotFit


class _Held(NamedTuple):
    device: str
    size_bytes: int
    measured: bool  # committed; else an estimate, reserved


class Ledger:
    """Books in bytes. Owners are instance ids."""

    def __init__(self, budgets: dict[str, int]) -> None:
        if any(budget < 0 for budget in budgets.values()):
            raise ValueError("a budget is negative")
        self._budgets = dict(budgets)
        self._held: dict[str, _Held] = {}

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(self._budgets)

    def budget_bytes(self, device: str) -> int:
        return self._budgets[device]

    def free_bytes(self, device: str) -> int:
        """Neither reserved nor committed; negative when a footprint outgrew its estimate."""
        return self._budgets[device] - self.reserved_bytes(device) - self.committed_bytes(device)

    def reserved_bytes(self, device: str) -> int:
        return sum(
            h.size_bytes for h in self._held.values() if h.device == device and not h.measured
        )

    def committed_bytes(self, device: str) -> int:
        return sum(h.size_bytes for h in self._held.values() if h.device == device and h.measured)

    def held_bytes(self, owner: str) -> int:
        return self._held[owner].size_bytes if owner in self._held else 0

    def reserve(self, owner: str, device: str, size_bytes: int) -> None:
        """Raises DoesNotFit when it is not free, ValueError when the owner holds something."""
        if size_bytes < 0 or self.owns(owner):
            raise ValueError(f"{owner} cannot reserve {size_bytes} bytes")
        free = self.free_bytes(device)
        if size_bytes > free:
            raise DoesNotFit(
                f"{size_bytes:,} bytes do not fit on {device}.",
                why=f"{max(free, 0):,} are free.",
                missing_bytes=size_bytes - max(free, 0),
            )
        self._held[owner] = _Held(device, size_bytes, measured=False)

    def commit(self, owner: str, size_bytes: int) -> None:
        """What was reserved, or committed before, becomes a measured footprint."""
        if owner not in self._held:
            raise ValueError(f"{owner} reserved nothing")
        self._held[owner] = _Held(self._held[owner].device, max(0, size_bytes), measured=True)

    def release(self, owner: str) -> None:
        """Its process has ended; nothing happens when it held nothing."""
        self._held.pop(owner, None)

    def owns(self, owner: str) -> bool:
        return owner in self._held
