"""The session as a state machine: events fold into a state, and the state says what is due. Pure.

Round 1 is blind. If the seats that voted agree, that is all; else there is one round more, in which each seat
that answered sees the others' answers without names. Then a writer, who does not vote, sums up what was said,
and the session is closed. A seat that failed in a round stays as it failed.

``fold`` is total over every prefix of a transcript; whatever is due after a prefix leads to a whole session.
So going on after a crash is no case of its own: what was in flight is marked as lost, and is due again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, final

from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.roundtable import summary as summaries
from inbond.roundtable.anonymity import names_of
from inbond.roundtable.ballots import Ballot
from inbond.roundtable.calls import Call, ReadBack, valid_of
from inbond.roundtable.events import FORMAT, Event
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat, Session, Status, Summary, Turn
from inbond.roundtable.tally import count
from inbond.roundtable.turning import find

SUMMARY: Final = 0
"""The number of the round in which the writer is asked; transcripts call it "summary"."""


@final
@dataclass(frozen=True)
class Opened:
    """How a session began. ``writer`` is the name of the model that sums up; None for code."""

    id: str
    version: str
    question: Question
    seats: tuple[Seat, ...]
    writer: str | None
    rounds: int
    timeout_s: float
    seed: int
    at: float

    def to_json(self) -> dict[str, Any]:
        """The body of the event ``opened``."""
        return {
            "format": FORMAT,
            "id": self.id,
            "version": self.version,
            "question": self.question.to_json(),
            "seats": [_seat_json(seat) for seat in self.seats],
            "writer": self.writer,
            "rounds": self.rounds,
            "timeout_s": float(self.timeout_s),
            "seed": self.seed,
        }


_SEAT_FIELDS: Final = (
    "name", "uri", "identity", "persona", "temperature", "parameters", "max_tokens", "most_text",
)  # fmt: skip


def _seat_json(seat: Seat) -> dict[str, Any]:
    return {name: getattr(seat, name) for name in _SEAT_FIELDS}


@final
@dataclass(frozen=True)
class State:
    """All that the events say. ``over`` has, by round and seat, how a seat's round ended; ``still_s`` is how
    long nobody was at work on it: from the last event before it was resumed until it was."""

    opened: Opened
    digest: Digest
    at: float
    calls: tuple[Call, ...] = ()
    over: Mapping[tuple[int, str], tuple[Status, str]] = field(default_factory=lambda: MappingProxyType({}))
    summary: Summary | None = None
    verdict: Mapping[str, Any] | None = None
    resumed: int = 0
    still_s: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """What seats are not shown of each other."""
        return names_of(self.opened.seats, self.opened.question)

    def of(self, round_: int, seat: str) -> tuple[Call, ...]:
        """The calls of one seat in one round."""
        return tuple(call for call in self.calls if call.round == round_ and call.seat == seat)

    def turn(self, round_: int, seat: str) -> Turn | None:
        """What came of a seat's round; None while it lasts."""
        over = self.over.get((round_, seat))
        return None if over is None else _turn(round_, self.of(round_, seat), *over)

    def seats(self) -> tuple[Seat, ...]:
        """The seats with the turns that they had."""
        return tuple(
            replace(seat, turns=self._turns(seat.name), model=_model(self.calls, seat.name))
            for seat in self.opened.seats
        )

    def _turns(self, seat: str) -> tuple[Turn, ...]:
        found = (self.turn(round_, seat) for round_ in (1, 2))
        return tuple(turn for turn in found if turn is not None)


def fold(events: Iterable[Event]) -> State:
    """The state after these events, of which the first opens the session. Raises TamperedError for events
    that no session writes."""
    state: State | None = None
    for event in events:
        try:
            state = begin(event) if state is None else step(state, event)
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise _odd(event) from error
    assert state is not None, "a transcript has a first event"
    return state


def step(state: State, event: Event) -> State:
    """The state after one event more."""
    if event.kind not in _STEPS:
        raise _odd(event)
    return replace(_STEPS[event.kind](state, event), digest=event.digest, at=event.at)


def _odd(event: Event) -> TamperedError:
    return TamperedError(
        expected=f"a transcript of format {FORMAT}",
        found=f"line {event.n + 1}, {event.kind!r:.40}, which no session writes there",
        fix="read it with the Inbond that wrote it, or take it from a copy",
    )


def begin(event: Event) -> State:
    """The state after the first event. Raises TamperedError for another kind or format."""
    body = event.body
    if event.kind != "opened" or body["format"] != FORMAT:
        raise _odd(event)
    seats = tuple(Seat(**each) for each in body["seats"])
    opened = Opened(
        body["id"],
        body["version"],
        Question.from_json(body["question"]),
        seats,
        body["writer"],
        body["rounds"],
        body["timeout_s"],
        body["seed"],
        event.at,
    )
    return State(opened, event.digest, event.at)


def _asked(state: State, event: Event) -> State:
    body = event.body
    round_ = SUMMARY if body["round"] == "summary" else body["round"]
    call = Call(body["call"], body["seat"], round_, body["rung"], tuple(body["order"]), dict(body["labels"]))
    return replace(state, calls=(*state.calls, call))


def _changed(of: State, event: Event, **fields: Any) -> State:
    number = event.body["call"]
    calls = (replace(call, **fields) if call.number == number else call for call in of.calls)
    return replace(of, calls=tuple(calls))


def _answered(state: State, event: Event) -> State:
    names = ("text", "characters", "finish", "model", "seconds", "cost_usd", "prompt_tokens")
    kept = {name: event.body[name] for name in (*names, "completion_tokens")}
    return _changed(state, event, state="answered", **kept)


