"""What a question asks for: its content words, names, numbers and the kind of answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from graphs.grounding.quantities import Quantities, quantities
from graphs.grounding.words import content_stems, names, script, tokens

Wants = Literal["number", "money", "time", "person", "duration", "anything"]

# First match wins; patterns are tried on the lower-cased question.
_WANTS: tuple[tuple[Wants, str], ...] = (
    ("money", r"\bhow much (?:money|did .* cost|does .* cost|was (?:sanctioned|approved|paid|spent|"
              r"allotted|allocated|given|raised|collected))|\b(?:cost|price|budget|fee|fare|rent|salary|"
              r"amount|fine|sum)\b.*\?|\b(?:what|how much)\b.*\b(?:cost|price|budget|fee|amount|rupees)\b|"
              r"कितन\S* (?:रुप|पैस|राशि|खर्च|बजट|लागत)|(?:लागत|बजट|राशि|कीमत|शुल्क|खर्च)\S* .*(?:कितन|क्या)|"
              r"kitn\w* (?:rupa|rupe|paise|paisa)"),
    ("duration", r"\bhow long\b|\bhow many (?:seconds|minutes|hours|days|weeks|months|years)\b|"
                 r"कितन\S* (?:समय|देर|दिन|घंट|मिनट|महीन|साल|वर्ष)|kitn\w* (?:din|ghante|der)"),
    ("number", r"\bhow (?:many|much|far|tall|old|often|big|large|wide|deep|high|heavy|fast)\b|"
               r"\bwhat (?:percentage|percent|share|fraction|age)\b|\bnumbers?\b|कितन|नंबर|kitn"),
    ("time", r"\bwhen\b|\bwhat (?:time|date|day|month|year)\b|\bwhich (?:date|day|month|year)\b|"
             r"\b(?:by|from|until|till|at) (?:what|which) (?:time|date|day)\b|\bdeadline\b|"
             r"कब|किस (?:दिन|तारीख|समय|महीने|साल|वर्ष)|कितने बजे|\bkab\b"),
    ("person", r"\bwho(?:se|m)?\b|\bwhich (?:person|member|resident|engineer|teacher|student|speaker)\b|"
               r"कौन|किसने|किसके|किसकी|किसको|\bkaun\b|\bkisne\b"),
)  # fmt: skip
_ON_SCREEN = re.compile(r"\b(?:slides?|screen|shown|displayed|projected|on the board|chart|written)\b|"
                        r"स्लाइड|स्क्रीन|पर्दे", re.I)  # fmt: skip
_SPOKEN = re.compile(r"\b(?:say|said|says|saying|speaks?|spoke|spoken|told|mention\w*|announce\w*|"
                     r"recording|audio|talk|call)\b|कहा|बोल", re.I)  # fmt: skip
# Words about the medium or the asking, not about the matter.
_FRAME = frozenset(
    """slide slides screen video recording audio talk call document report file page shown
    speaker someone anyone anybody people person question answer explain describe detail details
    time date day number amount money name cost costs price pay pays paid fee worth spend spent
    year month old age long far point minute moment
    रुपये कीमत लागत समय तारीख दिन साल वर्ष संख्या नाम""".split()
)
# The noun that "how many", "which" or "what" asks about.
_HEAD = re.compile(r"\b(?:how many|how much|which|what|whose)\s+(?:of\s+(?:the\s+)?)?([\w'-]+)|"
                   r"(?:कितन\S*|किस|कौन\S*)\s+([\w\u0900-\u097f]+)", re.I)  # fmt: skip


@dataclass(frozen=True)
class Question:
    text: str
    language: str  # "hi" or "en": what the answer's frame is written in
    terms: tuple[str, ...]  # stems of content words, about the matter only
    frame_terms: tuple[str, ...]  # stems about medium or kind; matched, never required
    head: str  # stem of the noun asked about ("how many *jobs*"), or ""
    names: tuple[str, ...]
    quantities: Quantities
    wants: Wants
    on_screen: bool
    spoken: bool


def analyse(text: str, language: str | None = None) -> Question:
    """Read a question by rules; never fails. `language` overrides the one seen in the script."""
    folded = text.casefold()
    scripts = [script(word) for word in tokens(text)]
    seen = "hi" if scripts.count("devanagari") > scripts.count("latin") else "en"
    frame = set(content_stems(" ".join(sorted(_FRAME))))
    stems = content_stems(text)
    about = tuple(s for s in stems if s not in frame)
    named = _HEAD.search(text)
    noun = content_stems(next(filter(None, named.groups()), "")) if named else []
    return Question(
        text=text.strip(),
        language=language or seen,
        terms=about or tuple(stems),
        frame_terms=tuple(s for s in stems if s in frame and about),
        head=noun[0] if noun and noun[0] in about else "",
        names=tuple(names(text)),
        quantities=quantities(text),
        wants=next((wants for wants, rule in _WANTS if re.search(rule, folded)), "anything"),
        on_screen=bool(_ON_SCREEN.search(text)),
        spoken=bool(_SPOKEN.search(text)),
    )
