"""Reads a transcript without taking its word: what follows from other lines is derived again. Pure.

Raw are how the session was opened, what hosts answered and how calls failed; of these only types and ranges
can be checked. Who was asked, and with what words, how a reply was read, how a turn ended, the summary and
the verdict follow: at each such line ``due`` must come to that very event. So a transcript whose chain was
made anew is believed only so far as its raw replies bear it out.

Another version may derive otherwise. It cannot tell that from a change by hand; so it refuses the line all
the same, and names both versions.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from inbond import __version__
from inbond.digest import canonical
from inbond.errors import TamperedError
from inbond.roundtable import raw
from inbond.roundtable.due import Ask, Note, due
from inbond.roundtable.events import Event
from inbond.roundtable.places import WRITER
from inbond.roundtable.protocol import SUMMARY, State, begin, step

_DERIVED: Final = ("asked", "read", "seated", "summarised", "closed")
_ENDS: Final = ("answered", "failed")
_TOLD: Final = 80


def checked(events: Iterable[Event]) -> State:
    """The state after these events, each of which was checked against those before it. Raises TamperedError
    that names the line, what was expected there and what it says."""
    state: State | None = None
    for event in events:
        wrong = raw.wrong_time(event.at) or raw.wrong(event.kind, event.body)
        if wrong is None and state is not None:
            wrong = _wrong(state, event)
        if wrong is not None:
            raise _tampered(event, *wrong, state.opened.version if state is not None else __version__)
        state = begin(event) if state is None else step(state, event)
    assert state is not None, "a transcript has a first event"
    return state


def _wrong(state: State, event: Event) -> tuple[str, str] | None:
    """What is expected and what is found, where an event does not follow; None where it does."""
    if state.verdict is not None:
        return "nothing after the session was closed", f"{event.kind!r:.40}"
    if event.kind in _ENDS:
        return _not_open(state, event.body["call"])
    if event.kind == "resumed":
        return raw.wrong_fields(event.body, {})
    return _otherwise(state, event) if event.kind in _DERIVED else None


def _not_open(state: State, number: int) -> tuple[str, str] | None:
    there = [call.number for call in state.calls if call.state == "open"]
    told = ", ".join(map(str, there)) or "none"
    return None if number in there else (f"the end of a call in flight ({told})", f"that of call {number}")


def _otherwise(state: State, event: Event) -> tuple[str, str] | None:
    key = _key(state, event)
    found = due(state, _AllBut(key))
    follows = [_event(state, each) for each in found]
    body = next((body for kind, body in follows if kind == event.kind), None)
    if body is None:
        told = ", ".join(kind for kind, _ in follows) or "nothing"
        return f"{told}, which is all that is due of {key[1]!r:.60}", f"{event.kind!r}"
    if event.kind == "read":
        body = {**body, "wrong_language": _tongue(event.body, body)}
    return None if canonical(body) == canonical(event.body) else _difference(body, event.body)


def _key(state: State, event: Event) -> tuple[Any, Any]:
    """The round and the seat that an event is about, if it is what it says."""
    if event.kind in ("summarised", "closed"):
        return SUMMARY, WRITER
    if event.kind == "read":
        number = event.body.get("call")
        calls = (call for call in state.calls if type(number) is int and call.number == number)
        return next(((call.round, call.seat) for call in calls), (None, None))
    round_ = event.body.get("round")
    return SUMMARY if round_ == "summary" else round_, event.body.get("seat")


def _event(state: State, each: Ask | Note) -> tuple[str, Mapping[str, Any]]:
    if isinstance(each, Note):
        return each.kind, each.body
    return "asked", each.body(len(state.calls))


def _tongue(found: Mapping[str, Any], derived: Mapping[str, Any]) -> bool:
    """Whether a reply is in another language may be told by a package that is not installed here. What was
    told stays; the lines after it must agree with it."""
    said = found.get("wrong_language")
    told = type(said) is bool and derived["value"] is not None
    return bool(said if told else derived["wrong_language"])


@final
@dataclass(frozen=True)
class _AllBut(Container[tuple[int, str]]):
    """As if all others were being asked: so that only what is due of one seat in one round is worked out."""

    key: tuple[Any, Any]

    def __contains__(self, key: object) -> bool:
        return key != self.key


def _difference(expected: Any, found: Any, at: str = "") -> tuple[str, str]:
    """The first place where two bodies differ: what should stand there, and what does."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping) and set(expected) == set(found):
        for name in expected:
            if canonical(expected[name]) != canonical(found[name]):
                return _difference(expected[name], found[name], f"{at}.{name}" if at else name)
    several = isinstance(expected, list | tuple) and isinstance(found, list)
    if several and len(expected) == len(found):
        for number, pair in enumerate(zip(expected, found, strict=True)):
            if canonical(pair[0]) != canonical(pair[1]):
                return _difference(*pair, f"{at}[{number}]")
    return f"{at or 'a body'}: {_short(expected)}", _short(found)


def _short(value: Any) -> str:
    text = canonical(value).decode()
    return text if len(text) <= _TOLD else text[: _TOLD - 4] + " ..."


def _tampered(event: Event, expected: str, found: str, version: str) -> TamperedError:
    fix = "take the transcript from a copy: one that was changed by hand proves nothing"
    if version != __version__:
        fix = (
            f"read it with Inbond {version:.40}, which held the session: {__version__} cannot tell a change "
            "by hand from another way of deriving"
        )
    return TamperedError(
        expected=f"line {event.n + 1}, {event.kind!r:.40}, as it follows from the lines before: {expected}",
        found=found,
        fix=fix,
    )
