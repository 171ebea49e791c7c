"""What recall says to the chat model, and the fixed phrases of its answers."""

from __future__ import annotations

DRAFT_SYSTEM = (
    "You answer questions from evidence. Use only the evidence. Answer in one short, complete "
    "sentence. Keep numbers, names and dates exactly as they are written."
)
DRAFT_USER = "Evidence:\n{evidence}\n\nQuestion: {question}\nAnswer:"

_PHRASES = {
    "en": {
        "nothing": "I found nothing in '{corpus}' that answers this.",
        "looked_for": "I looked for: {terms}.",
        "empty": "The corpus '{corpus}' holds nothing yet.",
        "page": "page {page}",
        "said_at": "In {source}, at {time}: {quote}",
        "said_on": "In {source}, {page}: {quote}",
        "said_in": "In {source}: {quote}",
    },
    "hi": {
        "nothing": "'{corpus}' में इसका उत्तर नहीं मिला।",
        "looked_for": "मैंने ये खोजा: {terms}।",
        "empty": "'{corpus}' अभी खाली है।",
        "page": "पृष्ठ {page}",
        "said_at": "{source} में, {time} पर: {quote}",
        "said_on": "{source}, {page}: {quote}",
        "said_in": "{source} में: {quote}",
    },
}


def phrase(key: str, language: str, **values: object) -> str:
    """A fixed phrase in a language (English where there is none)."""
    return _PHRASES.get(language, _PHRASES["en"])[key].format(**values)


def clock(seconds: float) -> str:
    """A time code: 1:05, 1:02:03."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def spoken_clock(seconds: float, language: str) -> str:
    """A time code as one says it."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    units = (
        (("घंटे", "घंटे"), ("मिनट", "मिनट"), ("सेकंड", "सेकंड"))
        if language == "hi"
        else (("hour", "hours"), ("minute", "minutes"), ("second", "seconds"))
    )
    parts = [
        f"{value} {unit[0] if value == 1 else unit[1]}"
        for value, unit in zip((hours, minutes, second), units, strict=True)
        if value
    ]
    return " ".join(parts) or f"0 {units[2][1]}"
