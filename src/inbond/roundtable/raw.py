"""What is raw in a transcript, which nothing else in it bears out: its types, and its ranges. Pure.

How a session was opened, what a host answered, that a call failed, when something was. All the rest follows
from these, and ``checking`` derives it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from inbond.digest import canonical
from inbond.errors import InputError
from inbond.roundtable.ladder import MOST_READ
from inbond.roundtable.places import check_table, make_seat
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat
from inbond.teachers.protocols import FAILURES, FinishReason

KEPT_OF_LONG: Final = 4_096
"""Characters that are kept of a reply that is longer than is looked through."""
MOST_TOLD: Final = 500
"""Characters of what a host says of itself, or of what went wrong."""
MOST_TIMEOUT_S: Final = 86_400
ABSENT: Final = "absent"
FAULT: Final = "fault"
_REASONS: Final = (*FAILURES, ABSENT, FAULT)
_MOST: Final = 2**53 - 1
_LAST_S: Final = 253_402_300_799
"""The end of the year 9999, in seconds since 1970."""

Fits = Callable[[Any], bool]


def wrong(kind: str, body: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is expected, and what is found instead, where an event that is raw cannot be so; None where it
    can, or where this kind is derived."""
    shape = _SHAPES.get(kind)
    if shape is None:
        return None
    return wrong_fields(body, shape) or _FURTHER.get(kind, _nothing)(body)


def wrong_time(at: Any) -> tuple[str, str] | None:
    """As ``wrong``, for when an event was."""
    return None if _number(0, _LAST_S)(at) else ("a time from 1970 to the year 9999", f"at {at!r:.40}")


def wrong_fields(value: Any, shape: Mapping[str, tuple[str, Fits]], of: str = "") -> tuple[str, str] | None:
    """As ``wrong``, for an object with just these fields."""
    if not isinstance(value, Mapping) or set(value) != set(shape):
        fields = sorted(map(str, value)) if isinstance(value, Mapping) else value
        return f"{of or 'a body'} with the fields {', '.join(shape)}", f"{fields!r:.200}"
    for name, (told, fits) in shape.items():
        if not fits(value[name]):
            return f"{of}{'.' if of else ''}{name}: {told}", f"{value[name]!r:.80}"
    return None


def _number(least: float, most: float = _MOST) -> Fits:
    return lambda value: type(value) in (int, float) and least <= value <= most


def _whole(least: int, most: int = _MOST) -> Fits:
    return lambda value: type(value) is int and least <= value <= most


def _text(most: int = _MOST) -> Fits:
    return lambda value: type(value) is str and len(value) <= most


def _or_null(fits: Fits) -> Fits:
    return lambda value: value is None or fits(value)


def _is(kind: type) -> Fits:
    return lambda value: type(value) is kind


_TEXT: Final = ("a text", _text())
_TOLD: Final = (f"a text of at most {MOST_TOLD} characters", _text(MOST_TOLD))
_COUNT: Final = ("a whole number, 0 or more", _whole(0))
_AMOUNT: Final = ("a number, 0 or more", _number(0))
_SEVERAL: Final = ("a list", _is(list))
_ONE_OF: Final = "one of {}".format
_SPENT: Final = {
    "call": _COUNT,
    "seconds": _AMOUNT,
    "cost_usd": _AMOUNT,
    "prompt_tokens": _COUNT,
    "completion_tokens": _COUNT,
}
_SHAPES: Final[Mapping[str, Mapping[str, tuple[str, Fits]]]] = {
    "opened": {
        "format": _TEXT,
        "id": _TEXT,
        "version": _TEXT,
        "question": ("an object", _is(dict)),
        "seats": _SEVERAL,
        "writer": ("a text or null", _or_null(_text())),
        "rounds": ("1 or 2", _whole(1, 2)),
        "timeout_s": ("seconds, up to a day", lambda value: _number(0, MOST_TIMEOUT_S)(value) and value > 0),
        "seed": ("a whole number", _whole(-_MOST)),
    },
    "answered": {
        **_SPENT,
        "text": ("a text that can be looked through", _text(MOST_READ)),
        "characters": _COUNT,
        "finish": (_ONE_OF(", ".join(get_args(FinishReason))), lambda value: value in get_args(FinishReason)),
        "model": _TOLD,
    },
    "failed": {
        **_SPENT,
        "reason": (_ONE_OF(", ".join(_REASONS)), lambda value: value in _REASONS),
        "message": _TOLD,
        "retryable": ("true or false", _is(bool)),
        "retry_after_s": ("null, or a number, 0 or more", _or_null(_number(0))),
    },
}
_QUESTION: Final = {
    "text": _TEXT,
    "language": _TEXT,
    "options": _SEVERAL,
    "allow_abstain": ("true or false", _is(bool)),
}
_OPTION: Final = {"id": _TEXT, "label": _TEXT}
_SEAT: Final = {
    "name": _TEXT,
    "uri": _TEXT,
    "identity": _TEXT,
    "persona": _TEXT,
    "temperature": _AMOUNT,
    "parameters": ("null or a whole number, 0 or more", _or_null(_whole(0))),
    "max_tokens": _COUNT,
    "most_text": ("null or a whole number, 1 or more", _or_null(_whole(1))),
}


# What one field alone does not tell ------------------------------------------------------------------


def _nothing(body: Mapping[str, Any]) -> None:  # noqa: ARG001  # it is one of those in _FURTHER
    return None


def _opened(body: Mapping[str, Any]) -> tuple[str, str] | None:
    found = wrong_fields(body["question"], _QUESTION, "question")
    for number, option in enumerate(body["question"]["options"] if found is None else ()):
        found = found or wrong_fields(option, _OPTION, f"question.options[{number}]")
    for number, seat in enumerate(body["seats"]):
        found = found or wrong_fields(seat, _SEAT, f"seats[{number}]")
    if found is not None:
        return found
    try:
        check_seats(tuple(Seat(**seat) for seat in body["seats"]))
        return _asked_otherwise(body["question"])
    except InputError as error:
        return error.expected, error.found


def check_seats(seats: tuple[Seat, ...]) -> None:
    """Raises InputError for seats that ``places`` would not have made, or that cannot sit together."""
    for seat in check_table(seats):
        make_seat(
            seat.name,
            seat.uri,
            persona=seat.persona,
            temperature=seat.temperature,
            max_tokens=seat.max_tokens,
        )


def _asked_otherwise(question: Mapping[str, Any]) -> tuple[str, str] | None:
    """Options have the ids that the question gives them. Raises InputError."""
    labels = [option["label"] for option in question["options"]]
    made = Question.make(
        question["text"], labels, question["language"], allow_abstain=question["allow_abstain"]
    )
    if canonical(made.to_json()) == canonical(question):
        return None
    ids = ", ".join(f"{option.id} for {option.label!r:.40}" for option in made.options)
    return (
        f"the question as it is put, with the ids {ids}",
        f"{[o['id'] for o in question['options']]!r:.200}",
    )


def _answered(body: Mapping[str, Any]) -> tuple[str, str] | None:
    long, kept = body["characters"], len(body["text"])
    if kept == (long if long <= MOST_READ else KEPT_OF_LONG):
        return None
    return f"a text of {long} characters, or the first {KEPT_OF_LONG} of more than {MOST_READ}", f"{kept}"


_FURTHER: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[str, str] | None]]] = {
    "opened": _opened,
    "answered": _answered,
}
