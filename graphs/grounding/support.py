"""Whether a written sentence is supported by a passage: the check every answer passes.

All of these must hold: numbers and dates of the sentence stand in the passage; so do its names;
enough of its words do; negation agrees; and the two are near in meaning (cosine from the
embedding model). A sentence that fails is dropped by the graph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphs.grounding.evidence import fitted, match
from graphs.grounding.quantities import is_number_word, quantities
from graphs.grounding.words import STOP_WORDS, content_stems, names, script, stem, tokens

_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|\w+n['’]t|fail(?:ed|s)?|"
    r"refus(?:ed|es)|reject(?:ed|s)|den(?:ied|ies))\b|नहीं|\bन\b|मत|बिना",
    re.I,
)


@dataclass(frozen=True)
class Support:
    """Why a sentence stands or falls; `reason` is empty when it stands."""

    holds: bool
    reason: str
    coverage: float
    cosine: float


def supported(sentence: str, passage: str, cosine: float, context: str = "") -> Support:
    """Check one sentence against one passage; `context` (source, heading, speaker, question)
    may lend names but no numbers."""
    limits = fitted()
    says, has = quantities(sentence), quantities(passage)
    held = content_stems(passage)
    spelled = {stem(word) for word in tokens(sentence) if is_number_word(word)}
    wanted = [term for term in content_stems(sentence) if term not in spelled]
    share = sum(match(term, held) for term in wanted) / len(wanted) if wanted else 1.0

    def verdict(reason: str) -> Support:
        return Support(not reason, reason, share, cosine)

    if not wanted and not says.numbers:
        return verdict("it says nothing")
    if says.numbers - has.numbers:
        return verdict(f"number not in the source: {min(says.numbers - has.numbers):g}")
    if says.dates - has.dates:
        return verdict("date not in the source")
    if says.weekdays - has.weekdays or says.months - has.months:
        return verdict("day or month not in the source")
    around = [stem(word) for word in tokens(f"{passage}\n{context}")]
    # A sentence's first word may be a name too; an ordinary word there only costs a draft.
    first = [stem(word) for word in tokens(sentence)[:1] if word.casefold() not in STOP_WORDS]
    absent = [
        name
        for name in (*first, *names(sentence))
        if name not in spelled and match(name, around) == 0
    ]
    if absent:
        return verdict(f"name not in the source: {absent[0]}")
    if bool(_NEGATION.search(sentence)) != bool(_NEGATION.search(passage)) and share < 0.95:
        return verdict("one of the two is a negation")
    same_script = script("".join(wanted)) == script("".join(held))
    if same_script and share < limits.support_coverage:
        return verdict("too few of its words are in the source")
    if cosine < limits.support_cosine:
        return verdict("its meaning is not near the source's")
    return verdict("")
