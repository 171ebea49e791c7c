"""The nodes of recall. Each does one thing and says how long it took."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from langgraph.runtime import Runtime

from graphs.grounding.evidence import (
    Passage,
    asks,
    best_sentence,
    coverage,
    fitted,
    holds_kind,
    judge,
)
from graphs.grounding.question import Question, analyse
from graphs.grounding.support import supported
from graphs.grounding.words import sentences, stem, stretches, tokens
from graphs.recall.context import Context
from graphs.recall.prompts import DRAFT_SYSTEM, DRAFT_USER, clock, phrase, spoken_clock
from graphs.recall.state import Candidate, Citation, State
from graphs.services import services
from model_host.errors import Unavailable, UnknownName, WorkerError
from model_host.tasks import Chat, Chatted, Embedded, EmbedText, Message
from tools.recall import Found, recall

DRAFT_EVIDENCE = 3  # passages shown to the chat model
CITED = 2  # at most this many quotes in an extractive answer


async def retrieve(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Find Moments, judge each, keep the best first."""
    began = time.perf_counter()
    work = services()
    context = runtime.context or Context()
    name = state.get("corpus") or context.corpus
    question = analyse(state["question"], state.get("language") or context.language)
    corpus = await work.corpus(name)
    found = await recall(
        corpus,
        work.client,
        state["question"],
        k=work.settings.retrieve_k,
    )
    retrieved = time.perf_counter()
    pool = passages(found)
    judged = judge(question, pool)
    candidates = [
        Candidate(
            moment=found[verdict.index].moment.model_dump(mode="json", exclude={"words"}),
            context=_lends(found[verdict.index]),
            score=verdict.score,
            quote=best_sentence(question, pool[verdict.index].text, judged.weights),
        )
        for verdict in judged.verdicts
    ]
    if judged.probability >= fitted().answer_at:
        await _refine(question, candidates[:CITED], judged.weights)
    return {
        "corpus": name,
        "language": question.language,
        "candidates": candidates,
        "probability": judged.probability,
        "looked_for": _looked_for(question),
        "models": {"embed_text": corpus.embedding_card} if corpus.embedding_card else {},
        "timings_s": {
            "retrieve": retrieved - began,
            "judge": time.perf_counter() - retrieved,
        },
    }


def answers(state: State) -> str:
    """Where to go on: `draft` when the best Moment answers, else `abstain`."""
    return "draft" if state.get("probability", 0.0) >= fitted().answer_at else "abstain"


