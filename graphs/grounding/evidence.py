"""Which of the retrieved passages answers a question best, and whether it answers it at all.

Two small models over plain features, so that every verdict can be explained: a conditional logit
orders the passages of one question (McFadden 1974), a logistic regression on the features of the
best one gives the probability that it answers. `python -m benchmarks.evaluation.tune` fits both on
one generated world; they stand in `weights.json` with the figures reached there, and other worlds
score them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from graphs.grounding.quantities import quantities
from graphs.grounding.question import Question
from graphs.grounding.words import (
    STOP_WORDS,
    content_stems,
    likeness,
    names,
    script,
    sentences,
    stem,
    tokens,
)

RANKING = (
    "dense",  # cosine of question and passage (embedded with its heading and what came before)
    "dense_margin",  # above the median of what was retrieved
    "coverage",  # share of the question's content words in the passage, by rarity
    "context_coverage",  # the same with heading, source name, speaker and neighbours
    "names_missing",  # share of the question's names found in neither
    "numbers_missing",  # share of the question's numbers and dates found in neither
    "kind",  # the passage holds what is asked for (a number, a date, a person)
    "head",  # and the noun it is asked of ("how many *jobs*"), or replies to that noun
    "medium",  # a slide when a slide is asked for, speech when speech is
    "asks",  # the passage itself only asks
    "after_question",  # the passage follows one that asks …
    "inherited",  # … whose cosine it inherits,
    "inherited_coverage",  # … and whose shared words
    "across_dense",  # cosines count for more when question and passage differ in script,
    "across_coverage",  # and so do names that sound alike
    "rank",  # 1 / (1 + rank) in the fused retrieval
)
ANSWERING = (
    "dense",
    "coverage",
    "context_coverage",
    "unmatched",  # the weightiest content word of the question found nowhere around the passage
    "unmatched_share",  # the share of such words
    "head",
    "names_missing",
    "numbers_missing",
    "kind",
    "kindless",  # a figure is asked for, and the passage has none
    "across_dense",
    "across_coverage",
    "across",
    "lead",  # how far it leads the runner-up, on the ranking's scale
    "share",  # its share of the ranking's probability
)


SHORT_CHARS = 120  # a passage up to this long is quoted whole
# What a passage has that tells a place or a reason.
_TOLD = {
    "place": re.compile(
        r"\b(?:at|in|near|beside|behind|opposite|under|inside|outside|to|from|on|between)\s+"
        r"(?:the |a |an |our |my |old |new )*[^\W\d_]{3,}|में|पर|पास|पीछे|सामने", re.I
    ),
    "reason": re.compile(
        r"\b(?:because|since|due to|so that|so|reason|caus\w+|as|owing|therefore|otherwise|to avoid|"
        r"had been|was)\b|क्योंकि|इसलिए|कारण|ताकि", re.I
    ),
}  # fmt: skip
_HARD = ("number", "money", "duration", "time", "often")  # no answer is without one
_FIRST_PERSON = re.compile(r"\b(?:I|my|me|we|our|us)\b|मैं|मेर|हम", re.I)
COSINE_WORTH = 6.0  # of a cosine beside a share of words: cosines of one passage differ little


@dataclass(frozen=True)
class Passage:
    """What is judged: the text of a Moment and what stands around it."""

    text: str
    before: str = ""  # the passage before it in its source
    context: str = ""  # heading, source name, speaker, following text
    speaker: str = ""
    modality: str = "text"
    dense: float = 0.0
    rank: int = 0
    before_dense: float = 0.0  # cosine of question and `before`, where that was retrieved too


@dataclass(frozen=True)
class Verdict:
    """One passage: its place in the pool, its score on the ranking's scale, and why."""

    index: int
    score: float
    features: dict[str, float]


@dataclass(frozen=True)
class Judgement:
    """All passages, best first, and the probability that the best one answers.

    `weights` is how rare each term of the question is in the pool."""

    verdicts: tuple[Verdict, ...]
    probability: float
    weights: dict[str, float]
    why: dict[str, float]  # features of the answer model


