"""A roundtable's session in a few lines for the terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from inbond.report.text import columns, one_line
from inbond.roundtable.session import Seat, Session, Turn

_NAME: Final = 18
_WHY: Final = 120


def lines(session: Session, page: str, transcript: str) -> Iterator[str]:
    """The answer first, then each seat, what moved, what it cost, and where it lies."""
    labels = {option.id: option.label for option in session.question.options}
    yield one_line(session.question.text)
    yield ""
    if session.result is not None and session.closed_at is None:
        yield _unfinished(session)
    yield one_line(session.result.sentence) if session.result is not None else _unfinished(session)
    if session.result is not None and session.rounds_held > 1:
        for word, tally in (("first vote", session.result.round1), ("final vote", session.result.tally)):
            counts = ", ".join(f"{one_line(labels[id_])} {count}" for id_, count in tally.items())
            yield f"  {word}: {counts}"
    yield ""
    yield from (_seat(seat, labels) for seat in session.seats)
    for point in session.turning_points:
        rests = f"citing {point.by} {point.claim}" if point.by is not None else "citing nothing that holds"
        flag = ", with the larger side" if point.bandwagon else ""
        way = f"{labels.get(point.was or '', 'no vote')} -> {labels.get(point.now or '', 'no vote')}"
        yield f"  {one_line(f'{point.seat}: {way}, {rests}{flag}')}"
    if any(seat.last is not None and seat.last.status == "timeout" for seat in session.seats):
        yield "  (--timeout SECONDS gives every seat longer)"
    yield ""
    yield f"  cost         {cost_told(session)}, {session.seconds:,.1f} s"
    if page:
        yield f"  page         {page}"
    yield f"  transcript   {transcript}"


def how_far(session: Session) -> str:
    """The round that is under way, and how many of those who have a turn in it are done."""
    round_ = session.rounds_held + 1
    there = [
        seat for seat in session.seats if round_ == 1 or (seat.turns and seat.turns[0].ballot is not None)
    ]
    done = sum(any(turn.round == round_ for turn in seat.turns) for seat in there)
    return f"round {round_}: {done} of {len(there)} seats are done"


def cost_told(session: Session) -> str:
    """What is known of it: a host without a price in hosts.yaml may well ask one."""
    if not session.unpriced:
        return f"${session.cost_usd:,.4f}"
    if not session.cost_usd:
        return "no price known"
    return f"${session.cost_usd:,.4f}, and no price known of {one_line(', '.join(session.unpriced))}"


def _unfinished(session: Session) -> str:
    far = how_far(session) if session.result is None else "summing up"
    return f"Not finished, {far}; the same ask goes on with it."


def _seat(seat: Seat, labels: dict[str, str]) -> str:
    ways = " -> ".join(_turn(turn, labels) for turn in seat.turns) or "no answer yet"
    name = one_line(seat.name)
    return f"  {name}{' ' * max(1, _NAME - columns(name))}{ways}"


def _turn(turn: Turn, labels: dict[str, str]) -> str:
    if turn.status == "voted" and turn.ballot is not None:
        sure = "" if turn.ballot.confidence is None else f" ({turn.ballot.confidence:.0%})"
        return one_line(labels.get(turn.ballot.vote or "", "?")) + sure
    return f"{turn.status}{f' ({_cut(one_line(turn.why))})' if turn.why else ''}"


def _cut(text: str) -> str:
    return text if len(text) <= _WHY else f"{text[: _WHY - 3].rstrip()}..."