async def draft(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Let the chat model phrase an answer from the evidence; no model, no draft."""
    began = time.perf_counter()
    work = services()
    context = runtime.context or Context()
    wanted = work.settings.draft if context.draft is None else context.draft
    language = state.get("language") or "en"
    if not wanted:
        return {"draft": ""}
    evidence = "\n".join(
        f"- {candidate['moment']['text']}" for candidate in _chosen(state)[:DRAFT_EVIDENCE]
    )
    request = Chat(
        messages=(
            Message(role="system", content=DRAFT_SYSTEM),
            Message(
                role="user",
                content=DRAFT_USER.format(evidence=evidence, question=state["question"]),
            ),
        ),
        max_tokens=work.settings.draft_tokens,
        stop=("\n",),
    )
    try:
        if not work.client.speaks("chat", language, model=context.chat_model):
            return {"draft": ""}
        reply = await work.client.run(request, model=context.chat_model)
    except (Unavailable, UnknownName, WorkerError):
        return {"draft": ""}  # the extractive answer needs no chat model
    assert isinstance(reply.result, Chatted)
    return {
        "draft": reply.result.text.strip(),
        "models": {"chat": reply.card_id},
        "timings_s": {"draft": time.perf_counter() - began},
    }


async def ground(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Keep the sentences of the draft that a Moment supports; else answer in quotes."""
    began = time.perf_counter()
    chosen = _chosen(state)
    question = analyse(state["question"], state.get("language"))
    kept, citations, dropped = await _grounded(state, question, chosen)
    language = question.language
    if kept:
        answer = " ".join(kept)
    else:
        citations = [_citation(candidate, candidate["quote"]) for candidate in chosen]
        answer = " ".join(_said(candidate) for candidate in chosen)
    where = "; ".join(dict.fromkeys(_where(citation, language) for citation in citations))
    return {
        "answer": f"{answer} ({where})",
        "spoken": _spoken(answer, citations[0], language),
        "abstained": False,
        "citations": citations,
        "dropped": dropped,
        "timings_s": {"ground": time.perf_counter() - began},
    }


async def abstain(state: State) -> dict[str, Any]:
    """Say that nothing supports an answer, and what was looked for."""
    language = state.get("language") or "en"
    corpus = state.get("corpus", "")
    if not state.get("candidates"):
        answer = phrase("empty", language, corpus=corpus)
    else:
        terms = ", ".join(state.get("looked_for", []))
        answer = phrase("nothing", language, corpus=corpus)
        if terms:
            answer += " " + phrase("looked_for", language, terms=terms)
    return {"answer": answer, "spoken": answer, "abstained": True, "citations": []}


async def _refine(
    question: Question, candidates: list[Candidate], weights: dict[str, float]
) -> None:
    """Choose the quotes of long passages by meaning, too."""
    parts = {c["moment"]["moment_id"]: sentences(c["moment"]["text"]) for c in candidates}
    texts = tuple(part for some in parts.values() if len(some) > 1 for part in some)
    if not texts:
        return
    client = services().client
    asked = await client.run(EmbedText(texts=(question.text,), kind="query"))
    said = await client.run(EmbedText(texts=texts, kind="passage"))
    assert isinstance(asked.result, Embedded)
    assert isinstance(said.result, Embedded)
    near_question = said.result.vectors @ asked.result.vectors[0]
    cosines = dict(zip(texts, map(float, near_question), strict=True))
    for candidate in candidates:
        moment = candidate["moment"]
        near = [cosines.get(part, 0.0) for part in parts[moment["moment_id"]]]
        candidate["quote"] = best_sentence(question, moment["text"], weights, near)


async def _grounded(
    state: State, question: Question, chosen: list[Candidate]
) -> tuple[list[str], list[Citation], list[str]]:
    """The draft's supported sentences, what supports each, and what was dropped."""
    kept: list[str] = []
    citations: list[Citation] = []
    dropped: list[str] = []
    for part in sentences(state.get("draft", "")):
        held, reason = await _support(part, question, chosen)
        if held is None:
            dropped.append(f"{part} [{reason}]")
            continue
        kept.append(part)
        if held not in citations:
            citations.append(held)
    said = " ".join(kept)
    if kept and not _responsive(question, said, chosen[0]["quote"]):
        return [], [], [*dropped, f"{said} [it does not say what was asked]"]
    return kept, citations, dropped


async def _support(
    part: str, question: Question, chosen: list[Candidate]
) -> tuple[Citation | None, str]:
    """The stretch that supports a sentence best, as a citation; or why there is none."""
    asked = {*question.terms, *question.frame_terms}
    checks = [
        (supported(part, stretch, context=candidate["context"], asked=asked), stretch, candidate)
        for candidate in chosen
        for stretch in stretches(candidate["moment"]["text"])
    ]
    if not checks:
        return None, "there is no source"
    check, stretch, candidate = max(checks, key=lambda c: (c[0].holds, c[0].coverage))
    if not check.holds:
        return None, check.reason
    reply = await services().client.run(EmbedText(texts=(part, stretch), kind="passage"))
    assert isinstance(reply.result, Embedded)
    one, other = reply.result.vectors
    if float(one @ other) < fitted().support_cosine:
        return None, "its meaning is not near the source's"
    return _citation(candidate, stretch), ""


def _said(candidate: Candidate) -> str:
    """A quote as an answer: with the speaker's name, where it is known."""
    speaker, quote = candidate["moment"]["speaker"], candidate["quote"]
    return f"{speaker}: {quote}" if speaker and not quote.startswith(speaker) else quote


def _responsive(question: Question, said: str, quote: str) -> bool:
    """A draft must say as much as the plain quote would: the kind asked for, and no less of the
    question's matter."""
    if holds_kind(question, said) < holds_kind(question, quote):
        return False
    weights = dict.fromkeys(question.terms, 1.0)
    return coverage(question, said, weights) >= 0.8 * coverage(question, quote, weights)


def _chosen(state: State) -> list[Candidate]:
    """The candidates that an answer rests on: the best, and one more if it is about as good."""
    best, *rest = state["candidates"]
    limit = best["score"] - fitted().second_within
    more = [c for c in rest if c["score"] >= limit and not _same_evidence(c, best)]
    return [best, *more[: CITED - 1]]


def _same_evidence(one: Candidate, other: Candidate) -> bool:
    """The same words, or the same stretch of the same recording (a slide and its scene)."""
    if one["quote"] in other["quote"] or other["quote"] in one["quote"]:
        return True
    a, b = one["moment"], other["moment"]
    if a["source"] != b["source"] or a["start_us"] is None or b["start_us"] is None:
        return False
    return bool(a["start_us"] < b["end_us"] and b["start_us"] < a["end_us"])


def passages(found: list[Found]) -> list[Passage]:
    """What the judge sees of what was found."""
    cosines = {item.moment.moment_id: item.hit.dense for item in found}
    pool = []
    for rank, item in enumerate(found):
        moment = item.moment
        context = (moment.section, moment.source, moment.speaker, item.after and item.after.text)
        pool.append(
            Passage(
                text=moment.text,
                before=item.before.text if item.before else "",
                context=" ".join(part for part in context if part),
                speaker=moment.speaker or "",
                modality=moment.modality,
                dense=item.hit.dense,
                rank=rank,
                before_dense=cosines.get(item.before.moment_id, 0.0) if item.before else 0.0,
            )
        )
    return pool


def _lends(item: Found) -> str:
    """What may lend its names and words to a claim from a Moment: heading, source, speaker, and
    the question that it replies to."""
    moment = item.moment
    asked = item.before.text if item.before and asks(item.before.text) else ""
    parts = (moment.section, moment.source, moment.speaker, asked)
    return " ".join(part for part in parts if part)


def _citation(candidate: Candidate, quote: str) -> Citation:
    moment = candidate["moment"]
    start, end = moment["start_us"], moment["end_us"]
    return Citation(
        source=moment["source"],
        moment_id=moment["moment_id"],
        modality=moment["modality"],
        start_s=None if start is None else start / 1e6,
        end_s=None if end is None else end / 1e6,
        page=moment["page"],
        quote=quote,
        section=moment["section"],
        speaker=moment["speaker"],
        at=None if moment["at_us"] is None else _iso(moment["at_us"]),
    )


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")


def _where(citation: Citation, language: str) -> str:
    if citation["start_s"] is not None:
        return f"{citation['source']}, {clock(citation['start_s'])}"
    if citation["page"] is not None:
        return f"{citation['source']}, {phrase('page', language, page=citation['page'])}"
    if citation["section"]:
        return f"{citation['source']}, {citation['section']}"
    return citation["source"]


def _spoken(text: str, citation: Citation, language: str) -> str:
    """The answer as one says it: source and second first, then the words."""
    source = citation["source"].rsplit(".", 1)[0].replace("_", " ").replace("-", " ")
    if citation["start_s"] is not None:
        at = spoken_clock(citation["start_s"], language)
        return phrase("said_at", language, source=source, time=at, quote=text)
    if citation["page"] is not None:
        page = phrase("page", language, page=citation["page"])
        return phrase("said_on", language, source=source, page=page, quote=text)
    return phrase("said_in", language, source=source, quote=text)


def _looked_for(question: Question) -> list[str]:
    """The question's content words as the asker wrote them."""
    wanted = set(question.terms)
    seen: dict[str, None] = {}
    for word in tokens(question.text):
        if stem(word) in wanted:
            seen.setdefault(word)
    return list(seen)
