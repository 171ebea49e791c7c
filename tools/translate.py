"""Translation. Offered where the profile has a model for it; the starter profile has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, Field

from model_host.errors import InvalidInput
from model_host.tasks import Latency, Translate, Translated
from tools.languages import guess_language

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from model_host.catalog.load import Profile
    from model_host.client import Client


class Translation(NamedTuple):
    text: str
    source: str
    target: str
    model: str


def offered(profile: Profile) -> bool:
    """True when the profile names a model for translation."""
    return bool(profile.serves.get(Translate.task))


async def translate(
    client: Client,
    text: str,
    target: str,
    *,
    source: str | None = None,
    model: str | None = None,
    latency: Latency = "interactive",
) -> Translation:
    """`text` in the language `target` (ISO 639-1). Without `source` the script decides.

    Raises InvalidInput (empty), UnknownName (language, model), ModelMissing (no such model in
    the profile) and what the host raises."""
    if not text.strip():
        raise InvalidInput("There is nothing to translate.", fix="Give a text.")
    source = source or guess_language(text)
    request = Translate(text=text, source=source, target=target)
    reply = await client.run(request, model=model, latency=latency)
    assert isinstance(reply.result, Translated)
    return Translation(reply.result.text, source, target, reply.card_id)


class TranslateArgs(BaseModel):
    text: str = Field(description="What to translate.")
    target: str = Field(description="ISO 639-1 code of the wanted language (kok for Konkani).")
    source: str | None = Field(None, description="The text's language, if known.")


def build_tool(client: Client, folder: Path) -> BaseTool:
    """The LangChain tool; the artifact is the Translation. `folder` is not used."""
    from langchain_core.tools import StructuredTool

    async def run(text: str, target: str, source: str | None = None) -> tuple[str, Translation]:
        found = await translate(client, text, target, source=source)
        return found.text, found

    return StructuredTool.from_function(
        coroutine=run,
        name="translate",
        description="Translate a text into another language.",
        args_schema=TranslateArgs,
        response_format="content_and_artifact",
    )