class Fitted(BaseModel):
    """What was fitted: two linear models, and the thresholds of answering and of support."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ranking: dict[str, float]
    answering: dict[str, float]
    answering_bias: float
    answer_at: float  # below this probability the graph abstains
    second_within: float  # a second passage is cited when its score is this near to the best
    support_coverage: float  # share of a sentence's words that its stretch must hold
    support_cosine: float  # cosine of a sentence and its stretch
    figures: dict[str, float] = {}  # what the fit reached on the tuning world


@cache
def fitted() -> Fitted:
    """The fitted models of `weights.json`."""
    text = resources.files("graphs.grounding").joinpath("weights.json").read_text("utf-8")
    return Fitted.model_validate_json(text)


def judge(question: Question, pool: Sequence[Passage]) -> Judgement:
    """Order a pool of passages and say whether the best one answers; an empty pool does not."""
    if not pool:
        return Judgement((), 0.0, {}, {})
    model = fitted()
    weights = rarity(question, pool)
    verdicts = []
    for index, passage in enumerate(pool):
        features = measure(question, passage, pool, weights)
        score = sum(model.ranking.get(name, 0.0) * features[name] for name in RANKING)
        verdicts.append(Verdict(index, score, features))
    verdicts.sort(key=lambda verdict: -verdict.score)
    why = answering_features(question, verdicts, pool, weights)
    z = model.answering_bias + sum(model.answering.get(name, 0.0) * why[name] for name in ANSWERING)
    # A question without matter ("Is it so?") is answered by nothing.
    probability = 1 / (1 + math.exp(-max(-30.0, min(30.0, z)))) if question.terms else 0.0
    return Judgement(tuple(verdicts), probability, weights, why)


def answering_features(
    question: Question,
    verdicts: Sequence[Verdict],
    pool: Sequence[Passage],
    weights: dict[str, float],
) -> dict[str, float]:
    """Features of the best passage, seen against the others (`verdicts` best first)."""
    best = verdicts[0]
    passage = pool[best.index]
    stems = content_stems(f"{passage.text}\n{passage.before}\n{passage.context}")
    most = max(weights.values(), default=1.0)
    gaps = [weights[term] / most * (1 - match(term, stems)) for term in question.terms]
    scale = sum(math.exp(verdict.score - best.score) for verdict in verdicts)
    lead = best.score - verdicts[1].score if len(verdicts) > 1 else 3.0
    across = best.features["across"]
    return {
        **{name: best.features[name] for name in ANSWERING if name in best.features},
        "unmatched": max(gaps, default=0.0) * (1 - across),
        "unmatched_share": sum(gaps) / max(1, len(gaps)) * (1 - across),
        "kindless": float(question.wants in _HARD and best.features["kind"] < 0.5),
        "lead": min(lead, 3.0),
        "share": 1 / scale,
    }


def match(term: str, stems: Sequence[str]) -> float:
    """The best likeness of a term among stems, 0 to 1."""
    best = 0.0
    for other in stems:
        best = max(best, likeness(term, other))
        if best == 1.0:
            break
    return best


def rarity(question: Question, pool: Sequence[Passage]) -> dict[str, float]:
    """A weight for each term of the question: rare in the pool of retrieved passages weighs more.

    Inverse document frequency over the pool (Spärck Jones 1972), smoothed."""
    stems = [content_stems(passage.text) for passage in pool]
    weights: dict[str, float] = {}
    for term in question.terms:
        seen = sum(match(term, words) for words in stems)
        weights[term] = math.log(1 + (len(pool) + 1) / (1 + seen))
    return weights


def coverage(question: Question, text: str, weights: dict[str, float]) -> float:
    """Share of the question's terms (by weight) that a text holds, fuzzily, 0 to 1."""
    stems = content_stems(text)
    total = sum(weights.get(term, 1.0) for term in question.terms)
    if not total:
        return 0.0
    found = sum(weights.get(term, 1.0) * match(term, stems) for term in question.terms)
    return found / total


def holds_kind(question: Question, text: str, speaker: str = "") -> float:
    """1 when the text holds something of the kind asked for that the question did not say. Who
    speaks of "I" is a person, too."""
    said = question.quantities
    has = quantities(text)
    fresh_numbers = has.numbers - said.numbers - {1.0}  # "one report", "एक रिपोर्ट": an article
    if question.wants in ("anything", "moment"):
        return 0.5
    if question.wants in ("place", "reason"):
        return 1.0 if _TOLD[question.wants].search(text) else 0.3
    if question.wants == "money":
        bare = any(number >= 100 for number in fresh_numbers)
        return (
            1.0 if fresh_numbers and has.money else 0.6 if bare else 0.2 if fresh_numbers else 0.0
        )
    if question.wants == "number":
        return 1.0 if fresh_numbers else 0.6 if has.part else 0.0
    if question.wants == "often":
        return 1.0 if has.often else 0.3 if fresh_numbers else 0.0
    if question.wants == "duration":
        return 1.0 if has.duration and fresh_numbers else 0.3 if fresh_numbers else 0.0
    if question.wants == "time":
        fresh = has.dates - said.dates or has.weekdays - said.weekdays or has.months - said.months
        return 1.0 if fresh or has.clock or any(1900 < n < 2100 for n in fresh_numbers) else 0.2
    known = set(question.names) | set(question.terms)
    if any(name not in known for name in names(text)):
        return 1.0
    if _FIRST_PERSON.search(text) and any(stem(word) not in known for word in tokens(speaker)):
        return 1.0
    first = tokens(text)[:1]
    if first and first[0][:1].isupper() and first[0].casefold() not in STOP_WORDS:
        return 0.7 if stem(first[0]) not in known else 0.0
    return 0.5 if first and script(first[0]) not in ("latin", "digit") else 0.0


