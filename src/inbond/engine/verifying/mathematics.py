"""The verifiers ``number`` and ``expression``: is the answer's number or formula the expected one?

math-verify reads both (plain numbers, fractions, percent, LaTeX, what stands in a box) and compares what they
mean, not how they are written. Runs in a worker: sympy may take for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from inbond.engine.verifying.ruling import Ruling, cannot_tell, failed, passed

Reads = Literal["number", "expression"]


@cache
def _reader() -> tuple[Callable[..., Any], Callable[..., bool]]:
    """math-verify's two functions, with its own clock off: a worker has one that holds outside the main
    thread too."""
    logging.disable(logging.WARNING)  # it says once a call that there is no clock
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    how = [LatexExtractionConfig(), ExprExtractionConfig()]

    def read(text: str) -> Any:
        return parse(text, extraction_config=how, fallback_mode="no_fallback", parsing_timeout=None,
                     raise_on_error=True)  # fmt: skip

    def same(gold: Any, found: Any) -> bool:
        return bool(verify(gold, found, timeout_seconds=None, raise_on_error=True))

    return read, same


def rule(kind: Reads, completion: str, expected: Any) -> Ruling:
    """Rules on one answer. ``expected`` is a number, or text that is one or a formula."""
    read, same = _reader()
    if isinstance(expected, bool) or not isinstance(expected, (int, float, str)):
        return cannot_tell("expected", f"expected is {expected!r:.80}, no number or text")
    try:
        gold = read(_marked(str(expected), kind))
    except Exception as error:  # sympy and its parsers raise what they like
        return cannot_tell("expected", f"{expected!r:.80} cannot be read ({type(error).__name__})")
    if not gold or (kind == "number" and not all(_is_number(one) for one in gold)):
        return cannot_tell("expected", f"{expected!r:.80} is no {kind}")
    try:
        found = read(completion)
    except Exception as error:
        return cannot_tell("unreadable", f"the answer cannot be read ({type(error).__name__})")
    if not found:
        return failed(f"no {kind}", f"there is no {kind} in the answer")
    try:
        right = same(gold, found)
    except Exception as error:
        return cannot_tell("unreadable", f"{found[0]} cannot be compared ({type(error).__name__})")
    if right:
        return passed(f"{found[0]} is {expected}")
    return failed("wrong", f"{found[0]} is not {expected}")


def _marked(text: str, kind: Reads) -> str:
    """A formula has to stand between marks to be read as LaTeX."""
    plain = kind == "number" or any(mark in text for mark in ("$", "\\(", "\\[", "\\boxed"))
    return text if plain else f"${text}$"


def _is_number(value: Any) -> bool:
    return bool(getattr(value, "is_number", False))
