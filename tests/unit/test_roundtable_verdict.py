"""The verdict of a panel, and that as advice it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.digest import of_value
from inbond.ledger.events import refuse_secrets
from inbond.roundtable.due import Ask
from inbond.roundtable.protocol import fold, session
from inbond.roundtable.question import Question
from inbond.roundtable.session import Session
from inbond.roundtable.verdict import ADVICE, advice_body, advice_of, advise, event_body, verdict_of
from inbond.types import Reason, Verdict
from tests import roundtable_scripted as scripted
from tests import roundtable_simulated as simulated

QUESTION = Question.make("May it be trained on?", ["Yes", "No"], "en")
YES, NO = (option.id for option in QUESTION.options)


def held(votes: dict[str, tuple[str, ...]], **more: Any) -> tuple[Session, Any]:
    def happens(ask: Ask) -> Any:
        said = votes[ask.seat][ask.round - 1] if ask.round else ""
        return simulated.answered(scripted.ballot(said, **more)) if said else simulated.failed("timeout")

    events = simulated.begin(simulated.opened(QUESTION, scripted.seats(*votes), writer=None))
    state = simulated.play(events, happens)
    return session(state), (events, state)


VOTES = {"ada": (YES, NO), "bob": (NO, NO), "cyd": (NO, NO), "dov": ("",)}


def test_a_verdict_stands_on_all_that_was_said_before_it() -> None:
    found, (events, state) = held(VOTES)
    verdict = verdict_of(found, events[-2].digest)
    assert state.verdict == verdict.to_json()
    assert verdict.facts == fold(events[:-1]).digest
    assert verdict.decider == "inbond.roundtable/1 0"
    assert [(reason.rule, reason.finding) for reason in verdict.reasons] == [
        ("count", f"Unanimous: “{NO}” with 3 of 3 votes and of 4 seats; 4 seated, 3 voted; 1 timed out."),
        ("seat-without-vote", "dov: timeout"),
        ("bandwagon", "ada went to the larger side and cites no claim for it"),
    ]


def test_most_seats_that_call_it_ill_posed_are_a_reason() -> None:
    found, _ = held(VOTES, question_is_sound=False, ill_posed="It assumes a right that is in doubt.")
    reason = verdict_of(found, of_value(1)).reasons[-1]
    assert reason.finding == "3 of 4 seats say that the question is ill-posed"


def test_the_ledgers_event_says_what_was_asked_and_found() -> None:
    found, (events, _) = held(VOTES)
    body = event_body(found, verdict_of(found, events[-2].digest))
    refuse_secrets(body, "roundtable.decided")
    assert (body["winner"], body["tally"], body["seated"], body["voted"]) == (NO, {YES: 0, NO: 3}, 4, 3)
    assert body["transcript"] == events[-1].digest
    assert body["question"] == of_value(QUESTION.to_json())
    assert body["verdict"]["outcome"] == "unanimous"


def test_the_ledgers_event_has_no_words_of_the_question_or_of_a_model() -> None:
    secret = "Grizabella 秘密"
    question = Question.make(f"{secret}?", [f"{secret} yes", f"{secret} no"], "en")
    first, second = (option.id for option in question.options)
    said = {
        "reasoning": f"{secret} weighs.",
        "question_is_sound": False,
        "ill_posed": secret,
        "abstain_reason": secret,
    }
    happened = {
        "ada": simulated.answered(scripted.ballot(first, **said)),
        "bob": simulated.answered(scripted.ballot(second, **said)),
        "cyd": simulated.answered(scripted.ballot("abstain", **said)),
        "dov": simulated.answered(f"I will not speak of {secret}."),
    }
    events = simulated.begin(simulated.opened(question, scripted.seats(*happened), writer=None))
    simulated.play(events, lambda ask: happened[ask.seat])
    found = session(fold(events))
    assert secret in advice_of(found).finding
    kept = [event_body(found, verdict_of(found, events[-2].digest)), advice_body(found)]
    assert "Grizabella" not in repr(kept)
    assert "秘密" not in repr(kept)


outcomes = st.sampled_from(("permit", "permit-with-obligations", "review", "deny", "cannot-tell"))


@settings(max_examples=20, deadline=None)
@given(outcomes, st.lists(st.text(max_size=9), max_size=3), st.lists(st.sampled_from((YES, NO)), min_size=4))
def test_advice_never_changes_a_verdict(outcome: str, rules: list[str], votes: list[str]) -> None:
    found, _ = held({f"s{n}": (vote, vote) for n, vote in enumerate(votes[:5])})
    review = Verdict(outcome, tuple(Reason(rule, "f", "s") for rule in rules), of_value(rules), "policy")
    advised = advise(review, found)
    assert replace(advised, reasons=advised.reasons[:-1]) == review
    advice = advised.reasons[-1]
    assert (advice.rule, advice.detail["advice"]) == (ADVICE, True)
    assert advice.finding.endswith("This is advice, and changes nothing.")
    assert found.result is not None
    assert found.result.sentence in advice.finding
