"""All settings of a process, assembled once and passed down.

Sources, strongest first: command-line flags, `SUTRADHAR_*` variables (`SUTRADHAR_HOST__QUEUE_LIMIT`
is `queue_limit` in `[host]`), the first `sutradhar.toml` found (working folder, then data home),
defaults. Each package owns its section; what several of them share stands at the top.
"""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from graphs.settings import GraphSettings
from indexers.settings import IndexSettings
from model_host.errors import InvalidInput, UnknownName
from model_host.settings import HostSettings

FILE_NAME = "sutradhar.toml"
PREFIX = "SUTRADHAR_"
SHARED_MODELS = Path("/opt/ai-models")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_bytes(text: str | int) -> int:
    """`8GiB`, `8G`, `8GB` (all powers of 1024) or a plain number, in bytes.

    Raises ValueError."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _SIZE.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"'{text}' is not a size; write it like 8GiB or 512MiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def parse_devices(value: object) -> object:
    """`cpu=8GiB,gpu0=32GiB`, or a table of the same. Raises ValueError."""
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise ValueError(f"'{value}' is not a list like cpu=8GiB,gpu0=32GiB")
        value = {name.strip(): size for name, _, size in pairs}
    if isinstance(value, Mapping):
        for name in value:
            if not re.fullmatch(r"cpu|ram|gpu\d+", str(name)):
                raise ValueError(f"'{name}' is not a device; they are called cpu, ram, gpu0 …")
        return {name: parse_bytes(size) for name, size in value.items()}
    return value


def default_home() -> Path:
    return Path(platformdirs.user_data_dir("sutradhar", appauthor=False))


def default_models() -> Path:
    """The shared model root where we may write it, else a folder of the user's."""
    nearest = SHARED_MODELS if SHARED_MODELS.exists() else SHARED_MODELS.parent
    if os.access(nearest, os.W_OK | os.X_OK):
        return SHARED_MODELS
    return default_home().with_name("sutradhar-models")


class Settings(BaseSettings):
    """Frozen. Build it with `load_settings`, which turns each mistake into an InvalidInput."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
    )

    home: Path = Field(default_factory=default_home)  # corpora, conversations, sockets
    models: Path = Field(default_factory=default_models)  # weights
    profile: str = "starter"
    offline: bool = False  # never download anything
    devices: Annotated[dict[str, int], NoDecode, BeforeValidator(parse_devices)] = {}

    host: HostSettings
    index: IndexSettings
    graphs: GraphSettings = GraphSettings()

    @property
    def api_socket(self) -> Path:
        """Where `sutradhar serve` answers the other commands."""
        return self.host.run_dir / "api.sock"

    @model_validator(mode="before")
    @classmethod
    def _assemble(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Hand the shared values to the sections of the packages."""
        data = dict(data)
        for name, default in (("home", default_home), ("models", default_models)):
            data[name] = _absolute(data.get(name) or default())
        shared = {"home": data["home"], "models_root": data["models"]}
        shared |= {key: data[key] for key in ("profile", "offline") if key in data}
        if "devices" in data:
            with contextlib.suppress(ValueError):  # the field's own check reports it
                shared["devices"] = parse_devices(data["devices"])
        data["host"] = _section(data, "host", shared)
        data["index"] = _section(data, "index", {"corpora_root": data["home"] / "corpora"})
        return data

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        found = find_file(init_settings().get("home"))
        from_file = InitSettingsSource(settings_cls, read_file(found) if found else {})
        return init_settings, env_settings, from_file


def load_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this process; flags that are None count as not given.

    Raises InvalidInput naming the key, where it stands and what is expected there."""
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise _explain(error, given) from None
    except SettingsError as error:
        raise InvalidInput(
            "A SUTRADHAR_* variable could not be read.",
            why=f"{error}.",
            fix="Lists and tables are written as JSON in a variable.",
        ) from None


def find_file(home: Path | str | None = None) -> Path | None:
    """The settings file in force: in the working folder, else in the data home."""
    home = home or os.environ.get(PREFIX + "HOME") or default_home()
    for folder in (Path.cwd(), Path(home).expanduser()):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def read_file(path: Path) -> dict[str, Any]:
    """Raises InvalidInput when it is not TOML, or cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(
            f"The settings file {path} could not be read.",
            why=f"{error}.",
            fix="Compare it with sutradhar.example.toml.",
        ) from error


def unknown_variables() -> list[str]:
    """SUTRADHAR_* variables that no setting reads: most likely misspelt."""
    own = {PREFIX + name.upper() for name in Settings.model_fields} | {PREFIX + "DEBUG"}
    sections = tuple(name + "__" for name in own)
    return sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX) and name not in own and not name.startswith(sections)
    )


def _absolute(path: object) -> Path:
    return Path(os.path.abspath(Path(str(path)).expanduser()))


def _section(data: dict[str, Any], name: str, shared: dict[str, Any]) -> Any:
    section = data.get(name) or {}
    if not isinstance(section, Mapping):
        return section
    top = {"home", "models_root", "corpora_root", "profile", "offline", "devices"} & set(section)
    if top:
        raise ValueError(
            f"[{name}] cannot hold '{min(top)}'; home, models, profile, offline and devices stand "
            "at the top of the file"
        )
    return shared | dict(section)


def _explain(error: ValidationError, flags: Mapping[str, Any]) -> InvalidInput:
    first, *more = error.errors(include_url=False)
    path = [str(part) for part in first["loc"]]
    key = ".".join(path) or "the settings"
    where = _origin(path, flags)
    if first["type"] == "extra_forbidden":
        owner: type[BaseModel] = Settings
        for part in path[:-1]:
            section = owner.model_fields[part].annotation
            if isinstance(section, type) and issubclass(section, BaseModel):
                owner = section
        stands = f"It stands in {where}."
        return UnknownName.among("setting", path[-1], owner.model_fields, fix=stands)
    message = str(first["msg"]).removeprefix("Value error, ")
    rest = f" {len(more)} more settings are wrong, too." if more else ""
    return InvalidInput(
        f"The setting '{key}' in {where} is wrong.",
        why=f"{message[:1].upper()}{message[1:]}.{rest}",
        fix="sutradhar.example.toml lists every setting with its default.",
        key=key,
    )


def _origin(path: list[str], flags: Mapping[str, Any]) -> str:
    """Where the value came from, strongest source first."""
    if path and path[0] in flags:
        return f"the flag --{path[0]}"
    for depth in range(len(path), 0, -1):
        variable = PREFIX + "__".join(path[:depth]).upper()
        if variable in os.environ:
            return f"the variable {variable}"
    return str(find_file(flags.get("home")) or "the environment")
