"""Votes that changed, and whether what they cite was said."""

from __future__ import annotations

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