def measure(
    question: Question, passage: Passage, pool: Sequence[Passage], weights: dict[str, float]
) -> dict[str, float]:
    """The features of one passage, each about 0 to 1; `weights` is the pool's `rarity`."""
    around = f"{passage.text}\n{passage.before}\n{passage.context}"
    stems = [stem(word) for word in tokens(around)]
    has = quantities(around)
    asked = question.quantities
    asked_numbers = {n for n in asked.numbers if n > 12 or n != int(n)}
    wanted = len(asked_numbers) + len(asked.dates)
    found = sum(n in has.numbers for n in asked_numbers) + sum(d in has.dates for d in asked.dates)
    across = float(main_script(question.text) != main_script(passage.text))
    after_question = float(asks(passage.before))
    return {
        "dense": passage.dense,
        "dense_margin": passage.dense - _median([other.dense for other in pool]),
        "coverage": coverage(question, passage.text, weights) * (1 - across),
        "context_coverage": coverage(question, around, weights) * (1 - across),
        "names_missing": _missing(question.names, stems) * (1 - across),
        "numbers_missing": 1 - found / wanted if wanted else 0.0,
        "kind": holds_kind(question, passage.text, passage.speaker),
        "head": _head(question, passage) * (1 - across),
        "medium": _medium(question, passage.modality),
        "asks": float(asks(passage.text)),
        "after_question": after_question,
        "inherited": after_question * max(0.0, passage.before_dense - 0.75) * 4,
        "inherited_coverage": after_question * coverage(question, passage.before, weights),
        "across": across,
        "across_dense": across * passage.dense,
        "across_coverage": across * coverage(question, around, weights),
        "rank": 1 / (1 + passage.rank),
    }


def best_sentence(
    question: Question,
    text: str,
    weights: dict[str, float],
    cosines: Sequence[float] | None = None,
) -> str:
    """The sentence (as written) that answers best; a short passage is quoted whole.

    By words shared (weighed by `rarity`), the kind asked for, the noun asked about and, where they
    are given, the cosines of question and each of `sentences(text)`: across languages they are all
    there is."""
    parts = sentences(text)
    if len(parts) <= 1 or (len(text) <= SHORT_CHARS and "\n" not in text.strip()):
        return text.strip()

    def worth(index: int) -> float:
        part = parts[index]
        head = match(question.head, content_stems(part)) if question.head else 0.0
        kind = holds_kind(question, part)
        near = COSINE_WORTH * cosines[index] if cosines is not None else 0.0
        covered = coverage(question, part, weights)
        return covered + 0.6 * kind + 0.5 * head - 0.5 * asks(part) + near

    return parts[max(range(len(parts)), key=worth)]


def main_script(text: str) -> str:
    """The script most of the words are written in."""
    scripts = [script(word) for word in tokens(text)]
    return max(("latin", "devanagari", "tamil", "other"), key=scripts.count)


def _head(question: Question, passage: Passage) -> float:
    if not question.head:
        return 0.5
    near = f"{passage.text} {passage.before}" if asks(passage.before) else passage.text
    return match(question.head, content_stems(near))


def asks(text: str) -> bool:
    """True when a text ends in a question."""
    return text.rstrip("\"'”’) ").endswith("?")


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def _missing(wanted: Sequence[str], stems: Sequence[str]) -> float:
    if not wanted:
        return 0.0
    return 1 - sum(match(name, stems) for name in wanted) / len(wanted)


def _medium(question: Question, modality: str) -> float:
    if question.on_screen:
        return float(modality in ("screen-text", "scene", "caption"))
    if question.spoken:
        return 1.0 if modality == "speech" else 0.5
    return 0.5
