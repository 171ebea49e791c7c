"""Whether a written sentence is supported by a stretch of its source: every answer passes this.

The stretch is one sentence, or one with the sentence that it leans on (`words.stretches`): a date
of one sentence and the subject of another make a claim that nobody made. All of these must hold:
numbers and dates of the sentence stand in the stretch; so do its names, and every word that it
took from the question; enough of its other words do; negation and places agree. The graph checks
besides that the two are near in meaning (a cosine). A sentence that fails is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from graphs.grounding.evidence import fitted, match
from graphs.grounding.quantities import is_number_word, quantities
from graphs.grounding.words import STOP_WORDS, content_stems, names, script, stem, tokens

_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|\w+n['’]t|fail(?:ed|s)?|"
    r"refus(?:ed|es)|reject(?:ed|s)|den(?:ied|ies))\b|नहीं|\bन\b|मत|बिना",
    re.I,
)
# Words that say where or when: "near the hall" is not "in the hall". The first three are one.
_RELATIONS = dict.fromkeys(("in", "at", "inside"), "in") | {
    word: word
    for word in """near behind beside before after until till since above below under over outside
    opposite between against from to""".split()
}


@dataclass(frozen=True)
class Support:
    """Why a sentence stands or falls; `reason` is empty when it stands. `coverage` is the share
    of its words that the stretch holds."""

    holds: bool
    reason: str
    coverage: float


def supported(
    sentence: str, stretch: str, *, context: str = "", asked: Collection[str] = ()
) -> Support:
    """Check one sentence against one stretch. `context` (heading, source, speaker, the question
    that the stretch replies to) may lend names and words, but no numbers. `asked`: stems of the
    question's words, which a model is prone to repeat whatever the source says."""
    says, has = quantities(sentence), quantities(stretch)
    held = content_stems(stretch)
    around = [*held, *content_stems(context)]
    spelled = {stem(word) for word in tokens(sentence) if is_number_word(word)}
    wanted = [term for term in content_stems(sentence) if term not in spelled]
    share = sum(match(term, held) for term in wanted) / len(wanted) if wanted else 1.0

    def verdict(reason: str) -> Support:
        return Support(not reason, reason, share)

    if not wanted and not says.numbers:
        return verdict("it says nothing")
    if says.numbers - has.numbers:
        return verdict(f"number not in the source: {min(says.numbers - has.numbers):g}")
    if says.dates - has.dates:
        return verdict("date not in the source")
    if says.weekdays - has.weekdays or says.months - has.months:
        return verdict("day or month not in the source")
    # A sentence's first word may be a name too; an ordinary word there only costs a draft.
    first = [stem(word) for word in tokens(sentence)[:1] if word.casefold() not in STOP_WORDS]
    absent = [
        name
        for name in (*first, *names(sentence))
        if name not in spelled and match(name, around) == 0
    ]
    if absent:
        return verdict(f"name not in the source: {absent[0]}")
    if parroted := [term for term in wanted if term in asked and match(term, around) == 0]:
        return verdict(f"the source does not say it of: {parroted[0]}")
    if bool(_NEGATION.search(sentence)) != bool(_NEGATION.search(stretch)) and share < 0.95:
        return verdict("one of the two is a negation")
    there, here = _relations(sentence), _relations(stretch)
    if moved := [term for term in there.keys() & here.keys() if there[term] != here[term]]:
        return verdict(f"another place or time: {there[moved[0]]} {moved[0]}")
    same_script = script("".join(wanted)) == script("".join(held))
    known = sum(match(term, around) for term in wanted)
    if same_script and known < fitted().support_coverage * len(wanted):
        return verdict("too few of its words are in the source")
    return verdict("")


def _relations(text: str) -> dict[str, str]:
    """Stem of a content word → the relation word before it ("near the old *hall*")."""
    found: dict[str, str] = {}
    relation = ""
    for word in tokens(text):
        folded = word.casefold()
        if folded in _RELATIONS:
            relation = _RELATIONS[folded]
        elif folded not in STOP_WORDS:
            if relation:
                found.setdefault(stem(word), relation)
            relation = ""
    return found
