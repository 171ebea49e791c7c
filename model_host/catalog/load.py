"""The catalog: every card that this installation knows, and which of them serves what."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from model_host.catalog.card import ArchiveSource, Card, HubSource, PathSource
from model_host.catalog.languages import NAMES, nearest_language
from model_host.errors import InvalidInput, ModelMissing, SutradharError, UnknownName, first_problem
from model_host.settings import HostSettings

SHIPPED = Path(__file__).parent
SHIPPED_PROFILES = SHIPPED / "profiles"

Model = TypeVar("Model", bound=BaseModel)


class Catalog(BaseModel):
    """All cards by id."""

    model_config = ConfigDict(frozen=True)

    cards: dict[str, Card]

    def get(self, card_id: str) -> Card:
        """Raises UnknownName, with the nearest id."""
        card = self.cards.get(card_id)
        if card is None:
            raise UnknownName.among("model", card_id, self.cards)
        return card

    def for_task(self, task: str) -> list[Card]:
        return [card for card in self.cards.values() if card.task == task]


class Profile(BaseModel):
    """A named choice of cards: task -> card ids, best first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    serves: dict[str, tuple[str, ...]]


def load_catalog(settings: HostSettings) -> Catalog:
    """The shipped cards and those in `settings.catalog_dirs`, each `<task>/<id>.toml`.

    Raises InvalidInput for the first bad card: which file, which field, what is expected.
    """
    cards: dict[str, Card] = {}
    files: dict[str, Path] = {}
    for path in _card_files((SHIPPED, *settings.catalog_dirs)):
        card = _parse(path, Card, "card")
        for field, problem in _problems(card, path):
            raise _bad(path, "card", field, problem)
        if card.id in cards:
            problem = f"the id '{card.id}' is taken by {files[card.id]}; choose another"
            raise _bad(path, "card", "id", problem)
        cards[card.id] = card
        files[card.id] = path
    return Catalog(cards=cards)


def load_profile(settings: HostSettings, catalog: Catalog) -> Profile:
    """The profile that `settings` names, from `settings.profile_dirs` or else the shipped ones.

    Raises UnknownName when there is none of that name, InvalidInput when it is not valid.
    """
    paths: dict[str, Path] = {}
    for folder in (SHIPPED_PROFILES, *settings.profile_dirs):
        paths.update({path.stem: path for path in sorted(folder.glob("*.toml"))})
    path = paths.get(settings.profile)
    if path is None:
        raise UnknownName.among("profile", settings.profile, paths)
    profile = _parse(path, Profile, "profile")
    for task, ids in profile.serves.items():
        for card_id in ids:
            known = catalog.cards.get(card_id)
            if known is None:
                why = str(UnknownName.among("model", card_id, catalog.cards).why)
                raise _bad(path, "profile", f"serves.{task}", f"no card '{card_id}'. {why}".strip())
            if known.task != task:
                problem = f"'{card_id}' is a model for {known.task}"
                raise _bad(path, "profile", f"serves.{task}", problem)
    return profile


def choose(
    catalog: Catalog,
    profile: Profile,
    task: str,
    *,
    language: str | None = None,
    model: str | None = None,
    here: Callable[[Card], bool] = lambda card: True,
) -> Card:
    """The card that serves `task`: the one that `model` names, else the profile's first that knows
    `language` (ISO 639-1; kok for Konkani) and is `here`, or if none is, the first that knows it.

    Raises UnknownName for a model or language that nothing here knows, InvalidInput when `model`
    is for another task, ModelMissing when the profile has no model for the task.
    """
    if model is not None:
        card = catalog.get(model)
        if card.task != task:
            able = ", ".join(other.id for other in catalog.for_task(task)) or "none"
            raise InvalidInput(
                f"The model '{model}' is for {card.task}, not for {task}.",
                fix=f"Models for {task}: {able}.",
            )
        candidates = [card]
    else:
        candidates = [catalog.get(card_id) for card_id in profile.serves.get(task, ())]
    if not candidates:
        able = ", ".join(card.id for card in catalog.for_task(task)) or "none"
        raise ModelMissing(
            f"The profile '{profile.name}' has no model for {task}.",
            fix=f"Name a model yourself, or add one to the profile. Cards for {task}: {able}.",
        )
    able_ones = [card for card in candidates if card.speaks(language)]
    if able_ones:
        return next(filter(here, able_ones), able_ones[0])
    raise _unknown_language(task, str(language), candidates)


