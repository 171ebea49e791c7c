"""Which script a text is written in, and the language that this script suggests."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

# first and last code point -> language that is most often written with it
_BLOCKS: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "en"),
    (0x0600, 0x06FF, "ur"),
    (0x0750, 0x077F, "ur"),
    (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"),
    (0x0A00, 0x0A7F, "pa"),
    (0x0A80, 0x0AFF, "gu"),
    (0x0B00, 0x0B7F, "or"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0C00, 0x0C7F, "te"),
    (0x0C80, 0x0CFF, "kn"),
    (0x0D00, 0x0D7F, "ml"),
)
# One script, several languages: words that only the rarer one uses
_MARATHI = re.compile(r"(?<!\S)(आहे|आहेत|आणि|नाही|होते|होती|केले|करण्यात)(?![ऀ-ॣॱ-ॿ])")
_ASSAMESE = re.compile("[\u09f0\u09f1]")  # its own ra and wa


def script_language(text: str) -> str | None:
    """The language (ISO 639-1) of the script that most letters of `text` belong to; None without
    letters or for a script that is not known here. Latin counts as English: this is a guess by
    script alone."""
    counts = Counter(language for char in text if (language := _language_of(char)) is not None)
    if not counts:
        return None
    best = counts.most_common(1)[0][0]
    if best == "hi" and _MARATHI.search(text):
        return "mr"
    if best == "bn" and _ASSAMESE.search(text):
        return "as"
    return best


def _language_of(char: str) -> str | None:
    if unicodedata.category(char)[0] not in "LM":
        return None
    code = ord(char)
    return next((language for low, high, language in _BLOCKS if low <= code <= high), None)
