"""What is due in a session: whom to ask what, and what follows from what is known. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.digest import of_value, to_raw
from inbond.engine.wrong_language import is_wrong
from inbond.roundtable import prompts, summary
from inbond.roundtable.anonymity import label, peers
from inbond.roundtable.ballots import Ballot
from inbond.roundtable.calls import Again, Call, Over, ToRead, following
from inbond.roundtable.forms import bounded, first_schema, read_ballot, second_schema
from inbond.roundtable.ladder import Reader, Rung, form_of, read
from inbond.roundtable.places import WRITER
from inbond.roundtable.protocol import (
    SUMMARY,
    State,
    all_turns_over,
    in_round,
    is_over,
    session,
    stopped,
)
from inbond.roundtable.session import Seat
from inbond.roundtable.verdict import verdict_of
from inbond.teachers.protocols import Form, Sampling
from inbond.types import Message

_WRITER_TOKENS: Final = 1_500
_WRITER_TEMPERATURE: Final = 0.2


@final
@dataclass(frozen=True)
class Ask:
    """A call that is due. ``wait_s``: not before so many seconds; ``left_s`` is what is left of the seat's
    time for the round."""

    seat: str
    round: int
    rung: Rung
    attempt: int
    wait_s: float
    left_s: float
    messages: tuple[Message, ...]
    sampling: Sampling
    form: Form | None
    order: tuple[str, ...]
    labels: Mapping[str, str]

    def body(self, call: int) -> dict[str, Any]:
        """Of the event ``asked``."""
        return {
            "call": call,
            "seat": self.seat,
            "round": "summary" if self.round == SUMMARY else self.round,
            "rung": self.rung,
            "attempt": self.attempt,
            "messages": [message.to_json() for message in self.messages],
            "sampling": self.sampling.to_json(),
            "form": None if self.form is None else vars(self.form).copy(),
            "order": list(self.order),
            "labels": dict(self.labels),
        }


@final
@dataclass(frozen=True)
class Note:
    """An event that follows from what is known, without asking anybody."""

    kind: str
    body: Mapping[str, Any]


def due(state: State, busy: Container[tuple[int, str]] = ()) -> tuple[Ask | Note, ...]:
    """All that is due now; nothing while all of it waits for answers, and nothing once it is closed. ``busy``
    are the rounds and seats for which a call is about to be made already."""
    if state.verdict is not None:
        return ()
    if not is_over(state, 1):
        return _round(state, 1, busy)
    if not stopped(state) and not is_over(state, 2):
        return _round(state, 2, busy)
    assert all_turns_over(state), "both rounds are over"
    if state.summary is not None:
        return (_closing(state),)
    return () if (SUMMARY, WRITER) in busy else _summing(state)


# A seat's turn ---------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class _Job:
    """Everything that the calls of one seat in one round share."""

    seat: Seat
    round: int
    task: prompts.Task
    schema: Mapping[str, Any]
    reader: Reader
    order: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


def _round(state: State, round_: int, busy: Container[tuple[int, str]]) -> tuple[Ask | Note, ...]:
    found: list[Ask | Note] = []
    for seat in in_round(state, round_):
        if (round_, seat.name) not in state.over and (round_, seat.name) not in busy:
            found += _turn(state, round_, seat)
    return tuple(found)


def _turn(state: State, round_: int, seat: Seat) -> list[Ask | Note]:
    calls = state.of(round_, seat.name)
    follows = following(calls, state.opened.timeout_s)
    if isinstance(follows, Over):
        return [_seated(seat, round_, follows)]
    if isinstance(follows, Again):
        return [_ask(state, _seat_job(state, round_, seat), calls, follows)]
    if isinstance(follows, ToRead):
        return [_read(state, follows.call, _seat_job(state, round_, seat))]
    return []


def _seated(seat: Seat, round_: int, over: Over) -> Note:
    status, why = over.status, over.why
    if over.valid is not None and over.valid.read is not None:
        ballot = over.valid.read.value or {}
        status = "abstained" if ballot.get("vote") is None else "voted"
        why = str(ballot.get("abstain_reason") or "") if status == "abstained" else ""
    return Note("seated", {"seat": seat.name, "round": round_, "status": status, "why": why})


def _seat_job(state: State, round_: int, seat: Seat) -> _Job:
    question = state.opened.question
    number = state.opened.seats.index(seat)
    order = question.order(number)
    if round_ == 1:
        task = prompts.first(question, order, seat.persona, state.opened.seed)
        schema = first_schema(question, order)
        return _Job(seat, 1, task, schema, _ballot_reader(state, ()), tuple(each.id for each in order))
    answers, labels = _answers(state, number)
    own = _ballot(state, seat.name)
    assert own is not None, "who has a second turn answered in the first"
    task = prompts.second(question, order, own, answers, state.names, seat.persona, state.opened.seed)
    told = [each.label for each in answers]
    return _Job(
        seat,
        2,
        task,
        second_schema(question, order, told),
        _ballot_reader(state, told),
        tuple(each.id for each in order),
        labels,
    )


def _answers(state: State, number: int) -> tuple[list[prompts.Answer], tuple[tuple[str, str], ...]]:
    """What the seat of this number is shown of the others, and whose each label is."""
    seats = state.opened.seats
    shown = [(other, _ballot(state, seats[other].name)) for other in peers(seats, number)]
    there = [(other, ballot) for other, ballot in shown if ballot is not None]
    answers = [prompts.Answer(label(other), ballot) for other, ballot in there]
    return answers, tuple((label(other), seats[other].name) for other, _ in there)


def _ballot(state: State, name: str) -> Ballot | None:
    turn = state.turn(1, name)
    return turn.ballot if turn is not None else None


def _ballot_reader(state: State, labels: Sequence[str]) -> Reader:
    def reader(value: Any) -> tuple[Mapping[str, Any] | None, tuple[str, ...], tuple[str, ...]]:
        found = read_ballot(value, state.opened.question, labels)
        return None if found.ballot is None else found.ballot.to_json(), found.problems, found.lapses

    return reader


def _ask(state: State, job: _Job, calls: Sequence[Call], again: Again) -> Ask:
    messages = job.task.messages(again.rung, job.schema)
    last = again.last
    if last is not None and last.read is not None:
        question, wrong = state.opened.question, last.read.wrong_language
        messages += prompts.again(question, last.text, last.read.problems, wrong_language=wrong)
    used_s = sum(call.seconds for call in calls)
    return Ask(
        seat=job.seat.name,
        round=job.round,
        rung=again.rung,
        attempt=again.attempt,
        wait_s=again.wait_s,
        left_s=max(0.0, state.opened.timeout_s - used_s),
        messages=messages,
        sampling=Sampling(
            max_tokens=job.seat.max_tokens,
            temperature=float(job.seat.temperature),
            seed=_seed(state, job, again.attempt),
        ),
        form=form_of(
            again.rung, "ballot" if job.round else "summary", bounded(job.schema, job.seat.most_text)
        ),
        order=job.order,
        labels=dict(job.labels),
    )


def _seed(state: State, job: _Job, attempt: int) -> int:
    """Another for each seat and attempt, and the same wherever the seat sits."""
    raw = to_raw(of_value([state.opened.seed, job.seat.name, job.round, attempt]))
    return int.from_bytes(raw[:4], "big") >> 1


def _read(state: State, call: Call, job: _Job) -> Note:
    found = read(call.rung, call.text, call.finish, call.characters, job.reader)
    body = {
        "call": call.number,
        "path": found.path,
        "value": found.value,
        "problems": list(found.problems),
        "notes": list(found.notes),
        "bare": found.bare,
        "refused": found.refused,
        "wrong_language": found.value is not None
        and is_wrong(_said(found.value), state.opened.question.language),
    }
    return Note("read", body)


def _said(value: Mapping[str, Any]) -> str:
    """All the running text of a ballot, or of a summary."""
    if "sentences" in value:
        return " ".join(each["text"] for each in value["sentences"])
    return " ".join([value["reasoning"], *(each["text"] for each in value["claims"])])


# The end ---------------------------------------------------------------------------------------------


def _summing(state: State) -> tuple[Ask | Note, ...]:
    """The writer's turn, or what comes in its place."""
    seats = state.seats()
    if state.opened.writer is None:
        return (_summarised(state, None, ""),)
    if not any(turn.ballot is not None for seat in seats for turn in seat.turns):
        return (_summarised(state, None, "no seat gave an answer"),)
    calls = state.of(SUMMARY, WRITER)
    follows = following(calls, state.opened.timeout_s)
    if isinstance(follows, Over):
        return (_summarised(state, follows.valid, follows.why),)
    if isinstance(follows, Again):
        return (_ask(state, _writer_job(state, seats), calls, follows),)
    if isinstance(follows, ToRead):
        return (_read(state, follows.call, _writer_job(state, seats)),)
    return ()


def _writer_job(state: State, seats: tuple[Seat, ...]) -> _Job:
    writer = Seat(WRITER, "", temperature=_WRITER_TEMPERATURE, max_tokens=_WRITER_TOKENS)
    task = prompts.writer(state.opened.question, summary.spoken(seats, state.names), state.opened.seed)

    def reader(value: Any) -> tuple[Mapping[str, Any] | None, tuple[str, ...], tuple[str, ...]]:
        return summary.read(value, seats, state.names)

    return _Job(writer, SUMMARY, task, summary.schema(seats), reader)


def _summarised(state: State, valid: Call | None, why: str) -> Note:
    found = session(state)
    assert found.result is not None, "all turns are over"
    written = valid.read.value if valid is not None and valid.read is not None else None
    made = summary.make(
        found.question,
        found.seats,
        found.result,
        state.names,
        written=written,
        by=state.opened.writer or "code",
        why_code=why,
    )
    return Note("summarised", summary.to_json(made))


def _closing(state: State) -> Note:
    return Note("closed", {"verdict": verdict_of(session(state), state.digest).to_json()})
