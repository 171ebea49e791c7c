from __future__ import annotations

from typing import Any

import pytest

from model_host.catalog.load import Profile
from model_host.client import Reply
from model_host.errors import InvalidInput
from model_host.tasks import Translate, Translated
from tools.translate import offered, translate


class FakeTranslator:
    async def run(self, request: Translate, **_: object) -> Reply:
        text = f"{request.text} ({request.source} to {request.target})"
        return Reply(Translated(text=text), [], "fake")


async def test_source_is_what_the_script_tells() -> None:
    client: Any = FakeTranslator()
    found = await translate(client, "नमस्ते", "en")
    assert found == ("नमस्ते (hi to en)", "hi", "en", "fake")


async def test_nothing_to_translate() -> None:
    client: Any = FakeTranslator()
    with pytest.raises(InvalidInput):
        await translate(client, " ", "en")


@pytest.mark.parametrize(("serves", "there"), [({}, False), ({"translate": ("m2m",)}, True)])
def test_offered_where_the_profile_has_a_model(serves: dict[str, Any], there: bool) -> None:
    assert offered(Profile(name="p", serves=serves)) is there
