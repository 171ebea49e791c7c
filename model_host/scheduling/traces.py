"""What the scheduler is tried on: models and traces from files, and families of traces made here.

A trace is JSON lines: `at_s`, `model`, `class`, `service_s`, and optionally `deadline_s` (from
arrival to the start of service), `tenant`, `next` (models that will be wanted after it). A models
file is TOML, tables `[[model]]`: `id`, `size_bytes`, `slots`, `devices`, and optionally `load_s`,
`sleep_s`, `wake_s` (else from the size, at 3 GB/s from disk and 12 GB/s to and from RAM), `group`.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_host.errors import InvalidInput, first_problem
from model_host.scheduling.world import Latency, Model, Request

DISK_BYTES_PER_S = 3e9
RAM_BYTES_PER_S = 12e9
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ModelRow(BaseModel):
    """One `[[model]]`. `weight` and `service_s` say how the families made here ask for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    size_bytes: int = Field(gt=0)
    load_s: Seconds | None = None
    sleep_s: Seconds | None = None
    wake_s: Seconds | None = None
    slots: int = Field(1, ge=1)
    devices: tuple[str, ...] = Field(min_length=1)
    group: str = ""
    latency: Latency = Field("interactive", alias="class")
    weight: float = Field(1.0, ge=0)
    service_s: float = Field(1.0, gt=0)

    def model(self) -> Model:
        def times(given: float | None, rate: float) -> float:
            return self.size_bytes / rate if given is None else given

        return Model(
            self.id,
            self.size_bytes,
            times(self.load_s, DISK_BYTES_PER_S),
            times(self.sleep_s, RAM_BYTES_PER_S),
            times(self.wake_s, RAM_BYTES_PER_S),
            self.slots,
            self.devices,
        )


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    at_s: Seconds
    model: str
    latency: Latency = Field("interactive", alias="class")
    service_s: Seconds
    deadline_s: Seconds | None = None
    tenant: str | None = None
    next: tuple[str, ...] = ()


class Workload(NamedTuple):
    models: tuple[ModelRow, ...]
    trace: tuple[Request, ...]


def mission_models() -> tuple[ModelRow, ...]:
    text = resources.files("model_host.scheduling").joinpath("mission.toml").read_text("utf-8")
    return _rows(tomllib.loads(text), "mission.toml")


def read_models(path: Path) -> tuple[ModelRow, ...]:
    """Raises InvalidInput."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"The models file {path} cannot be read.", why=f"{error}.") from error
    return _rows(table, path)


def _rows(table: dict[str, Any], path: object) -> tuple[ModelRow, ...]:
    try:
        rows = tuple(ModelRow.model_validate(row) for row in table.get("model", ()))
    except ValidationError as error:
        where, reason = first_problem(error)
        raise InvalidInput(f"A [[model]] of {path} is wrong.", why=f"{where}: {reason}.") from None
    if not rows or len({row.id for row in rows}) < len(rows):
        raise InvalidInput(f"{path} names no models, or one twice.", fix="Write [[model]] tables.")
    return rows


def read_trace(path: Path, models: Iterable[ModelRow]) -> tuple[Request, ...]:
    """In order of arrival. Raises InvalidInput with the line's number."""
    known = {row.id for row in models}
    requests = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The trace {path} cannot be read.", why=f"{error}.") from error
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as error:
            where, reason = first_problem(error)
            raise InvalidInput(
                f"Line {number} of {path} is wrong.", why=f"{where}: {reason}."
            ) from None
        if line.model not in known:
            raise InvalidInput(f"Line {number} of {path} names no known model: '{line.model}'.")
        requests.append(_request(number, line))
    return tuple(sorted(requests, key=lambda request: request.at_s))


def _request(number: int, line: _Line) -> Request:
    start_by_s = None if line.deadline_s is None else line.at_s + line.deadline_s
    return Request(
        id=number,
        model=line.model,
        latency=line.latency,
        at_s=line.at_s,
        service_s=line.service_s,
        start_by_s=start_by_s,
        tenant=line.tenant,
        next=line.next,
    )


