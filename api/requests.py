"""What is wrong with a request is said before any model loads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from api.schemas import Ask, Index
from model_host.catalog.languages import NAMES, nearest_language
from model_host.catalog.load import choose
from model_host.errors import InvalidInput, UnknownName
from tools.synthesize import card_with_voice

if TYPE_CHECKING:
    from model_host.client import Client


def check_ask(request: Ask, client: Client) -> str | None:
    """The card that has the wanted voice, if one is wanted.

    Raises UnknownName (language, voice, model; with the nearest), InvalidInput (a model for
    something else, a file that is not there or cannot be written)."""
    check_language(request.language, client)
    if request.model is not None:
        choose(client.catalog, client.profile, "chat", model=request.model)
    if request.audio is not None:
        check_readable(request.audio)
        choose(client.catalog, client.profile, "transcribe", language=request.language)
    if request.speak is not None:
        check_writable(request.speak)
    return None if request.voice is None else card_with_voice(client, request.voice)


def check_index(request: Index, client: Client) -> None:
    """Raises UnknownName (language)."""
    check_language(request.language, client)


def check_language(language: str | None, client: Client) -> None:
    """Raises UnknownName for a code that neither the catalog nor we know."""
    known = {code for card in client.catalog.cards.values() for code in card.languages} | {*NAMES}
    if language is None or language in known:
        return
    nearest = nearest_language(language, known)
    raise UnknownName(
        f"There is no language called '{language}'.",
        why=f"Did you mean '{nearest}'?" if nearest else "",
        fix=f"Known, among others: {', '.join(sorted(NAMES))}.",
        kind="language",
        name=language,
        nearest=nearest,
    )


def check_readable(path: Path) -> None:
    """Raises InvalidInput when there is no file to read."""
    if os.path.isdir(path):
        raise InvalidInput(f"{path} is a folder.", fix="Name a file.")
    if not os.path.exists(path):
        raise InvalidInput(f"There is no file {path}.", fix="Check the name.")
    if not os.access(path, os.R_OK):
        raise InvalidInput(f"The file {path} cannot be read.", why="Permission denied.")


def check_writable(path: Path) -> None:
    """Raises InvalidInput when no file can be written there; missing folders can be made."""
    why = ""
    nearest = path if path.exists() else next(p for p in path.parents if p.exists())
    if path.is_dir():
        why = "It is a folder."
    elif nearest != path and not nearest.is_dir():
        why = f"{nearest} is not a folder."
    elif not os.access(nearest, os.W_OK):
        why = f"{nearest}: permission denied."
    if why:
        raise InvalidInput(
            f"The file {path} cannot be written.", why=why, fix="Choose another place."
        )