def _unknown_language(task: str, language: str, candidates: list[Card]) -> UnknownName:
    known = sorted({code for card in candidates for code in card.languages})
    nearest = nearest_language(language, known)
    listing = ", ".join(known[:40]) + (" …" if len(known) > 40 else "")
    name = f" ({NAMES[language]})" if language in NAMES else ""
    return UnknownName(
        f"No model that may serve {task} knows the language '{language}'{name}.",
        why=f"Did you mean '{nearest}'?" if nearest else "",
        fix=f"Known to {', '.join(card.id for card in candidates)}: {listing}.",
        kind="language",
        name=language,
        nearest=nearest,
    )


def _card_files(folders: tuple[Path, ...]) -> Iterator[Path]:
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInput(
                f"The catalog folder {folder} does not exist.",
                fix="Create it, or take it out of catalog_dirs.",
            )
        for path in sorted(folder.glob("*/*.toml")):
            if path.parent != SHIPPED_PROFILES:
                yield path


def _parse(path: Path, model: type[Model], kind: str) -> Model:
    try:
        body: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return model.model_validate(body)
    except ValidationError as error:
        field, problem = first_problem(error)
        raise _bad(path, kind, field or "(whole file)", problem) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad(path, kind, "(whole file)", f"not TOML: {error}") from None
    except OSError as error:
        raise _bad(path, kind, "(whole file)", f"cannot be read: {error.strerror}") from None


def _bad(path: Path, kind: str, field: str, problem: str) -> SutradharError:
    return InvalidInput(
        f"The {kind} {path} is not valid.",
        why=f"Field '{field}': {problem}.",
        fix="Correct the file or take it away.",
        file=str(path),
        field=field,
    )


def _problems(card: Card, path: Path) -> Iterator[tuple[str, str]]:
    """What pydantic cannot see: names that must agree with each other."""
    from model_host.catalog.engines import ENGINES
    from model_host.tasks import REQUESTS

    if card.task not in REQUESTS:
        yield "task", f"'{card.task}' is not a task; expected one of {', '.join(sorted(REQUESTS))}"
    if card.engine not in ENGINES:
        yield "engine", f"no engine '{card.engine}'; expected one of {', '.join(sorted(ENGINES))}"
    if path.parent.name != card.task:
        yield "task", f"the file lies in '{path.parent.name}/', expected '{card.task}/'"
    if path.stem != card.id:
        yield "id", f"expected the file's name, '{path.stem}'"
    names = [file.name for file in card.files]
    if len(set(names)) != len(names):
        yield "files", "a file is listed twice"
    if any(part in {".", ".."} for name in names for part in name.split("/")):
        yield "files", "a name must not leave the model's folder"
    for voice in card.voices:
        if voice.language not in card.languages:
            yield "voices", f"'{voice.id}' speaks '{voice.language}', not one of the languages"
    supplied: set[str] = set()
    for index, source in enumerate(card.sources):
        supplied |= set(names) if isinstance(source, PathSource) else set(source.files)
        yield from _source_problems(source, f"sources.{index}", names)
    if missing := sorted(set(names) - supplied):
        yield "sources", f"no source gives {', '.join(missing)}"


def _source_problems(
    source: HubSource | ArchiveSource | PathSource, field: str, names: list[str]
) -> Iterator[tuple[str, str]]:
    if isinstance(source, PathSource):
        return
    for name in source.files:
        if name not in names:
            yield f"{field}.files", f"'{name}' is not one of the card's files"
    if isinstance(source, ArchiveSource):
        for name, members in source.files.items():
            if not members:
                yield f"{field}.files.{name}", "expected at least one package:path/in/archive"
            for member in members:
                package, colon, inside = member.partition(":")
                if not colon or not inside or package not in source.packages:
                    problem = f"'{member}': expected package:path of one of the packages"
                    yield f"{field}.files.{name}", problem
