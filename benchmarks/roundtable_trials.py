"""What a panel made of an item with a known answer, read out of its session: votes, tokens, changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inbond.roundtable.session import Session
from inbond.roundtable.tally import outcome_of

Vote = str | None


@dataclass(frozen=True)
class Spent:
    """Tokens of prompts and of replies, and US dollars; of calls that failed, too."""

    prompt: int = 0
    completion: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt + self.completion

    def plus(self, other: Spent) -> Spent:
        return Spent(self.prompt + other.prompt, self.completion + other.completion, self.usd + other.usd)


@dataclass(frozen=True)
class Trial:
    """What a panel made of one item. ``truth`` and votes are options' ids; ``first`` and ``last`` are by
    seat, None where it gave no vote; ``spent`` is by round, and within it by seat."""

    item: str
    truth: str
    first: Mapping[str, Vote]
    last: Mapping[str, Vote]
    first_choice: Vote
    last_choice: Vote
    rounds: int
    spent: tuple[Mapping[str, Spent], ...]
    bandwagon: int
    cited: int
    changed: int


@dataclass(frozen=True)
class Repeat:
    """What the draws of one seat made of one item."""

    item: str
    seat: str
    choice: Vote
    spent: Spent


def trial_of(item: str, truth: str, session: Session) -> Trial:
    """Reads a session that is over; ``truth`` is an option's id."""
    result = session.result
    assert result is not None, "the session is over"
    first = {seat.name: _vote(session, seat.name, 0) for seat in session.seats}
    last = {seat.name: _vote(session, seat.name, -1) for seat in session.seats}
    points = session.turning_points
    return Trial(
        item=item,
        truth=truth,
        first=first,
        last=last,
        first_choice=outcome_of(result.round1, result.seated)[1],
        last_choice=result.winner,
        rounds=session.rounds_held,
        spent=tuple(_spent(session, number) for number in range(session.rounds_held)),
        bandwagon=sum(point.bandwagon for point in points),
        cited=sum(point.by is not None for point in points),
        changed=len(points),
    )


def repeat_of(item: str, seat: str, session: Session) -> Repeat:
    """Reads the session of one seat's draws."""
    assert session.result is not None, "the session is over"
    return Repeat(item, seat, session.result.winner, total(_spent(session, 0).values()))


def total(parts: Iterable[Spent]) -> Spent:
    """All of them together."""
    found = Spent()
    for part in parts:
        found = found.plus(part)
    return found


def _vote(session: Session, seat: str, turn: int) -> Vote:
    found = session.seat(seat).turns[turn]
    return found.ballot.vote if found.status == "voted" and found.ballot is not None else None


def _spent(session: Session, number: int) -> dict[str, Spent]:
    return {
        seat.name: Spent(turn.prompt_tokens, turn.completion_tokens, turn.cost_usd)
        for seat in session.seats
        for turn in seat.turns[number : number + 1]
    }
