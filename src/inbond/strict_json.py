"""JSON that can be read in one way only: no object has a name twice, of which another reader might take the
other value, and no number is NaN or Infinity. Pure.

What is refused is said as a fact, by the class of the error: who read it words it for those it answers to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn, final


@final
class RepeatedNameError(ValueError):
    """An object has ``name`` twice: the first such name of the innermost such object."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r:.100} stands twice")
        self.name = name


@final
class NoNumberError(ValueError):
    """``text`` (NaN, Infinity, -Infinity) stands where a value should, and is no number of JSON."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text} is no number of JSON")
        self.text = text


@final
class TooDeepError(ValueError):
    """It is nested more deeply than Python can read."""

    def __init__(self) -> None:
        super().__init__("nested too deeply")


def parse(text: str | bytes, parse_float: Callable[[str], float] | None = None) -> Any:
    """The value, as ``json.loads`` gives it. ``parse_float`` reads numbers that are no integers, and costs a
    call for each. Raises RepeatedNameError, NoNumberError, TooDeepError, and json.JSONDecodeError or another
    ValueError for what is no JSON."""
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        return _decoder(parse_float).decode(text)
    except RecursionError as error:
        raise TooDeepError from error


@lru_cache(maxsize=8)
def _decoder(parse_float: Callable[[str], float] | None) -> json.JSONDecoder:
    """Kept: to make one takes as long as to read a short text."""
    return json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_float=parse_float)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedNameError(_repeated(pairs))
    return found


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    """The first name that stood there before. In linear time: the object is a stranger's."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name stands twice")


def _no_number(text: str) -> NoReturn:
    raise NoNumberError(text)
