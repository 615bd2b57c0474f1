"""What seats are shown of each other: labels for names, and no name on a list that tells whose answer it is.
Pure but for reading our own list of brands. A model may still be known by its style."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from inbond.roundtable.likeness import look, shape
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat

MASK: Final = "[...]"
_SHORT: Final = 2
"""Letters. A seat's name of one is left alone, a Latin one of two is left out only as it is written."""
_PARTS: Final = re.compile(r"[/:@#]|==")
_WHERE: Final = re.compile(r"\Aapi:[^/]*/|https?://[^/]*/?")
_LETTER: Final = re.compile(".[\u0300-\u036f\u3099\u309a\uff9e\uff9f]*", re.DOTALL)
_KINDS: Final = (r"[a-z0-9\u00c0-\u024f\u0370-\u052f]", r"[\u30a1-\u30fa\u30fc]")


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
    """All that would tell whose an answer is, as far as it can be listed: seats' names, names of models with
    a number in them, brands; the longest first. What the question or an option says as a word of its own
    stays, since everybody must be able to speak of it."""
    asked = "\n".join([question.text, *(option.label for option in question.options)])
    return _kept(frozenset(part for seat in seats for part in _telling(seat)), asked)


@lru_cache(maxsize=2_048)
def masked(text: str, names: tuple[str, ...]) -> str:
    """The text with every such name, as a word of its own, left out, however it is written: in full width,
    with letters of another alphabet that look the same, with marks between that are not seen. Names that go
    on with a number or a size (Qwen2.5-7B) go whole."""
    if not names:
        return text
    shaped, places = _shaped(text)
    parts, done = [], 0
    for found in _pattern(names).finditer(shaped):
        start, end = places[found.start()][0], places[found.end() - 1][1]
        if start < done or not (len(found[0]) > _SHORT or not found[0].isascii() or text[start:end] in names):
            continue
        parts += [text[done:start], MASK]
        done = end
    return "".join([*parts, text[done:]])


@lru_cache(maxsize=256)
def _kept(telling: frozenset[str], asked: str) -> tuple[str, ...]:
    shaped = _shaped(asked)[0]
    every = {name for name in telling | set(_brands()) if look(name)}
    kept = [name for name in every if _pattern((name,)).search(shaped) is None]
    return tuple(sorted(kept, key=lambda name: (-len(name), name)))


def _telling(seat: Seat) -> Iterable[str]:
    """A seat's name, and parts of its model's name that have letters and a number: not where it runs."""
    if len(seat.name) >= _SHORT:
        yield seat.name
    for text in (seat.uri, seat.identity, seat.model):
        for part in _PARTS.split(_WHERE.sub("", text)):
            letters, digits = any(map(str.isalpha, part)), any(map(str.isdigit, part))
            if len(part) > _SHORT and letters and digits:
                yield part


def _shaped(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text as it looks, and for each of its letters from where to where it stands in the text."""
    if text.isascii():
        return text.casefold(), [(place, place + 1) for place in range(len(text))]
    letters: list[str] = []
    places: list[tuple[int, int]] = []
    for found in _LETTER.finditer(text):
        looks = shape(found[0])
        letters.append(looks)
        places += [found.span()] * len(looks)
    return "".join(letters), places


@cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Names stand between what is no letter of theirs: Latin and the alphabets like it, katakana; other
    scripts put no spaces around names."""
    number = r"(?>[-. ]?[a-z]*\d[a-z0-9]*+)*+s?"
    each = "|".join(_between(look(name), number) for name in names)
    return re.compile(each)


def _between(name: str, number: str) -> str:
    inner = re.escape(name).replace("\\ ", r"[\s_-]+")
    before = next((f"(?<!{kind})" for kind in _KINDS if re.match(kind, name)), "")
    after = next((f"(?!{kind})" for kind in _KINDS if re.search(f"{kind}\\Z", name)), "")
    return before + inner + (number if re.search(r"[a-z0-9]\Z", name) else "") + after


@cache
def _brands() -> tuple[str, ...]:
    text = files("inbond.roundtable").joinpath("brands.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["brands"])
