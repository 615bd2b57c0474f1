"""The tests' side of a test: runs them against a candidate that is another process. Runs confined as well.

Started with the numbers of two pipes to the candidate; ``[code, tests]`` comes in as JSON over standard
input, and one JSON object goes out over standard output. The candidate has neither: it is given values, and
what it gives back is read as plain values and no more. It can end, hang, print and redefine what it likes;
the tests' functions, comparisons and their outcome are not in its reach.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import sys
from collections.abc import Callable
from typing import Any

LONGEST_LINE = 4_000_000


class Gone(BaseException):
    """The candidate ended, or says what it may not."""


class Opaque(BaseException):
    """It gave back, or is to be given, something that cannot be passed."""


class Candidate:
    """What the code defines, as functions that ask the other process."""

    def __init__(self, read: int, write: int) -> None:
        self._answers = os.fdopen(read, "rb")
        self._questions = os.fdopen(write, "wb")
        self.calls = 0
        self.lost: BaseException | None = None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """One question and its answer. Raises Gone. What was said before it was asked is no answer: it
        could not know the number."""
        number = os.urandom(8).hex()
        try:
            self._questions.write(json.dumps({**question, "number": number}).encode("ascii") + b"\n")
            self._questions.flush()
            line = self._answers.readline(LONGEST_LINE)
            said = json.loads(line)
        except (OSError, ValueError, RecursionError):
            raise self.gone("it ended, or answered nonsense, while it was tested") from None
        if not isinstance(said, dict) or said.pop("number", None) != number or len(said) != 1:
            raise self.gone("it answered nonsense while it was tested")
        return said

    def gone(self, why: str) -> Gone:
        """Tests may catch what they like: that it was raised is remembered."""
        self.lost = Gone(why)
        return self.lost

    def function(self, name: str) -> Callable[..., Any]:
        """A function of the code's, by its name."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            try:
                question = {"name": name, "args": PACK(args), "kwargs": PACK(kwargs)}
            except TypeError as error:
                self.lost = Opaque(f"the tests give {name} a {error}, which is no plain value")
                raise self.lost from None
            said = self.ask(question)
            if "opaque" in said:
                self.lost = Opaque(f"{name} gave back a {str(said['opaque'])[:80]}, which is no plain value")
                raise self.lost
            if "error" in said:
                raise made(said["error"])
            try:
                value, given = said["value"]
                value, given = UNPACK(value), UNPACK(given)
                change(args, given)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                raise self.gone("it answered nonsense while it was tested") from None
            return value

        call.__name__ = name
        return call


def change(args: tuple[Any, ...], given: tuple[Any, ...]) -> None:
    """Does to the tests' own values what the code did to its copies. Raises ValueError for nonsense."""
    for mine, theirs in zip(args, given, strict=True):
        if type(mine) is type(theirs):
            if isinstance(mine, list):
                mine[:] = theirs
            elif isinstance(mine, (dict, set)) and mine != theirs:
                mine.clear()
                mine.update(theirs)


def made(error: Any) -> Exception:
    """The code's exception again, for tests that expect one: of its nearest class that is built in, else
    RuntimeError."""
    try:
        names, text, parts = error
        names, text, parts = [str(name) for name in names], str(text), [UNPACK(part) for part in parts]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return RuntimeError("an exception that makes no sense")
    found = (getattr(builtins, name, None) for name in names)
    plain = [kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception)]
    if not names or not plain or plain[0] is Exception:
        return RuntimeError(f"{names[0] if names else ''}: {text}")
    for given in (parts, [text]):
        try:
            made: Exception = plain[0](*given)
        except Exception:
            continue
        return made
    return RuntimeError(f"{names[0]}: {text}")


def space_of(candidate: Candidate, defined: dict[str, Any]) -> dict[str, Any]:
    """The names that tests see."""
    space: dict[str, Any] = {"__name__": "tests"}
    for name, what in dict(defined).items():
        if not name.startswith("__"):
            space[name] = candidate.function(name) if "call" in what else UNPACK(what["value"])
    return space


def rule(candidate: Candidate, code: str, tests: str) -> tuple[str, str, str]:
    """(outcome, kind, reason) of one candidate."""
    try:
        program = compile(tests, "tests", "exec")
    except (SyntaxError, ValueError) as error:
        return "cannot-tell", "tests broken", f"the tests are no Python: {error}"
    said = candidate.ask({"code": code})
    if "error" in said:
        raised = made(said["error"])
        return "failed", "does not run", f"the code raises {type(raised).__name__}: {raised}"
    try:
        space = space_of(candidate, said["names"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise candidate.gone("it answered nonsense when it was asked what it defines") from None
    shadowed = sorted(set(space) & set(dir(builtins)) & named(tests))
    if shadowed:  # the code's would answer in its place: a range that is empty lets every loop pass
        return "cannot-tell", "shadowed", f"the code redefines {', '.join(shadowed)}, which the tests name"
    try:
        exec(program, space)
    except (Gone, Opaque):
        raise
    except AssertionError as error:
        return "failed", "a test failed", f"{where(tests, error)} {error}".strip()
    except Exception as error:
        return "failed", "a test failed", f"{where(tests, error)}: {type(error).__name__}: {error}"
    if candidate.lost is not None:
        raise candidate.lost
    if not candidate.calls:
        return "cannot-tell", "tests broken", "the tests call nothing of the code"
    return "passed", "passed", f"all tests, {candidate.calls} calls"


def named(tests: str) -> set[str]:
    """The names that tests use."""
    return {node.id for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Name)}


def where(tests: str, error: BaseException) -> str:
    """The line of the tests at which an exception was raised."""
    number, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "tests":
            number = trace.tb_lineno
        trace = trace.tb_next
    lines = tests.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else "the tests"


def main(read: int, write: int) -> None:
    """Rules on one candidate, and says so once."""
    sys.set_int_max_str_digits(0)
    code, tests = json.load(sys.stdin)
    out = os.dup(1)
    os.dup2(2, 1)  # what tests print is no verdict
    candidate = Candidate(read, write)
    try:
        outcome = rule(candidate, code, tests)
    except Gone as error:
        outcome = "failed", "ended", f"the code did not live through its tests: {error}"
    except Opaque as error:
        outcome = "cannot-tell", "no plain value", str(error)
    os.write(out, json.dumps([*outcome[:2], outcome[2][:1000]]).encode("ascii"))
    os._exit(0)


PACK: Callable[[Any], Any] = globals()["pack"]
UNPACK: Callable[[Any], Any] = globals()["unpack"]

if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
