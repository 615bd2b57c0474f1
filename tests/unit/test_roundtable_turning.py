"""Votes that changed, and whether what they cite was said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inbond.roundtable.ballots import Ballot, Claim, Effect, Influence
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat, Turn, TurningPoint
from inbond.roundtable.tally import count
from inbond.roundtable.turning import find

QUESTION = Question.make("Which?", ["A", "B", "C"], "en")
A, B, C = (option.id for option in QUESTION.options)
CLAIM = "Taking　outputs without leave harms those who made them."
LABELS = {"Seat A": "ada", "Seat B": "bob", "Seat C": "cyd", "Seat D": "dov", "Seat E": "eve"}


def seat(
    name: str, first: str | None, second: str | None, *influences: Influence, claim: str = CLAIM
) -> Seat:
    def turn(number: int, vote: str | None, **more: Any) -> Turn:
        ballot = Ballot(f"{name} thought about it at length.", (Claim("c1", claim),), vote, **more)
        return Turn(number, "voted" if vote else "abstained", ballot, labels=LABELS if number == 2 else {})

    return Seat(name, "u", turns=(turn(1, first), turn(2, second, influences=influences)))


def points(*seats: Seat) -> tuple[TurningPoint, ...]:
    return find(seats, count(QUESTION, seats), ("GPT",))


def citing(
    quote: str, *, label: str = "Seat B", claim: str = "c1", effect: Effect = "adopted"
) -> TurningPoint:
    moved = seat("ada", A, B, Influence(label, claim, quote, effect))
    return points(moved, seat("bob", B, B), seat("cyd", B, B), seat("dov", A, A), seat("eve", B, B))[0]


@pytest.mark.parametrize(
    "quote",
    [
        CLAIM,
        "taking outputs without leave",
        "“Taking outputs\n  without LEAVE harms those who made them.”",
        "Ｔａｋｉｎｇ outputs without",
        "thought about it at length",
    ],
)
def test_a_quote_that_was_said_is_a_basis(quote: str) -> None:
    found = citing(quote)
    assert (found.by, found.claim, found.bandwagon) == ("bob", "c1", False)


@pytest.mark.parametrize(
    "more",
    [
        {"quote": "Taking outputs with leave"},
        {"quote": ""},
        {"quote": "the"},
        {"quote": "“ ”"},
        {"quote": CLAIM, "claim": "c2"},
        {"quote": CLAIM, "label": "Seat Z"},
        {"quote": CLAIM, "effect": "unmoved"},
        {"quote": CLAIM, "effect": "rebutted"},
    ],
)
def test_a_change_to_the_larger_side_without_a_basis_is_a_bandwagon(more: dict[str, Any]) -> None:
    found = citing(**more)
    assert (found.by, found.bandwagon) == (None, True)


def test_a_change_to_the_smaller_side_is_no_bandwagon() -> None:
    found = points(seat("ada", A, B), seat("bob", A, A), seat("cyd", A, A), seat("dov", B, B))
    assert [(each.by, each.bandwagon) for each in found] == [(None, False)]


def test_a_quote_of_what_was_shown_without_names_is_a_basis() -> None:
    moved = seat("ada", A, B, Influence("Seat B", "c1", "as [...] says it harms", "adopted"))
    others = [seat(name, B, B, claim="It is so, as GPT-4 says it harms.") for name in ("bob", "cyd")]
    assert points(moved, *others, seat("dov", A, A))[0].by == "bob"


def test_those_come_first_that_moved_the_lead_most() -> None:
    found = points(
        seat("ada", A, B),
        seat("bob", C, B),
        seat("cyd", None, B),
        seat("dov", A, A),
        seat("eve", A, A),
        seat("fay", B, B),
        seat("gus", A, None),
    )
    assert [(each.seat, each.margin) for each in found] == [("ada", 2), ("bob", 1), ("cyd", 1), ("gus", 1)]


def test_who_keeps_its_vote_or_fails_is_no_turning_point() -> None:
    failed = Seat("bob", "u", turns=(seat("bob", A, A).turns[0], Turn(2, "timeout")))
    assert points(seat("ada", A, A), failed, seat("cyd", None, None), seat("dov", B, B)) == ()


def test_a_claim_of_ones_own_side_is_no_basis_for_leaving_it() -> None:
    moved = seat("dov", A, B, Influence("Seat A", "c1", CLAIM, "adopted"))
    found = points(seat("ada", A, A), seat("bob", B, B), seat("cyd", B, B), moved, seat("eve", B, B))
    assert [(each.seat, each.by, each.bandwagon) for each in found] == [("dov", None, True)]


@pytest.mark.parametrize("contrary", ["rebutted", "unmoved"])
def test_a_claim_that_is_adopted_and_rebutted_is_no_basis(contrary: Effect) -> None:
    both = [Influence("Seat B", "c1", CLAIM, "adopted"), Influence("Seat B", " C1", CLAIM, contrary)]
    for influences in (both, both[::-1]):
        moved = seat("ada", A, B, *influences)
        found = points(moved, seat("bob", B, B), seat("cyd", B, B), seat("dov", A, A), seat("eve", B, B))
        assert [(each.by, each.bandwagon) for each in found] == [(None, True)]


def test_a_claim_that_is_adopted_and_answered_as_the_strongest_against_it_is_no_basis() -> None:
    moved = seat("ada", A, B, Influence("Seat B", "c1", CLAIM, "adopted"))
    last = moved.turns[1]
    assert last.ballot is not None
    last = replace(last, ballot=replace(last.ballot, rebuttal="Not so.", rebuts="Seat B c1"))
    moved = replace(moved, turns=(moved.turns[0], last))
    found = points(moved, seat("bob", B, B), seat("cyd", B, B), seat("dov", A, A), seat("eve", B, B))
    assert [(each.by, each.bandwagon) for each in found] == [(None, True)]


def test_another_claim_that_was_rebutted_takes_nothing_from_the_one_adopted() -> None:
    two = [Influence("Seat B", "c1", CLAIM, "adopted"), Influence("Seat D", "c1", CLAIM, "rebutted")]
    moved = seat("ada", A, B, *two)
    found = points(moved, seat("bob", B, B), seat("cyd", B, B), seat("dov", A, A))
    assert [(each.by, each.bandwagon) for each in found] == [("bob", False)]


def test_going_to_the_second_largest_side_is_no_bandwagon() -> None:
    most = [seat(name, A, A) for name in ("ada", "bob", "cyd")]
    found = points(*most, seat("dov", B, B), seat("eve", B, B), seat("fay", C, B))
    assert [(each.seat, each.bandwagon) for each in found] == [("fay", False)]
    level = points(*most, *(seat(name, B, B) for name in ("dov", "eve", "gus")), seat("fay", C, B))
    assert [(each.seat, each.bandwagon) for each in level] == [("fay", False)], "no side was the larger"


def test_an_abstention_may_rest_on_a_claim_of_any_other_side() -> None:
    adopted = Influence("Seat B", "c1", CLAIM, "adopted")
    found = points(seat("ada", A, None, adopted), seat("bob", B, B), seat("cyd", A, A))
    assert [(each.by, each.bandwagon) for each in found] == [("bob", False)]
    found = points(seat("ada", B, None, adopted), seat("bob", B, B), seat("cyd", A, A))
    assert [(each.by, each.bandwagon) for each in found] == [(None, False)]