def write_trace(path: Path, trace: Iterable[Request]) -> None:
    lines = [
        json.dumps(
            {
                "at_s": round(request.at_s, 4),
                "model": request.model,
                "class": request.latency,
                "service_s": round(request.service_s, 4),
                "deadline_s": request.start_by_s and round(request.start_by_s - request.at_s, 4),
                "tenant": request.tenant,
                "next": list(request.next),
            }
        )
        for request in trace
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


Weigh = Callable[[float, ModelRow], float]  # second, model → how much it is asked for


def made(
    rows: Sequence[ModelRow], seed: int, *, lasts_s: float, rate_hz: float, weigh: Weigh
) -> tuple[Request, ...]:
    """Poisson arrivals; service times vary by half. Realtime requests must start within 10 s."""
    rng = random.Random(seed)
    out: list[Request] = []
    at_s = 0.0
    while True:
        at_s += rng.expovariate(rate_hz)
        if at_s > lasts_s:
            return tuple(out)
        weights = [weigh(at_s, row) for row in rows]
        row = rng.choices(rows, weights)[0]
        service_s = row.service_s * rng.uniform(0.5, 1.5)
        start_by_s = at_s + 10.0 if row.latency == "realtime" else None
        out.append(Request(len(out), row.id, row.latency, at_s, service_s, start_by_s))


def family(name: str, seed: int, *, lasts_s: float = 900.0, rate_hz: float = 2.0) -> Workload:
    """`mission`, `diurnal`, `bursts`, `hot`, `alternation`, `agents`. Raises InvalidInput."""
    rows = mission_models()
    if name == "agents":
        return Workload(rows, _agents(rows, seed, lasts_s, rate_hz / 4))
    if name not in _FAMILIES:
        raise InvalidInput(
            f"There is no family of traces called '{name}'.",
            fix=f"Known: {', '.join(FAMILIES)}.",
        )
    weigh = _FAMILIES[name](rows, random.Random(seed))
    return Workload(rows, made(rows, seed, lasts_s=lasts_s, rate_hz=rate_hz, weigh=weigh))


def _mission(rows: Sequence[ModelRow], rng: random.Random) -> Weigh:
    return lambda at_s, row: row.weight


def _diurnal(rows: Sequence[ModelRow], rng: random.Random) -> Weigh:
    """Half of the groups by turns, five minutes each."""
    groups = sorted({row.group for row in rows})
    return lambda at_s, row: (
        row.weight * (1.0 if (groups.index(row.group) + int(at_s // 300)) % 2 else 0.05)
    )


def _bursts(rows: Sequence[ModelRow], rng: random.Random) -> Weigh:
    """One model at a time is asked for twenty times as often, for half a minute."""
    order = [rng.choice(rows).id for _ in range(1000)]
    return lambda at_s, row: (
        row.weight * (20.0 if order[int(at_s // 30) % len(order)] == row.id else 1.0)
    )


def _hot(rows: Sequence[ModelRow], rng: random.Random) -> Weigh:
    hot = rng.choice(rows).id
    return lambda at_s, row: row.weight + (30.0 if row.id == hot else 0.0)


def _alternation(rows: Sequence[ModelRow], rng: random.Random) -> Weigh:
    """The worst of recency: large models in a circle, which do not fit together."""
    large = [row.id for row in rows if row.size_bytes >= 20e9]
    return lambda at_s, row: float(row.id == large[int(at_s // 3) % len(large)]) + row.weight / 500


_FAMILIES: dict[str, Callable[[Sequence[ModelRow], random.Random], Weigh]] = {
    "mission": _mission,
    "diurnal": _diurnal,
    "bursts": _bursts,
    "hot": _hot,
    "alternation": _alternation,
}
FAMILIES = (*_FAMILIES, "agents")
_CHAINS = (
    ("indicwhisper", "mistral", "indictts"),
    ("whisper", "qwenvl", "llama2", "coqui"),
    ("videochat", "llama2", "coqui"),
    ("llava", "codellama"),
)


def _agents(
    rows: Sequence[ModelRow], seed: int, lasts_s: float, rate_hz: float
) -> tuple[Request, ...]:
    """Agents that call models in a fixed order and say so. The next call comes when the one
    before would have been served at once: an open loop, so that every policy sees the same."""
    rng = random.Random(seed)
    by_id = {row.id: row for row in rows}
    calls: list[Request] = []
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(rate_hz)) <= lasts_s:
        chain = rng.choice(_CHAINS)
        when = at_s
        for place, name in enumerate(chain):
            row = by_id[name]
            service_s = row.service_s * rng.uniform(0.5, 1.5)
            calls.append(Request(0, name, row.latency, when, service_s, next=chain[place + 1 :]))
            when += service_s + rng.uniform(0.2, 2.0)
    calls.sort(key=lambda request: request.at_s)
    for number, request in enumerate(calls):
        request.id = number
    return tuple(calls)
