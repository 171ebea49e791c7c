"""The judge and the support check: what stands, what falls, and why."""

from __future__ import annotations

import pytest

from graphs.grounding.evidence import ANSWERING, RANKING, Passage, best_sentence, fitted, judge
from graphs.grounding.question import Wants, analyse
from graphs.grounding.support import supported
from graphs.grounding.words import stretches

DRAINS = "The committee approved 4.2 lakh rupees for the storm drains on 9 March."


@pytest.mark.parametrize(
    ("question", "wants"),
    [
        ("How much was approved for the drains?", "money"),
        ("How many complaints came in?", "number"),
        ("When is the next meeting?", "time"),
        ("Who objected to the plan?", "person"),
        ("How long did the repair take?", "duration"),
        ("Why was the gate closed?", "reason"),
        ("Where will the plant stand?", "place"),
        ("How often do they pay?", "often"),
        ("What was the objection when the budget was read?", "anything"),
        ("Who covers the cost of a second sample?", "person"),
        ("What salary was agreed with the driver?", "money"),
        ("Which helpline number is on the slide?", "number"),
        ("When does the doctor talk about the ambulance?", "moment"),
        ("At what point in the interview is the roof mentioned?", "moment"),
        ("When did the roof fall in?", "time"),
        ("अगली बैठक कब होगी?", "time"),
        ("कितने घरों में पानी आया?", "number"),
        ("बजट पर किसने आपत्ति की?", "person"),
        ("", "anything"),
    ],
)
def test_what_a_question_wants(question: str, wants: Wants) -> None:
    assert analyse(question).wants == wants


def test_language_follows_the_script() -> None:
    assert analyse("अगली बैठक कब है?").language == "hi"
    assert analyse("When is it?").language == "en"
    assert analyse("When is it?", "hi").language == "hi"


def test_the_passage_that_answers_comes_first() -> None:
    question = analyse("How much money was approved for the drains?")
    right = Passage(DRAINS, dense=0.86, rank=1)
    wrong = Passage("The library roof will be repaired in April.", dense=0.75)
    judgement = judge(question, [wrong, right])
    assert judgement.verdicts[0].index == 1
    alone = judge(question, [wrong])
    assert alone.probability < judgement.probability


def test_the_reply_to_a_question_comes_before_the_question() -> None:
    question = analyse("How big is the cooler?")
    asked = Passage("And how big is the cooler?", dense=0.9)
    reply = Passage("Three thousand litres.", asked.text, dense=0.9, before_dense=0.9)
    assert judge(question, [asked, reply]).verdicts[0].index == 1


def test_nothing_retrieved_answers_nothing() -> None:
    assert judge(analyse("How big?"), []).probability == 0.0


def test_a_question_without_matter_is_answered_by_nothing() -> None:
    assert judge(analyse("Is it so?"), [Passage(DRAINS, dense=0.9)]).probability == 0.0


def test_fitted_models_know_their_features() -> None:
    assert set(fitted().ranking) <= set(RANKING)
    assert set(fitted().answering) <= set(ANSWERING)
    assert 0 < fitted().answer_at < 1


def test_best_sentence_is_the_one_that_answers() -> None:
    opening = "The meeting opened at ten in the old hall of the ward."
    text = f"{opening} {DRAINS} Tea was served to everybody."
    question = analyse("How much was given for drains?")
    assert best_sentence(question, text, dict.fromkeys(question.terms, 1.0)) == DRAINS


def test_best_line_of_a_slide_is_the_one_asked_about() -> None:
    slide = "Drinking water\nComplaints in June: 87\nSolved: 61\nHelpline 1916"
    question = analyse("Which helpline number is on the slide about drinking water?")
    assert question.wants == "number"
    assert best_sentence(question, slide, dict.fromkeys(question.terms, 1.0)) == "Helpline 1916"


def test_best_hindi_sentence_is_not_the_title() -> None:
    text = "नीलकंठ बावड़ी का पुनरुद्धार: एक रिपोर्ट\nवार्ड 14।\nबावड़ी में पाँच मंज़िलें और 164 सीढ़ियाँ हैं।"
    question = analyse("नीलकंठ बावड़ी में कितनी सीढ़ियाँ हैं?")
    assert "164" in best_sentence(question, text, dict.fromkeys(question.terms, 1.0))


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        (DRAINS, ""),
        ("4.2 lakh rupees was approved for the storm drains.", ""),
        ("Four point two lakh rupees was approved for the drains.", ""),
        ("5.2 lakh rupees was approved for the storm drains.", "number"),
        ("The storm drains were approved on 10 March.", "number"),
        ("Suresh approved the storm drains.", "name"),
        ("The committee and Suresh approved 4.2 lakh rupees.", "name"),
        ("The committee did not approve money for the storm drains.", "negation"),
        ("The committee approved a new school building with a garden.", "few"),
        ("", "nothing"),
    ],
)
def test_support(sentence: str, reason: str) -> None:
    check = supported(sentence, DRAINS)
    assert check.holds is (reason == "")
    assert reason in check.reason


JETTY = "Work on the north jetty starts on 3 November 2031. The ice plant opens in March 2033."
HALL = "The auction begins at six. It is held near the old customs house."


@pytest.mark.parametrize(
    ("question", "sentence", "source", "reason"),
    [
        ("When does the ice plant open?", "The ice plant opens in March 2033.", JETTY, ""),
        (
            "When does the ice plant open?",
            "The ice plant opens on 3 November 2031.",
            JETTY,
            "number",
        ),
        (
            "When was the gymnasium repaired?",
            "The gymnasium was repaired in May 2019.",
            "The library was repaired in May 2019. The gymnasium was painted in August 2022.",
            "does not say it of",
        ),
        ("Where is the auction?", "It is held near the old customs house.", HALL, ""),
        ("Where is the auction?", "It is held in the old customs house.", HALL, "another place"),
        ("Where is the auction held?", "The auction is held near the old customs house.", HALL, ""),
    ],
)
def test_a_claim_is_made_by_one_stretch(
    question: str, sentence: str, source: str, reason: str
) -> None:
    """A subject of one sentence and a date of another make a claim that nobody made."""
    asked = analyse(question).terms
    checks = [supported(sentence, stretch, asked=asked) for stretch in stretches(source)]
    assert any(check.holds for check in checks) is (reason == "")
    if reason:
        assert any(reason in check.reason for check in checks)


def test_context_lends_names_and_no_numbers() -> None:
    reply = "Nine women and one very patient man."
    asked = "How many women work with Rohini Atre?"
    terms = analyse(asked).terms
    assert not supported("Nine women work with Rohini Atre.", reply, asked=terms).holds
    named = supported("Rohini Atre: nine women and one man.", reply, context=asked, asked=terms)
    assert named.holds
    assert not supported("Ten women.", reply, context="Ten women", asked=terms).holds


def test_stretches_are_verbatim_and_join_what_leans() -> None:
    assert stretches(HALL) == ["The auction begins at six.", HALL, HALL.split(". ")[1]]
    assert all(stretch in JETTY for stretch in stretches(JETTY))
    assert len(stretches(JETTY)) == 2
    assert stretches("") == []
