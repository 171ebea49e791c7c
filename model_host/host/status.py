"""What travels over the lease port."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from model_host.tasks import Latency


class Wanted(BaseModel):
    """Which model, for what."""

    model_config = ConfigDict(frozen=True)

    task: str
    language: str | None = None
    model: str | None = None
    latency: Latency = "interactive"


class Lease(NamedTuple):
    """The right to call the worker at `socket_path`, until it is released."""

    id: str
    card_id: str
    socket_path: str
    stall_s: float


class Notice(NamedTuple):
    """What a caller waits for. Bytes are 0 where they mean nothing."""

    kind: Literal["pulling", "loading", "loaded"]
    card_id: str
    done_bytes: int = 0
    total_bytes: int = 0


class DeviceStatus(BaseModel):
    name: str
    budget_bytes: int
    reserved_bytes: int
    committed_bytes: int


class InstanceStatus(BaseModel):
    card_id: str
    task: str
    device: str
    pid: int
    state: str
    size_bytes: int
    in_flight: int
    served: int
    idle_s: float


class HostStatus(BaseModel):
    pid: int
    profile: str
    offline: bool
    models_root: str
    waiting: int
    devices: tuple[DeviceStatus, ...]
    instances: tuple[InstanceStatus, ...]
