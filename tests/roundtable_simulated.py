"""Whole sessions without a clock, a disk or a model: what is due is answered by a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inbond.roundtable.due import Ask, Note, due
from inbond.roundtable.events import Event, make
from inbond.roundtable.protocol import Opened, State, fold, step
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat

Happens = Callable[[Ask], tuple[str, Mapping[str, Any]]]
"""The kind and the body of the event that a call comes to."""
Choice = Callable[[int], int]
"""Which of so many things happens next."""
_MOST_STEPS = 5_000


def opened(
    question: Question, seats: Sequence[Seat], *, rounds: int = 2, writer: str | None = "w", seed: int = 0
) -> Opened:
    """The beginning of a session."""
    return Opened("s", "0", question, tuple(seats), writer, rounds, 60.0, seed, 0.0)


def begin(how: Opened) -> list[Event]:
    """Its first event."""
    return [make(0, 0.0, "opened", how.to_json(), None)]


def play(
    events: list[Event], happens: Happens, choose: Choice = lambda _: 0, stop_at: int = _MOST_STEPS
) -> State:
    """Goes on until nothing is due, or there are ``stop_at`` events; ``events`` grows. Calls are begun, and
    end, in the order that ``choose`` gives."""
    state = fold(events)
    flying: list[tuple[Ask, int]] = []
    while len(events) < stop_at:
        found = due(state, {(ask.round, ask.seat) for ask, _ in flying})
        asks = [each for each in found if isinstance(each, Ask)]
        notes = [each for each in found if isinstance(each, Note)]
        if not notes and not asks and not flying:
            return state
        entry = _next(state, notes, asks, flying, happens, choose)
        events.append(make(len(events), float(len(events)), *entry, events[-1].digest))
        state = step(state, events[-1])
    assert stop_at < _MOST_STEPS, "a session comes to its end"
    return state


def _next(
    state: State,
    notes: list[Note],
    asks: list[Ask],
    flying: list[tuple[Ask, int]],
    happens: Happens,
    choose: Choice,
) -> tuple[str, Mapping[str, Any]]:
    if notes:
        note = notes[choose(len(notes))]
        return note.kind, note.body
    pick = choose(len(asks) + len(flying))
    if pick < len(asks):
        call = len(state.calls)
        flying.append((asks[pick], call))
        return "asked", asks[pick].body(call)
    ask, call = flying.pop(pick - len(asks))
    kind, body = happens(ask)
    return kind, {"call": call, **body}


def answered(text: str, finish: str = "stop", seconds: float = 1.0) -> tuple[str, dict[str, Any]]:
    """The call is answered so."""
    return "answered", {
        "text": text,
        "characters": len(text),
        "finish": finish,
        "model": "m",
        "seconds": seconds,
        "cost_usd": 0.25,
        "prompt_tokens": 3,
        "completion_tokens": 4,
    }


def failed(
    reason: str, retry_after_s: float | None = None, *, retryable: bool = True
) -> tuple[str, dict[str, Any]]:
    """The call fails so."""
    return "failed", {
        "reason": reason,
        "message": f"words about {reason}",
        "seconds": 1.0,
        "cost_usd": 0.0,
        "retryable": retryable,
        "retry_after_s": retry_after_s,
        "prompt_tokens": 0,
        "completion_tokens": 0,
    }
