"""The tools by name; a tool's module is imported when it is built."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from model_host.errors import UnknownName

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from indexers.corpora import Corpus
    from model_host.catalog.load import Profile
    from model_host.client import Client

# name -> the task that it needs a model for; its module is `tools.<name>`
TOOLS = {
    "transcribe": "transcribe",
    "synthesize": "synthesize",
    "translate": "translate",
    "recall": "embed_text",
}


def build_tools(
    client: Client,
    *,
    folder: Path,
    profile: Profile,
    open_corpus: Callable[[str], Awaitable[Corpus]] | None = None,
    names: Iterable[str] | None = None,
) -> list[BaseTool]:
    """The LangChain tools that the profile has models for, or those of `names`.

    They read and write below `folder`; `recall` needs `open_corpus`, and is left out without it.
    Raises UnknownName."""
    wanted = (
        [n for n, task in TOOLS.items() if profile.serves.get(task)] if names is None else names
    )
    built: list[BaseTool] = []
    for name in wanted:
        if name not in TOOLS:
            raise UnknownName.among("tool", name, TOOLS)
        module = import_module(f"tools.{name}")
        if name != "recall":
            built.append(module.build_tool(client, folder))
        elif open_corpus is not None:
            built.append(module.build_tool(client, open_corpus))
    return built
