"""What seats are shown of each other: labels for names, and no word that tells whose answer it is. Pure but
for reading our own list of brands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from inbond.roundtable.likeness import same
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat

MASK: Final = "[...]"
_LEAST_NAME: Final = 3
_PARTS: Final = re.compile(r"[/:@#]|==")


def label(number: int) -> str:
    """Seat A, Seat B, ... Seat Z, Seat AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"Seat {letters}"


def peers(seats: Sequence[Seat], number: int) -> tuple[int, ...]:
    """The others in the order in which the seat of this number sees them: those after it first, around."""
    return tuple((number + step) % len(seats) for step in range(1, len(seats)))


def names_of(seats: Iterable[Seat], question: Question) -> tuple[str, ...]:
    """All that would tell whose an answer is: seats' names, models' names, brands; the longest first. What
    the question or an option says stays, since everybody must be able to speak of it."""
    asked = same(" ".join([question.text, *(option.label for option in question.options)]))
    told = {part for seat in seats for part in _told(seat)}
    kept = {name for name in told | set(_brands()) if len(name) >= _LEAST_NAME and same(name) not in asked}
    return tuple(sorted(kept, key=lambda name: (-len(name), name)))


@lru_cache(maxsize=2_048)
def masked(text: str, names: tuple[str, ...]) -> str:
    """The text with every such name, as a word of its own, left out; names that go on with a number or a
    size (Qwen2.5-7B) go whole."""
    return _pattern(names).sub(MASK, text) if names else text


def _told(seat: Seat) -> Iterable[str]:
    yield seat.name
    for text in (seat.uri, seat.identity, seat.model):
        yield from (part for part in _PARTS.split(text) if any(each.isdigit() for each in part))


@cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Latin names stand between what is no Latin letter; other scripts put no spaces around them."""
    each = "|".join(map(re.escape, names))
    number = r"(?>[-. ]?[A-Za-z]*\d[A-Za-z0-9]*+)*+s?"
    return re.compile(rf"(?<![A-Za-z0-9])(?:{each}){number}(?![A-Za-z0-9])", re.IGNORECASE)


@cache
def _brands() -> tuple[str, ...]:
    text = files("inbond.roundtable").joinpath("brands.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["brands"])
