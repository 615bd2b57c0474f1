"""Whole sessions of seats that vote, fail and change their minds at random."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.errors import TamperedError
from inbond.roundtable import summary
from inbond.roundtable.due import Ask, due
from inbond.roundtable.events import Event, make
from inbond.roundtable.protocol import fold, session, step
from inbond.roundtable.question import ABSTAIN, Question
from inbond.roundtable.session import Session
from tests import roundtable_scripted as scripted
from tests import roundtable_simulated as simulated

QUESTION = Question.make("Which of the three?", ["Red", "Green", "Blue"], "en")
VOTES = (*(option.id for option in QUESTION.options), ABSTAIN)
FAILURES = ("rate-limited", "timeout", "unreachable", "malformed", "empty", "refused", "rejected", "fault")
NONSENSE = (
    "{}",
    "I don't know.",
    "[1, 2",
    "I'm sorry, but I can't help with that.",
    '{"vote": 3}',
    "VOTE: X",
)

reply = st.sampled_from([*VOTES, *VOTES, *FAILURES, *NONSENSE])
plans = st.lists(st.lists(reply, min_size=1, max_size=5), min_size=1, max_size=7)


def happening(plan: Mapping[str, list[str]]) -> simulated.Happens:
    """What comes of a call, by the seat's name and how often it was asked: never by where it sits."""

    def happens(ask: Ask) -> tuple[str, dict[str, Any]]:
        if ask.round == 0:
            return simulated.answered("no summary")
        line = plan[ask.seat]
        said = line[(ask.attempt + 3 * (ask.round - 1)) % len(line)]
        if said in FAILURES:
            return simulated.failed(said)
        return simulated.answered(scripted.ballot(said) if said in VOTES else said)

    return happens


def played(plan: Mapping[str, list[str]], order: list[str], seed: int = 0) -> tuple[list[Event], Session]:
    shuffled = random.Random(seed)
    events = simulated.begin(simulated.opened(QUESTION, scripted.seats(*order)))
    state = simulated.play(events, happening(plan), shuffled.randrange)
    return events, session(state)


def named(lines: list[list[str]]) -> dict[str, list[str]]:
    return {f"model-{number}": line for number, line in enumerate(lines)}


@settings(max_examples=25, deadline=None)
@given(plans, st.integers(0, 2**32))
def test_no_order_of_seats_or_of_answers_changes_the_outcome(lines: list[list[str]], seed: int) -> None:
    plan = named(lines)
    _, straight = played(plan, sorted(plan))
    _, shuffled = played(plan, random.Random(seed).sample(sorted(plan), len(plan)), seed)
    assert straight.result == shuffled.result
    assert straight.turning_points == shuffled.turning_points
    assert {seat.name: [turn.status for turn in seat.turns] for seat in straight.seats} == {
        seat.name: [turn.status for turn in seat.turns] for seat in shuffled.seats
    }


@settings(max_examples=15, deadline=None)
@given(plans, st.integers(0, 2**32))
def test_every_prefix_folds_and_leads_to_an_end(lines: list[list[str]], seed: int) -> None:
    plan = named(lines)
    events, whole = played(plan, sorted(plan), seed)
    cut = 1 + seed % len(events)
    for length in range(1, len(events) + 1):
        state = fold(events[:length])
        found = session(state)
        assert (found.result is not None) >= (found.closed_at is not None)
        assert found.digest == events[length - 1].digest
        due(state)
    rest = events[:cut]
    if rest[-1].kind != "closed":
        rest.append(make(cut, 1e6, "resumed", {}, rest[-1].digest))
    again = session(simulated.play(rest, happening(plan), random.Random(seed).randrange))
    assert again.closed_at is not None
    assert whole.closed_at is not None
    assert sum(event.kind == "opened" for event in rest) == 1


@settings(max_examples=25, deadline=None)
@given(plans)
def test_no_vote_is_invented_and_no_seat_is_left_out(lines: list[list[str]]) -> None:
    plan = named(lines)
    events, found = played(plan, sorted(plan))
    said = {event.body["call"]: event.body["text"] for event in events if event.kind == "answered"}
    asked = {event.body["call"]: event.body for event in events if event.kind == "asked"}
    assert found.result is not None
    assert found.result.seated == len(plan) == sum(found.result.statuses.values())
    for seat in found.seats:
        for turn in seat.turns:
            assert (turn.ballot is not None) == (turn.status in ("voted", "abstained"))
            if turn.status == "voted":
                own = [
                    said[call] for call, body in asked.items() if body["seat"] == seat.name and call in said
                ]
                assert turn.ballot is not None
                assert any(f'"vote": "{turn.ballot.vote}"' in text for text in own)
    assert all(body["attempt"] < 12 for body in asked.values())


