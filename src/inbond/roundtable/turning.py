"""Turning points: votes that changed between the rounds, and what they rest on, found by code. Pure.

A change rests on a claim when the seat says that it adopted it, and does not say besides that it rebutted it
or was left unmoved; when the claim is that of a seat which voted as it now votes; and when the words that it
quotes are in it (or in the reasoning beside it), compared by NFKC and with white space folded. A change to
the one option that had the most votes in round 1, and that rests on no claim, is called what it may be: a
bandwagon. No model is asked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from inbond.roundtable.anonymity import masked
from inbond.roundtable.ballots import Influence
from inbond.roundtable.session import Result, Seat, Turn, TurningPoint

_LEAST_QUOTE: Final = 12
"""Letters; wide ones (Chinese, Japanese, Korean) count twice. A whole claim may be shorter."""


def find(seats: Sequence[Seat], result: Result, names: tuple[str, ...]) -> tuple[TurningPoint, ...]:
    """All votes that changed, those first that moved the lead most. ``names`` are what seats were not shown
    of each other."""
    found = [_point(seat, seats, result, names) for seat in seats if _changed(seat)]
    return tuple(sorted(found, key=lambda each: (-abs(each.margin), each.by is None, each.seat)))


def quotes(influence: Influence, turn: Turn, names: tuple[str, ...]) -> bool:
    """Whether the words that a seat quotes are those of the claim that it cites, in another's turn."""
    if turn.ballot is None:
        return False
    claim = next((each.text for each in turn.ballot.claims if each.id == influence.claim), None)
    quote = folded(influence.quote).strip(" .。\"'“”「」")
    if claim is None or not quote:
        return False
    sources = [*_both(claim, names), *_both(turn.ballot.reasoning, names)]
    whole = quote == folded(claim).strip(" .。")
    return (whole or _width(quote) >= _LEAST_QUOTE) and any(quote in source for source in sources)


def holds(influence: Influence, turn: Turn, seats: Sequence[Seat], names: tuple[str, ...]) -> str | None:
    """The name of the seat whose first answer an influence quotes rightly; None where it does not."""
    name = turn.labels.get(influence.seat)
    source = next((seat for seat in seats if seat.name == name and seat.turns), None)
    return name if source is not None and quotes(influence, source.turns[0], names) else None


def adopted(turn: Turn) -> Iterator[Influence]:
    """What a seat says that it adopted, and does not contradict in the same reply."""
    assert turn.ballot is not None, "who was moved said so"
    every = turn.ballot.influences
    seat, _, claim = turn.ballot.rebuts.rpartition(" ")
    contrary = {(seat, folded(claim))}
    contrary |= {(each.seat, folded(each.claim)) for each in every if each.effect != "adopted"}
    for each in every:
        if each.effect == "adopted" and (each.seat, folded(each.claim)) not in contrary:
            yield each


def folded(text: str) -> str:
    """NFKC, without case, white space folded into one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def lead(tally: Mapping[str, int], option: str) -> int:
    """By how many votes an option is before the best of the others; below 0 where it is behind."""
    return tally[option] - max(votes for other, votes in tally.items() if other != option)


def _both(text: str, names: tuple[str, ...]) -> tuple[str, str]:
    return folded(text), folded(masked(text, names))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _changed(seat: Seat) -> bool:
    ballots = [turn.ballot for turn in seat.turns]
    return (
        len(ballots) == 2
        and ballots[0] is not None
        and ballots[1] is not None
        and (ballots[0].vote != ballots[1].vote)
    )


def _point(seat: Seat, seats: Sequence[Seat], result: Result, names: tuple[str, ...]) -> TurningPoint:
    before, after = seat.turns[0].ballot, seat.turns[1].ballot
    assert before is not None
    assert after is not None
    by, claim, quote = _basis(seat, seats, names)
    return TurningPoint(
        seat=seat.name,
        was=before.vote,
        now=after.vote,
        by=by,
        claim=claim,
        quote=quote,
        bandwagon=by is None and after.vote is not None and lead(result.round1, after.vote) > 0,
        margin=_margin(result, before.vote, after.vote),
    )


def _basis(seat: Seat, seats: Sequence[Seat], names: tuple[str, ...]) -> tuple[str | None, str, str]:
    before, after = seat.turns[0].ballot, seat.turns[1].ballot
    assert before is not None
    assert after is not None
    for influence in adopted(seat.turns[1]):
        by = holds(influence, seat.turns[1], seats, names)
        if by is not None and _speaks_for(_first_vote(by, seats), before.vote, after.vote):
            return by, influence.claim, influence.quote
    return None, "", ""


def _first_vote(name: str, seats: Sequence[Seat]) -> str | None:
    ballot = next(seat for seat in seats if seat.name == name).turns[0].ballot
    assert ballot is not None, "it was quoted"
    return ballot.vote


def _speaks_for(cited: str | None, was: str | None, now: str | None) -> bool:
    """Whether a claim of a seat with the vote ``cited`` may lead from one vote to another: it voted so too.
    Whoever held another view may lead to an abstention."""
    return cited == now if now is not None else cited != was


def _margin(result: Result, was: str | None, now: str | None) -> int:
    """What the change did to the lead of the winner, or of the side it went to (or left, to abstain)."""
    option = result.winner or now or was
    assert option is not None, "one of two different votes is for an option"
    without = dict(result.tally)
    if now is not None:
        without[now] -= 1
    if was is not None:
        without[was] += 1
    return lead(result.tally, option) - lead(without, option)
