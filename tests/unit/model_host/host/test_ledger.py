from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from model_host.errors import DoesNotFit
from model_host.host.ledger import Ledger

DEVICES = ("cpu", "gpu0")
sizes = st.integers(0, 120)


class Books(RuleBasedStateMachine):
    """The ledger against a plain dict: owner -> (device, bytes, measured)."""

    owners = Bundle("owners")

    @initialize(budgets=st.fixed_dictionaries(dict.fromkeys(DEVICES, st.integers(0, 200))))
    def begin(self, budgets: dict[str, int]) -> None:
        self.ledger = Ledger(budgets)
        self.budgets = budgets
        self.held: dict[str, tuple[str, int, bool]] = {}
        self.count = 0

    def taken(self, device: str) -> int:
        return sum(size for where, size, _ in self.held.values() if where == device)

    @rule(target=owners, device=st.sampled_from(DEVICES), size=sizes)
    def reserve(self, device: str, size: int) -> str:
        self.count += 1
        owner = f"i{self.count}"
        free = self.budgets[device] - self.taken(device)
        if size > free:
            with pytest.raises(DoesNotFit) as caught:
                self.ledger.reserve(owner, device, size)
            assert caught.value.detail["missing_bytes"] == size - max(free, 0)
        else:
            self.ledger.reserve(owner, device, size)
            self.held[owner] = (device, size, False)
            assert self.ledger.free_bytes(device) >= 0
        return owner

    @rule(owner=owners, device=st.sampled_from(DEVICES))
    def reserve_twice(self, owner: str, device: str) -> None:
        if owner in self.held:
            with pytest.raises(ValueError, match="cannot reserve"):
                self.ledger.reserve(owner, device, 0)

    @rule(owner=owners, size=sizes)
    def commit(self, owner: str, size: int) -> None:
        if owner not in self.held:
            with pytest.raises(ValueError, match="reserved nothing"):
                self.ledger.commit(owner, size)
        else:
            self.ledger.commit(owner, size)
            self.held[owner] = (self.held[owner][0], size, True)

    @rule(owner=owners)
    def release(self, owner: str) -> None:
        self.ledger.release(owner)
        self.held.pop(owner, None)

    @invariant()
    def every_byte_has_one_owner(self) -> None:
        for device in DEVICES:
            mine = [(size, measured) for at, size, measured in self.held.values() if at == device]
            assert self.ledger.committed_bytes(device) == sum(s for s, m in mine if m)
            assert self.ledger.reserved_bytes(device) == sum(s for s, m in mine if not m)
            assert self.ledger.free_bytes(device) == self.budgets[device] - self.taken(device)
        for owner, (_, size, _) in self.held.items():
            assert self.ledger.owns(owner)
            assert self.ledger.held_bytes(owner) == size


TestBooks = Books.TestCase


def test_a_negative_budget_or_size_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Ledger({"cpu": -1})
    with pytest.raises(ValueError, match="cannot reserve"):
        Ledger({"cpu": 1}).reserve("one", "cpu", -1)
