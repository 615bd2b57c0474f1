"""A candidate's side of a test: defines what the code defines and calls it when told to. Runs confined.

Started with the numbers of two pipes: JSON lines come in over the first and go out over the second. The
first line is the code; what it defines is answered, then calls are, one line each. All of it is the
candidate's own: nothing here is believed but as data.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
from typing import Any


def pack(value: Any) -> Any:
    """A plain value as JSON that keeps its type. Raises TypeError for anything else."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return {kind.__name__: [pack(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[pack(key), pack(item)] for key, item in value.items()]}
    raise TypeError(type(value).__name__)


def unpack(value: Any) -> Any:
    """The value that ``pack`` packed. Raises ValueError, TypeError or KeyError for what it never writes."""
    if not isinstance(value, dict):
        if value is not None and not isinstance(value, (bool, int, float, str)):
            raise ValueError("no packed value")
        return value
    ((kind, inner),) = value.items()
    if kind == "bytes":
        return bytes.fromhex(inner)
    if kind == "complex":
        return complex(*inner)
    if kind == "dict":
        return {unpack(key): unpack(item) for key, item in inner}
    makers = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
    return makers[kind](unpack(item) for item in inner)


def _error(error: BaseException) -> dict[str, Any]:
    """An exception's classes, its text, and what it was made of."""
    names = [kind.__name__ for kind in type(error).__mro__]
    try:
        text = str(error)[:500]
    except BaseException:
        text = "(its text cannot be had)"
    try:
        return {"error": [names, text, [pack(part) for part in error.args]]}
    except BaseException:
        return {"error": [names, text, [text]]}


def _defined(space: dict[str, Any]) -> dict[str, Any]:
    """What a program defined: functions and classes by name, and plain values."""
    found: dict[str, Any] = {}
    for name, value in space.items():
        if callable(value):
            found[name] = {"call": True}
        else:
            try:
                found[name] = {"value": pack(value)}
            except BaseException:
                continue
    return {"names": found}


def _answered(space: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    given = unpack(asked["args"])
    try:
        value = space[asked["name"]](*given, **unpack(asked["kwargs"]))
    except BaseException as error:
        return _error(error)
    try:  # what was given goes back too: a function may be there to change it
        return {"value": [pack(value), pack(given)]}
    except BaseException:
        return {"opaque": type(value).__name__}


def main(read: int, write: int) -> None:
    """Serves until the other side goes away."""
    os.dup2(2, 1)  # what it prints is nobody's business, and must not fill a pipe
    sys.set_int_max_str_digits(0)
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # without site, nobody else sets them
    with open(read, encoding="ascii") as questions, open(write, "w", encoding="ascii") as answers:
        space: dict[str, Any] = {"__name__": "candidate"}
        try:
            asked = json.loads(questions.readline())
            exec(compile(asked["code"], "candidate.py", "exec", dont_inherit=True), space)
            space.pop("__builtins__", None)
            said = _defined(space)
        except BaseException as error:
            said = _error(error)
        while True:
            answers.write(json.dumps({**said, "number": asked["number"]}) + "\n")
            answers.flush()
            line = questions.readline()
            if not line:
                return
            asked = json.loads(line)
            said = _answered(space, asked)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
