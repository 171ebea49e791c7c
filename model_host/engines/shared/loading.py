"""Loading a model: typed errors for a missing library, a missing file, a broken model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from model_host.catalog.card import Card
from model_host.errors import (
    EngineFailed,
    EngineMissing,
    InvalidInput,
    ModelMissing,
    SutradharError,
    first_problem,
)
from model_host.tasks import Request

R = TypeVar("R", bound=Request)
O = TypeVar("O", bound="Options")  # noqa: E741


class Options(BaseModel):
    """`[options]` of a card, as one engine understands them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls: type[O], card: Card) -> O:
        """Raises InvalidInput that names the card and the field."""
        try:
            return cls.model_validate(card.options)
        except ValidationError as error:
            field, problem = first_problem(error)
            raise InvalidInput(
                f"The card '{card.id}' has a bad option '{field}'.", why=f"{problem}."
            ) from error


@contextmanager
def loading(card: Card) -> Iterator[None]:
    """Around everything that a constructor does with a foreign library.

    Raises EngineMissing for an ImportError, EngineFailed for any other foreign error."""
    # OpenMP reads this when it is loaded. Threads that spin while they wait make llama.cpp ten
    # times slower as soon as another process wants the same core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        yield
    except SutradharError:
        raise
    except ImportError as error:
        raise EngineMissing(
            f"A library of the engine '{card.engine}' is not installed.",
            why=f"{error}.",
            fix="Run 'sutradhar doctor': it names the command that installs it.",
            engine=card.engine,
        ) from error
    except Exception as error:
        raise EngineFailed(
            f"The model '{card.id}' could not be loaded.",
            why=f"{type(error).__name__}: {error}",
            fix=f"If its files are damaged: 'sutradhar models rm {card.id}', then pull again.",
        ) from error


def weights(card: Card, folder: Path | None, suffix: str) -> Path:
    """The one weight file whose name ends with `suffix`. Raises ModelMissing."""
    found = sorted(folder.glob(f"*{suffix}")) if folder is not None else []
    if not found:
        raise ModelMissing(
            f"The model '{card.id}' has no file that ends with '{suffix}'.",
            fix=f"Pull it again: 'sutradhar pull {card.id}'.",
        )
    return found[0]


def expect(request: Request, kind: type[R]) -> R:
    """`request` as what the engine serves. Raises InvalidInput for another task."""
    if not isinstance(request, kind):
        raise InvalidInput(f"This model does '{kind.task}', not '{request.task}'.")
    return request


def onnx_session(path: Path, threads: int, *, arena: bool = False) -> Any:
    """A quiet onnxruntime session on the processor with at most `threads` threads.

    An `arena` keeps the most memory that any call took; Piper rests at 210 MB without one and at
    530 MB with, and is no slower. Kokoro's peak is lower with one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = arena
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
