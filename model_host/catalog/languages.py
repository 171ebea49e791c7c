"""Language codes that people know by name: ISO 639-1, `kok` for Konkani."""

from __future__ import annotations

import difflib
from collections.abc import Collection

NAMES: dict[str, str] = {
    "as": "Assamese",
    "bn": "Bengali",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "gu": "Gujarati",
    "hi": "Hindi",
    "it": "Italian",
    "kn": "Kannada",
    "kok": "Konkani",
    "ml": "Malayalam",
    "mr": "Marathi",
    "or": "Odia",
    "pa": "Punjabi",
    "pt": "Portuguese",
    "ta": "Tamil",
    "te": "Telugu",
}


def nearest_language(wanted: str, known: Collection[str]) -> str | None:
    """The code of `known` that `wanted` (a name, a region like hi-IN, a misspelling) means."""
    base = wanted.lower().replace("_", "-").split("-")[0]
    if base in known:
        return base
    names = {NAMES[code].lower(): code for code in known if code in NAMES}
    for words, cutoff in ((list(names), 0.6), (sorted(known), 0.5)):
        if near := difflib.get_close_matches(base, words, n=1, cutoff=cutoff):
            return names.get(near[0], near[0])
    return None
