"""What a question asks for: its content words, names, numbers and the kind of answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from graphs.grounding.quantities import Quantities, quantities
from graphs.grounding.words import content_stems, names, script, tokens

# `moment`: not what happened when, but when it was said; any passage about the matter tells.
Wants = Literal[
    "number",
    "money",
    "time",
    "person",
    "duration",
    "often",
    "place",
    "reason",
    "moment",
    "anything",
]

# The match that begins first wins ("*What* was said *when* …" asks for no time), of two that begin
# together the one listed first. Patterns are tried on the lower-cased question.
_MEETING = (
    r"meeting|call|interview|talk|recording|video|audio|training|lecture|podcast|session|speech"
)
_ASKING = r"(?:who|whose|what|which|when|where|why|how)\b"
_PRICE = "costs?|prices?|budget|fees?|fare|rent|salary|wages?|pay|amount|fine|sum|rate|dividend|loan|grant"
_WANTS: tuple[tuple[Wants, str], ...] = (
    ("moment", rf"\b(?:when|at (?:what|which) (?:point|moment|time|second|minute)|where)\b.*"
               rf"(?:\b(?:in|during) the (?:[\w'’-]+ ){{0,4}}(?:{_MEETING})\b|"
               r"\b(?:say|says|said|talks?|talked|tells?|told|mentions?|mentioned|discuss(?:es|ed)?|"
               r"speaks?|spoke|complains?|brings? up|brought up|comes? up|gets? to)\b)|"
               r"कब .*(?:कहा|बोल|बात|चर्चा|ज़िक्र)"),
    ("often", r"\bhow (?:often|frequently|regularly)\b|\bhow many times an? \w+|कितनी बार"),
    ("money", rf"\bhow much (?:money|did .* cost|does .* cost|was (?:sanctioned|approved|paid|spent|"
              rf"allotted|allocated|given|raised|collected|set aside))|^(?!{_ASKING})(?:[\w'’-]+ ){{0,5}}(?:{_PRICE})\b|"
              rf"\b(?:what|which|how much)\b(?: (?!{_ASKING})[\w'’-]+){{0,6}} (?:{_PRICE}|rupees)\b|"
              r"कितन\S* (?:रुप|पैस|राशि|खर्च|बजट|लागत|का |की |जुर्मान)|"
              r"(?:लागत|बजट|राशि|कीमत|शुल्क|खर्च|जुर्मान)\S* .*(?:कितन|क्या)|kitn\w* (?:rupa|rupe|paise|paisa)"),
    ("duration", r"\bhow long\b|\bhow many (?:seconds|minutes|hours|days|weeks|months|years)\b|"
                 r"कितन\S* (?:समय|देर|दिन|घंट|मिनट|महीन|साल|वर्ष)|kitn\w* (?:din|ghante|der)"),
    ("number", r"\bhow (?:many|much|far|tall|old|big|large|wide|deep|high|heavy|fast)\b|"
               r"\bwhat (?:percentage|percent|share|fraction|age)\b|\b(?:what|which)\b(?: [\w-]+){0,3} numbers?\b|\bnumber of\b|कितन|नंबर|kitn"),
    ("time", r"\bwhen\b|\bwhat (?:time|date|day|month|year)\b|\bwhich (?:date|day|month|year)\b|"
             r"\b(?:by|from|until|till|at) (?:what|which) (?:time|date|day)\b|\bdeadline\b|"
             r"कब|किस (?:दिन|तारीख|समय|महीने|साल|वर्ष)|कितने बजे|\bkab\b"),
    ("person", r"\bwho(?:se|m)?\b|\bwhich (?:person|member|resident|engineer|teacher|student|speaker)\b|"
               r"कौन|किसने|किसके|किसकी|किसको|\bkaun\b|\bkisne\b"),
    ("place", r"\bwhere\b|\bwhich (?:place|village|town|city|hall|room|street|spot|building)\b|"
              r"कहाँ|कहां|\bkahan?\b"),
    ("reason", r"\bwhy\b|\bwhat (?:was|is) the (?:main )?reason\b|\bwhat (?:made|caused)\b|क्यों|\bkyo[nu]\b"),
    ("anything", r"\b(?:what|which|how)\b|क्या|कैसे|किस"),
)  # fmt: skip
_WITHIN = re.compile(rf"\b(?:in|during) the (?:[\w'’-]+ ){{0,4}}(?:{_MEETING})\b", re.I)
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
    wants = _wants(folded)
    # "in the committee meeting" names the source; it is not what is asked about
    stems = content_stems(_WITHIN.sub(" ", text) if wants == "moment" else text)
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
        wants=wants,
        on_screen=bool(_ON_SCREEN.search(text)),
        spoken=bool(_SPOKEN.search(text)),
    )


def _wants(folded: str) -> Wants:
    found = [(match.start(), place) for place, (_, rule) in enumerate(_WANTS)
             if (match := re.search(rule, folded))]  # fmt: skip
    return _WANTS[min(found)[1]][0] if found else "anything"
