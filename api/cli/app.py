"""The root command on typer. Commands are stubs from `COMMANDS` until one is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from api.cli import COMMANDS


class LazyGroup(TyperGroup):
    """Knows its commands from `COMMANDS`; imports a command's module when it is called."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for name, line in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=line, rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, stub, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name and stub else stub, rest


def load_command(name: str) -> Any:
    """The command of module `api.cli.<name>`."""
    from api.cli.run import add_command, new_app

    module = import_module(f"api.cli.{name}")
    app = getattr(module, "app", None)
    if app is None:
        app = new_app()
        add_command(app, module.command, name)
    return get_command(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"sutradhar {version('sutradhar')}")
        raise typer.Exit


app = typer.Typer(
    name="sutradhar",
    cls=LazyGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ask your recordings, videos and documents; hear answers that name source and second.",
    epilog="Exit codes and every flag: docs/cli.md.",
)


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    pass
