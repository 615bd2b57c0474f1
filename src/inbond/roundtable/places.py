"""Who is to sit at a table, before anything is opened: names, models, and what may be said of a seat. Pure.

A seat is ``session.Seat`` from the first: what is known only once its model is open (identity, parameters)
is filled in by ``seating``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from inbond.errors import InputError
from inbond.roundtable.likeness import is_hidden, look, same
from inbond.roundtable.personas import personas
from inbond.roundtable.session import Seat
from inbond.types import parse_model_name

MOST_SEATS: Final = 26
MOST_NAME: Final = 40
MOST_PERSONA: Final = 2_000
EMBEDDED: Final = 3
MOST_EMBEDDED: Final = 6
WRITER: Final = "writer"
"""What the transcript calls who words the summary; no seat may have that name."""
_WRITER_TEMPERATURE: Final = 0.3
_MOST_TEXT: Final = 240
_MOST_WIDE_TEXT: Final = 80
"""Characters of each text in a small model's reply; those of Chinese, Japanese and Korean cost it more."""
_LABEL: Final = re.compile(r"seat [a-z]{1,2}")


def make_seat(
    name: str, uri: str, *, persona: str = "", temperature: float = 0.7, max_tokens: int = 1500
) -> Seat:
    """One seat, checked. Raises InputError for a name, a model's name or a number that cannot be."""
    name, persona = name.strip(), persona.strip()
    _check_name(name)
    parse_model_name(uri)
    _check_number("temperature", name, temperature, 0, 2)
    _check_number("max_tokens", name, max_tokens, 16, 100_000)
    if len(persona) > MOST_PERSONA or _unseen(persona.replace("\n", " ")):
        raise InputError(
            expected=f"a persona of at most {MOST_PERSONA:,} characters for {name}",
            found=f"{len(persona):,} characters, or some that cannot be seen",
            fix="say in a sentence or two from which point of view the seat judges",
        )
    return Seat(name, uri, persona=persona, temperature=float(temperature), max_tokens=max_tokens)


def split_seat(text: str) -> tuple[str, str]:
    """The name and the model's name in ``NAME=URI``, as --seat gives them. Raises InputError."""
    name, equals, uri = (part.strip() for part in text.partition("="))
    if not equals or not name or not uri:
        raise InputError(
            expected="a seat as NAME=URI",
            found=repr(text[:120]),
            fix="for example --seat Ada=api:localhost:8080/my-model or --seat Kai=gguf:model.gguf",
        )
    return name, uri


def check_table(seats: Sequence[Seat]) -> tuple[Seat, ...]:
    """The seats, if they can sit together: 1 to ``MOST_SEATS``, no two of a name. Raises InputError."""
    if not 0 < len(seats) <= MOST_SEATS:
        raise InputError(
            expected=f"1 to {MOST_SEATS} seats", found=str(len(seats)), fix="name each with --seat NAME=URI"
        )
    seen: dict[str, Seat] = {}
    for seat in seats:
        other = seen.setdefault(look(seat.name), seat)
        if other is not seat:
            raise InputError(
                expected="seats whose names differ",
                found=f"{other.name!r} and {seat.name!r}, which read the same",
                fix="rename one; two seats may well have one model",
            )
    return tuple(seats)


def embedded_seats(count: int, language: str, models: Sequence[str]) -> tuple[Seat, ...]:
    """A table of local models: ``count`` seats, over the model names in turn, that differ by persona and
    temperature. Raises InputError for a count that is out of range, and where there is no model at all."""
    if not 0 < count <= MOST_EMBEDDED:
        raise InputError(
            expected=f"1 to {MOST_EMBEDDED} seats of local models",
            found=str(count),
            fix="name further seats with --seat NAME=URI",
        )
    if not models:
        raise InputError(
            expected="a seat (--seat NAME=URI), or a small model on this machine to fill the table with",
            found="neither",
            fix="inbond models pull smollm2-135m-instruct",
        )
    most = _MOST_WIDE_TEXT if language in ("ja", "ko", "zh") else _MOST_TEXT
    chosen = personas(language)[:count]
    seats = (
        make_seat(each.name, models[number % len(models)], persona=each.text, temperature=each.temperature)
        for number, each in enumerate(chosen)
    )
    return tuple(replace(seat, most_text=most) for seat in seats)


def writer_seat(uri: str) -> Seat:
    """Who words the summary: it has no vote. Raises InputError."""
    parse_model_name(uri)
    return Seat(WRITER, uri, temperature=_WRITER_TEMPERATURE)


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MOST_NAME or _unseen(name):
        raise InputError(
            expected=f"a seat's name of 1 to {MOST_NAME} characters that can all be seen, on one line",
            found=repr(name[:60]),
            fix="shorten it, or write it anew",
        )
    if same(name) == WRITER or _LABEL.fullmatch(same(name)):
        raise InputError(
            expected="a seat's name that the record does not use for something else",
            found=repr(name),
            fix=f"choose another: the {WRITER} words the summary, seats know each other as Seat A, Seat B",
        )


def _unseen(text: str) -> bool:
    return any(map(is_hidden, text))


def _check_number(what: str, name: str, value: float, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(
            expected=f"{what} of {name} from {least} to {most:,}", found=str(value), fix=f"correct {what}"
        )
