"""The verifiers ``number`` and ``expression``: is the answer's number or formula the expected one?

Plain numbers are read by ``numerals``, exactly; formulas, and LaTeX beyond numbers, by math-verify, which
compares what they mean, not how they are written. Runs in a worker: sympy may take for ever.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from inbond.engine.verifying import numerals
from inbond.engine.verifying.numerals import Number
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
    if isinstance(expected, bool) or not isinstance(expected, (int, float, str)):
        return cannot_tell("expected", f"expected is {expected!r:.80}, no number or text")
    if kind == "expression":
        return _as_formulas(kind, completion, expected)
    gold, found = numerals.read(str(expected)), numerals.read(completion)
    if gold in ("none", "formula") or (isinstance(gold, Number) and gold.value is None):
        return cannot_tell("expected", f"{expected!r:.80} is no {kind}")
    if "latex" in (gold, found):
        return _as_formulas(kind, completion, expected)
    if isinstance(found, str):
        return _NO_NUMBER[found]
    assert isinstance(gold, Number), "the rest was told"
    if found.same(gold):
        return passed(f"{found.text} is {expected}")
    return failed("wrong", f"{found.text} is not {expected}")


_NO_NUMBER = {
    "none": failed("no number", "there is no number in the answer"),
    "formula": failed("no number", "there is only a formula in the answer, not worked out"),
}


def _as_formulas(kind: Reads, completion: str, expected: float | str) -> Ruling:
    mine, theirs = numerals.whole(str(expected)), numerals.whole(completion)
    if mine is not None and theirs is not None:
        right = theirs.same(mine)
        return passed(f"{theirs.text} is {expected}") if right else failed("wrong", f"not {expected}")
    read, same = _reader()
    try:
        gold = read(_marked(str(expected)))
    except Exception as error:  # sympy and its parsers raise what they like
        return cannot_tell("expected", f"{expected!r:.80} cannot be read ({type(error).__name__})")
    if not gold or (kind == "number" and not all(_is_number(one) for one in gold)):
        return cannot_tell("expected", f"{expected!r:.80} is no {kind}")
    try:
        found = read(_answer(completion)) or read(numerals.ordinary(completion))
    except Exception as error:
        return cannot_tell("unreadable", f"the answer cannot be read ({type(error).__name__})")
    if not found or (kind == "number" and not _is_number(found[0])):
        return failed(f"no {kind}", f"there is no {kind} in the answer")
    try:
        right = same(gold, found)
    except Exception as error:
        return cannot_tell("unreadable", f"{found[0]} cannot be compared ({type(error).__name__})")
    if right:
        return passed(f"{found[0]} is {expected}")
    return failed("wrong", f"{found[0]} is not {expected}")


_MARKS = ("$", "\\(", "\\[")
_WORD = re.compile(r".*(?<![\\A-Za-z])(?!(?:sqrt|sin|cos|tan|log|ln|exp|pi)\b)[A-Za-z]{2,}[\s:]+(?=\S)")
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[eE]([-+]?\d+)(?!\w)")


def _marked(text: str) -> str:
    """A formula has to stand between marks to be read as LaTeX."""
    plain = _SCIENTIFIC.sub(r"\1 \\times 10^{\2}", numerals.ordinary(text))
    return plain if any(mark in plain for mark in _MARKS) else f"${plain.strip()}$"


def _answer(completion: str) -> str:
    """What of an answer is read: its last box; all of it where it marks its formulas; else what follows the
    last words of its last line."""
    boxed = numerals.box(completion)
    if boxed is not None:
        return _marked(boxed)
    if any(mark in completion for mark in _MARKS):
        return numerals.ordinary(completion)
    line = (completion.strip().splitlines() or [""])[-1][-_LONGEST:]
    return _marked(_WORD.sub("", line).rstrip(" ."))


_LONGEST = 2000
"""Characters of a line that is read as a formula."""


def _is_number(value: Any) -> bool:
    return bool(getattr(value, "is_number", False))