@settings(max_examples=25, deadline=None)
@given(plans)
def test_a_second_round_is_held_only_where_there_is_something_to_answer(lines: list[list[str]]) -> None:
    plan = named(lines)
    events, found = played(plan, sorted(plan))
    firsts = {seat.turns[0].ballot.vote for seat in found.seats if seat.turns[0].status == "voted"}  # type: ignore[union-attr]
    assert (found.rounds_held == 2) == (len(firsts) > 1)
    assert {body["round"] for event in events if event.kind == "asked" for body in [event.body]} <= {
        1,
        2,
        "summary",
    }
    for seat in found.seats:
        second = [turn for turn in seat.turns if turn.round == 2]
        assert bool(second) == (found.rounds_held == 2 and seat.turns[0].ballot is not None)


def test_who_agrees_is_not_asked_again() -> None:
    _, found = played({name: [VOTES[0]] for name in "abcd"}, [*"abcd"])
    assert (found.rounds_held, found.stopped) == (1, "all that voted agree")
    assert found.result is not None
    assert found.result.outcome == "unanimous"


def test_a_seat_that_fails_in_round_two_has_no_vote_and_its_first_is_shown() -> None:
    plan = {"ada": [VOTES[0], "timeout", "timeout", "timeout"], "bob": [VOTES[1]], "cyd": [VOTES[1]]}
    _, found = played(plan, [*plan])
    assert [turn.status for turn in found.seat("ada").turns] == ["voted", "timeout"]
    assert found.result is not None
    assert found.result.outcome == "no-quorum"
    assert found.result.tally[VOTES[0]] == 0
    assert found.result.round1[VOTES[0]] == 1


def test_whoever_fails_after_its_vote_is_still_heard_in_dissent() -> None:
    plan = {"ada": [VOTES[0], "timeout", "timeout", "timeout"]} | {name: [VOTES[1]] for name in "bcde"}
    _, found = played(plan, [*plan])
    assert found.result is not None
    assert (found.result.outcome, found.seat("ada").lost) == ("unanimous", VOTES[0])
    assert found.result.sentence.endswith("1 that voted “Red” first failed in the second round.")
    assert found.summary is not None
    assert [(c.seat, c.round) for each in found.summary.dissent for c in each.cites] == [("ada", 1)]


def test_the_writers_calls_are_spent_too_and_the_time_it_lay_still_is_not() -> None:
    events, found = played({name: [VOTES[0]] for name in "abcd"}, [*"abcd"])
    asked = [event for event in events if event.kind == "asked"]
    assert any(event.body["round"] == "summary" for event in asked)
    assert found.calls == len(asked) > sum(turn.calls for seat in found.seats for turn in seat.turns)
    answered = [event.body for event in events if event.kind in ("answered", "failed")]
    assert found.tokens == sum(body["prompt_tokens"] + body["completion_tokens"] for body in answered) > 0
    whole = fold(events[:-1])
    later = step(whole, replace(events[-1], kind="resumed", body={}, at=whole.at + 3_600))
    assert later.resumed == 1
    assert session(later).seconds == pytest.approx(session(whole).seconds)


def test_all_seats_failing_is_an_honest_end() -> None:
    _, found = played({name: ["fault"] for name in "abc"}, [*"abc"])
    assert found.result is not None
    assert (found.result.outcome, found.result.voted) == ("no-quorum", 0)
    assert found.summary is not None
    assert (found.summary.by, found.summary.sentences, found.summary.why_code) == (
        "code",
        (),
        "no seat gave an answer",
    )


def test_round_one_is_blind_and_every_order_of_options_is_turned() -> None:
    events, _ = played({name: [VOTES[0], VOTES[1]] for name in "abc"}, [*"abc"])
    first = [event.body for event in events if event.kind == "asked" and event.body["round"] == 1]
    assert all(body["labels"] == {} for body in first)
    assert len({tuple(body["order"]) for body in first}) == 3