def _failed(state: State, event: Event) -> State:
    names = ("reason", "message", "retryable", "retry_after_s", "seconds", "cost_usd", "prompt_tokens")
    kept = {name: event.body[name] for name in (*names, "completion_tokens")}
    return _changed(state, event, state="failed", **kept)


def _read(state: State, event: Event) -> State:
    body = event.body
    read = ReadBack(
        body["path"],
        body["value"],
        tuple(body["problems"]),
        body["bare"],
        body["refused"],
        body["wrong_language"],
    )
    if read.value is not None:
        _check_value(state, event, read.value)
    return _changed(state, event, read=read)


def _check_value(state: State, event: Event, value: Mapping[str, Any]) -> None:
    """Raises what ``fold`` expects, for a value that no reading gives."""
    round_ = next(call.round for call in state.calls if call.number == event.body["call"])
    if round_ == SUMMARY:
        tuple(map(summaries.sentence_from_json, value["sentences"]))
    elif (vote := Ballot.from_json(value).vote) is not None:
        state.opened.question.option(vote)


def _seated(state: State, event: Event) -> State:
    key = (event.body["round"], event.body["seat"])
    return replace(state, over={**state.over, key: (event.body["status"], event.body["why"])})


def _summarised(state: State, event: Event) -> State:
    return replace(state, summary=summaries.from_json(event.body))


def _closed(state: State, event: Event) -> State:
    return replace(state, verdict=event.body["verdict"])


def _resumed(state: State, event: Event) -> State:
    calls = tuple(replace(call, state="lost") if call.state == "open" else call for call in state.calls)
    still_s = state.still_s + max(0.0, event.at - state.at)
    return replace(state, calls=calls, resumed=state.resumed + 1, still_s=still_s)


_STEPS: Final[Mapping[str, Callable[[State, Event], State]]] = {
    "asked": _asked,
    "answered": _answered,
    "failed": _failed,
    "read": _read,
    "seated": _seated,
    "summarised": _summarised,
    "closed": _closed,
    "resumed": _resumed,
}


# What the state means --------------------------------------------------------------------------------


def in_round(state: State, round_: int) -> tuple[Seat, ...]:
    """Who has a turn in this round: everybody in the first; then who voted or abstained."""
    if round_ == 1:
        return state.opened.seats
    firsts = ((seat, state.turn(1, seat.name)) for seat in state.opened.seats)
    return tuple(seat for seat, turn in firsts if turn is not None and turn.ballot is not None)


def is_over(state: State, round_: int) -> bool:
    """Whether everybody's turn in this round is over."""
    return all((round_, seat.name) in state.over for seat in in_round(state, round_))


def stopped(state: State) -> str:
    """Why there is no second round; "" where there is one, or the first is not over."""
    if not is_over(state, 1):
        return ""
    ballots = [turn.ballot for seat in state.opened.seats if (turn := state.turn(1, seat.name)) is not None]
    votes = [ballot.vote for ballot in ballots if ballot is not None and ballot.vote is not None]
    if len(votes) < 2:
        return "fewer than two seats voted"
    if len(set(votes)) == 1:
        return "all that voted agree"
    return "one round was asked for" if state.opened.rounds < 2 else ""


def all_turns_over(state: State) -> bool:
    """Whether the count may begin."""
    return is_over(state, 1) and (bool(stopped(state)) or is_over(state, 2))


def session(state: State) -> Session:
    """All that a page, a verdict or a reader needs, as far as the session came."""
    opened, seats = state.opened, state.seats()
    counted = all_turns_over(state)
    result = count(opened.question, seats) if counted else None
    second = is_over(state, 1) and not stopped(state) and is_over(state, 2)
    closed = state.verdict is not None
    return Session(
        id=opened.id,
        version=opened.version,
        question=opened.question,
        seats=seats,
        rounds=opened.rounds,
        timeout_s=opened.timeout_s,
        seed=opened.seed,
        opened_at=opened.at,
        closed_at=state.at if closed else None,
        rounds_held=0 if not is_over(state, 1) else 2 if second else 1,
        stopped=stopped(state),
        result=result,
        turning_points=find(seats, result, state.names) if result is not None else (),
        summary=state.summary,
        resumed=state.resumed,
        in_flight=tuple(call.seat for call in state.calls if call.state == "open"),
        calls=len(state.calls),
        tokens=sum(call.prompt_tokens + call.completion_tokens for call in state.calls),
        cost_usd=sum(call.cost_usd for call in state.calls),
        seconds=round(state.at - opened.at - state.still_s, 3),
        digest=state.digest,
    )


def _model(calls: Iterable[Call], seat: str) -> str:
    """What the host said that it ran, the last time."""
    return next((call.model for call in reversed([*calls]) if call.seat == seat and call.model), "")


def _turn(round_: int, calls: tuple[Call, ...], status: Status, why: str) -> Turn:
    valid = valid_of(calls)
    said = valid or next((call for call in reversed(calls) if call.text), None)
    read = valid.read if valid is not None else None
    return Turn(
        round=round_,
        status=status,
        ballot=Ballot.from_json(read.value) if read is not None and read.value is not None else None,
        path=read.path if read is not None else "invalid" if said is not None else "",
        why=why,
        order=calls[-1].order if calls else (),
        labels=calls[-1].labels if calls else {},
        calls=len(calls),
        seconds=round(sum(call.seconds for call in calls), 3),
        cost_usd=sum(call.cost_usd for call in calls),
        prompt_tokens=sum(call.prompt_tokens for call in calls),
        completion_tokens=sum(call.completion_tokens for call in calls),
    )
