"""The count: a pure function of statuses and votes. Nothing is guessed, nothing is called more than it is.

Quorum: two thirds of the seats, and three at least, must have voted. A *majority* is more than half of the
seats, not of those that happened to answer; more than half of the votes alone is a *majority of votes cast*;
the most votes, without that, are a *plurality*. Equal at the top is a *tie*, whoever was counted first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from inbond.roundtable.question import Question
from inbond.roundtable.session import Outcome, Result, Seat, Status

LEAST_QUORUM: Final = 3
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
_WORDS: Final[Mapping[Outcome, str]] = {
    "unanimous": "Unanimous",
    "majority": "Majority of the seats",
    "majority-of-votes-cast": "Majority of the votes cast, not of the seats",
    "plurality": "Plurality, no majority",
}
_STATUS_WORDS: Final[Mapping[Status, str]] = {
    "voted": "voted",
    "abstained": "abstained",
    "refused": "refused",
    "invalid": "gave no valid answer",
    "timeout": "timed out",
    "error": "failed",
}


def quorum(seated: int) -> int:
    """How many seats must have voted: ceil(2n/3), and three at least."""
    return max(LEAST_QUORUM, -(-2 * seated // 3))


def outcome_of(tally: Mapping[str, int], seated: int) -> tuple[Outcome, str | None]:
    """The outcome, and the option that won, if one did. ``tally`` has every option."""
    voted = sum(tally.values())
    if voted < quorum(seated):
        return "no-quorum", None
    top = max(tally.values())
    leaders = [option for option, votes in tally.items() if votes == top]
    if len(leaders) > 1:
        return "tie", None
    if top == voted:
        return "unanimous", leaders[0]
    if 2 * top > seated:
        return "majority", leaders[0]
    return ("majority-of-votes-cast" if 2 * top > voted else "plurality"), leaders[0]


def count(question: Question, seats: Sequence[Seat]) -> Result:
    """Counts each seat's last turn, and its first beside it. Every seat must have had a turn."""
    tally, first = _votes(question, seats, -1), _votes(question, seats, 0)
    found = Counter(seat.turns[-1].status for seat in seats)
    statuses = {status: found[status] for status in STATUSES}
    outcome, winner = outcome_of(tally, len(seats))
    ill = sum(any(turn.ballot and turn.ballot.ill_posed for turn in seat.turns[-1:]) for seat in seats)
    return Result(
        outcome=outcome,
        winner=winner,
        tally=tally,
        round1=first,
        seated=len(seats),
        voted=statuses["voted"],
        statuses=statuses,
        sentence=_sentence(question, outcome, winner, tally, statuses)
        + _lost(question, seats)
        + _ill_posed(ill, len(seats)),
        ill_posed=ill,
    )


def lost(question: Question, seats: Sequence[Seat]) -> dict[str, int]:
    """How many seats voted for each option and failed since, by option's id, in the options' order; options
    without such a vote are not in it."""
    votes = Counter(seat.lost for seat in seats)
    return {option.id: votes[option.id] for option in question.options if votes[option.id]}


def _lost(question: Question, seats: Sequence[Seat]) -> str:
    return "".join(
        f" {votes} that voted “{question.option(option).label}” first failed in the second round."
        for option, votes in lost(question, seats).items()
    )


def _ill_posed(said: int, seated: int) -> str:
    return f" {said} of {seated} seats call the question ill-posed." if 2 * said > seated else ""


def _votes(question: Question, seats: Sequence[Seat], turn: int) -> dict[str, int]:
    cast = Counter(
        seat.turns[turn].ballot.vote  # type: ignore[union-attr]  # who voted has a ballot
        for seat in seats
        if seat.turns[turn].status == "voted"
    )
    return {option.id: cast[option.id] for option in question.options}


def _sentence(
    question: Question,
    outcome: Outcome,
    winner: str | None,
    tally: Mapping[str, int],
    statuses: Mapping[Status, int],
) -> str:
    seated, voted = sum(statuses.values()), statuses["voted"]
    rest = "".join(
        f"; {statuses[status]} {_STATUS_WORDS[status]}"
        for status in STATUSES
        if status != "voted" and statuses[status]
    )
    counted = f"{seated} seated, {voted} voted{rest}"
    if outcome == "no-quorum":
        return f"No quorum: {counted}; {quorum(seated)} votes are needed."
    if winner is None:
        top = max(tally.values())
        leaders = [option.label for option in question.options if tally[option.id] == top]
        names = " and ".join(f"“{label}”" for label in leaders)
        return f"Tie: {names} have {top} each; {counted}."
    label, votes = question.option(winner).label, tally[winner]
    return f"{_WORDS[outcome]}: “{label}” with {votes} of {voted} votes and of {seated} seats; {counted}."