def test_time_that_is_used_up_in_one_call_is_not_there_for_the_next() -> None:
    asks = []

    def happens(ask: Ask) -> tuple[str, dict[str, Any]]:
        asks.append(ask)
        return simulated.answered("nonsense", seconds=40.0)

    events = simulated.begin(simulated.opened(QUESTION, scripted.seats("ada"), writer=None))
    simulated.play(events, happens)
    assert [ask.left_s for ask in asks] == [60.0, 20.0, 0.0]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("opened", {}),
        ("decided", {}),
        ("answered", {"call": 0}),
        ("seated", {"seat": "a"}),
        ("read", {"call": 0, "path": "line", "value": {"vote": "Z9"}}),
    ],
)
def test_events_that_no_session_writes_are_named(kind: str, body: dict[str, Any]) -> None:
    events, _ = played({"a": [VOTES[0]]}, ["a"])
    odd = make(2, 0.0, kind, body, events[1].digest)
    with pytest.raises(TamperedError, match=f"line 3, '{kind}', which no session writes there"):
        fold([*events[:2], odd])


# The writer ------------------------------------------------------------------------------------------


def written(*texts: str) -> Session:
    """A session whose writer says these things in turn."""
    plan = {"ada": [VOTES[0]], "bob": [VOTES[1]], "cyd": [VOTES[1]], "dov": [VOTES[1]]}
    line, votes = list(texts), happening(plan)

    def happens(ask: Ask) -> tuple[str, Mapping[str, Any]]:
        return votes(ask) if ask.round else simulated.answered(line.pop(0))

    events = simulated.begin(simulated.opened(QUESTION, scripted.seats(*plan), writer="a writer"))
    found = session(simulated.play(events, happens))
    assert line == [], "all of it was asked for"
    return found


def sentences(*pairs: tuple[str, list[dict[str, Any]]]) -> str:
    return json.dumps({"sentences": [{"text": text, "cites": cites} for text, cites in pairs]})


HOLDS = {"seat": "Seat B", "round": 1, "claim": "c1"}


def test_a_sentence_cites_what_there_is_or_is_dropped() -> None:
    told = written(
        sentences(
            ("Green can be checked.", [HOLDS, {**HOLDS, "claim": "c9"}]),
            ("Green  can be checked.", [HOLDS]),
            ("Nobody said so.", []),
            ("It was said elsewhere.", [{**HOLDS, "seat": "Seat Z"}]),
            ("A majority holds it.", [HOLDS]),
            ("bob of GPT-4 checked it.", [HOLDS]),
        )
    ).summary
    assert told is not None
    assert [each.text for each in told.sentences] == [
        "Green can be checked.",
        "[...] of [...] checked it.",
    ]
    assert [[(c.seat, c.round, c.claim) for c in each.cites] for each in told.sentences] == [
        [("bob", 1, "c1")],
        [("bob", 1, "c1")],
    ]
    assert told.by == "a writer"


def test_a_writer_that_cites_nothing_gives_way_to_code() -> None:
    empty = sentences(("So it is.", []))
    found = written(empty, empty, empty)
    assert found.summary is not None
    assert found.summary.by == "code"
    assert "a sentence that cites no claim that there is" in found.summary.why_code
    assert all(summary.checked(each, found.seats) for each in found.summary.sentences)
    assert len(found.summary.sentences) == 2


def test_each_option_with_a_vote_has_its_strongest_argument_and_who_differs_is_heard() -> None:
    found = written(sentences(("Green can be checked.", [HOLDS])))
    assert found.summary is not None
    assert set(found.summary.strongest) == {VOTES[0], VOTES[1]}
    assert found.summary.strongest[VOTES[0]].seat == "ada"
    assert [each.cites[0].seat for each in found.summary.dissent] == ["ada"]


def test_the_writer_is_told_no_name_and_no_count() -> None:
    told: list[str] = []
    plan = {"ada": [VOTES[0]], "bob": [VOTES[1]], "cyd": [VOTES[1]]}

    def happens(ask: Ask) -> tuple[str, Mapping[str, Any]]:
        if ask.round == 0:
            told.append("\n".join(message.content for message in ask.messages))
            return simulated.answered("nothing")
        return happening(plan)(ask)

    simulated.play(simulated.begin(simulated.opened(QUESTION, scripted.seats(*plan))), happens)
    assert len(told) == 3
    assert not any(name in text for text in told for name in plan)
    assert "Seat A" in told[0]
