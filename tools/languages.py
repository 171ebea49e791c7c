"""Which language a text is written in, as far as its script tells."""

from __future__ import annotations

import unicodedata
from collections import Counter

# the Unicode name of a letter starts with its script's; the language is the likeliest one
_BY_SCRIPT = {
    "LATIN": "en",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "GURMUKHI": "pa",
    "GUJARATI": "gu",
    "ORIYA": "or",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
}
_ASSAMESE_LETTERS = "\u09f0\u09f1"  # ra and wa with the shapes that Bengali does not have


def guess_language(text: str, default: str = "en") -> str:
    """ISO 639-1 code of the commonest script. Marathi and Konkani look like Hindi here."""
    if any(letter in text for letter in _ASSAMESE_LETTERS):
        return "as"
    scripts = Counter(
        unicodedata.name(character, "").partition(" ")[0]
        for character in text
        if character.isalpha()
    )
    for script, _ in scripts.most_common():
        if script in _BY_SCRIPT:
            return _BY_SCRIPT[script]
    return default
