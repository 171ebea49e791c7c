"""Settings of the model host: frozen, passed in, never global. `api` assembles them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

_RUN_DIR_BYTES = 56  # leaves room for the name of a worker's socket


class HostSettings(BaseModel):
    """Where weights, sockets and catalogs are, and what the devices may hold.

    `devices` maps a device name to its budget in bytes; empty: `cpu` with `cpu_share` of the
    machine's memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path  # data home: run files, logs
    models_root: Path  # weights
    catalog_dirs: tuple[Path, ...] = ()  # cards of the operator, beside the shipped ones
    profile: str = "starter"
    profile_dirs: tuple[Path, ...] = ()
    offline: bool = False  # never pull
    allow: tuple[str, ...] = ()  # card ids with default_on = false that may run
    devices: dict[str, int] = {}
    cpu_share: float = Field(0.6, gt=0, le=1)
    threads_per_worker: int = Field(0, ge=0)  # 0: all cores
    queue_limit: int = Field(64, ge=1)  # waiting leases, then Busy
    lease_wait_s: float = Field(120.0, gt=0)
    heartbeat_s: float = Field(2.0, gt=0)  # a worker silent for three of them is hung

    @property
    def run_dir(self) -> Path:
        """Sockets, locks and logs of running processes: in the data home, or where its path is too
        long for a Unix socket (107 bytes), in a folder of this user named after it."""
        folder = self.home / "run"
        if len(os.fsencode(folder)) <= _RUN_DIR_BYTES:
            return folder
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path("/tmp", f"sutradhar-{os.getuid()}", name)

    @property
    def host_socket(self) -> Path:
        return self.run_dir / "host.sock"
