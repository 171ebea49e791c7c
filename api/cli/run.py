"""One call of a command: its flags, settings, output and model client."""

from __future__ import annotations

import asyncio
import inspect
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.failures import Terminated
from api.cli.output import Bars, Output

if TYPE_CHECKING:
    from api.backend import Backend
    from api.settings import Settings
    from model_host.catalog.load import Catalog, Profile
    from model_host.client import Client, Notice

Command = Callable[..., Coroutine[Any, Any, None]]

COMMON: dict[str, tuple[Any, object]] = {
    "json": (
        Annotated[bool, typer.Option("--json", help="Print the result as JSON, and it alone.")],
        False,
    ),
    "offline": (
        Annotated[bool | None, typer.Option("--offline", help="Never download anything.")],
        None,
    ),
    "home": (
        Annotated[Path | None, typer.Option(metavar="DIR", help="Data home.")],
        None,
    ),
    "models": (
        Annotated[Path | None, typer.Option(metavar="DIR", help="Model root (weights).")],
        None,
    ),
    "profile": (
        Annotated[str | None, typer.Option(metavar="NAME", help="Which models serve each task.")],
        None,
    ),
}


@dataclass(frozen=True)
class Run:
    """What a command gets. Settings and catalog are read when first asked for."""

    flags: dict[str, Any]
    out: Output

    @cached_property
    def settings(self) -> Settings:
        """Raises InvalidInput for a wrong setting."""
        from api.settings import load_settings

        return load_settings(self.flags)

    @cached_property
    def catalog(self) -> Catalog:
        from model_host.catalog.load import load_catalog

        return load_catalog(self.settings.host)

    @cached_property
    def profile(self) -> Profile:
        from model_host.catalog.load import load_profile

        return load_profile(self.settings.host, self.catalog)

    async def agree(self) -> None:
        """Raises InvalidInput when a running server, which does the work, was started with other
        settings than this command's flags ask for."""
        asked = {name: self.flags[name] for name in ("offline", "models", "profile")}
        if all(value is None for value in asked.values()):
            return
        from model_host.client import open_client
        from model_host.errors import InvalidInput, Unavailable

        try:
            async with open_client(self.settings.host, embedded=False) as client:
                status = await client.status()
        except Unavailable:
            return  # none is running
        host = self.settings.host
        differs = [
            f"--{name}"
            for name, same in (
                ("offline", status.offline),
                ("models", status.models_root == str(host.models_root)),
                ("profile", status.profile == host.profile),
            )
            if asked[name] is not None and not same
        ]
        if differs:
            raise InvalidInput(
                f"The running server was started without this {differs[0]}.",
                why=f"It does the work of every command (process {status.pid}).",
                fix="Leave the flag out, or stop the server first.",
            )

    @asynccontextmanager
    async def backend(self, bars: Bars | None = None) -> AsyncIterator[Backend]:
        """A running server's operations, else this process's own. Raises as `agree`."""
        from api.backend import open_backend

        await self.agree()
        on_notice = self.show(bars) if bars is not None else None
        async with open_backend(self.settings, on_notice=on_notice) as backend:
            yield backend

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """The model client; what it pulls or loads shows as bars on stderr. Raises as `agree`."""
        from model_host.client import open_client

        await self.agree()
        with self.out.bars() as bars:
            async with open_client(self.settings.host, on_notice=self.show(bars)) as client:
                yield client

    def show(self, bars: Bars) -> Callable[[Notice], None]:
        """A listener that draws what the host pulls and loads."""
        return lambda notice: _show(bars, notice)


def _show(bars: Bars, notice: Notice) -> None:
    if notice.kind == "pulling":
        name = f"pulling {notice.card_id}"
        bars.update(name, notice.done_bytes, notice.total_bytes or None, unit="bytes")
    else:
        done = notice.kind == "loaded"
        bars.update(f"loading {notice.card_id}", int(done), 1 if done else None)


def new_app() -> typer.Typer:
    """A group of commands, drawn like all the others."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


def add_command(app: typer.Typer, function: Command, name: str) -> None:
    """Register `async def f(run: Run, ...)` with the common flags added to its own."""
    app.command(name, help=inspect.getdoc(function))(_with_common_flags(function))


def add_default(app: typer.Typer, function: Command) -> None:
    """Register what a group of commands does when none of them is named."""
    call = _with_common_flags(function, default=True)
    app.callback(invoke_without_command=True, help=inspect.getdoc(function))(call)


def _with_common_flags(function: Command, *, default: bool = False) -> Callable[..., None]:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    parameters = [
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own),
        *(_keyword(name, hint, value) for name, (hint, value) in COMMON.items()),
    ]
    if default:
        parameters.append(_keyword("ctx", typer.Context, inspect.Parameter.empty))

    def call(**given: Any) -> None:
        ctx = given.pop("ctx", None)
        if ctx is not None and ctx.invoked_subcommand:
            return
        flags = {name: given.pop(name) for name in COMMON}
        out = Output(as_json=flags.pop("json"))
        run_async(function(Run(flags, out), **given))

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {}
    return call


def _keyword(name: str, hint: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)


def run_async(work: Coroutine[Any, Any, None]) -> None:
    """Run it to the end. Ctrl-C and SIGTERM cancel it, so that its `async with` blocks close."""

    async def guarded() -> None:
        task = asyncio.current_task()
        terminated = False

        def stop() -> None:
            nonlocal terminated
            terminated = True
            if task is not None:
                task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        try:
            await work
        except asyncio.CancelledError:
            if terminated:
                raise Terminated from None
            raise

    asyncio.run(guarded())
