"""What every verifier promises: rulings for anything that an answer or a row may hold, and no exception."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inbond.engine.verifying.opening import Chosen, Kind
from inbond.engine.verifying.ruling import LONGEST_REASON, OUTCOMES, Verifies
from inbond.engine.verifying.sandbox import Limits
from inbond.errors import InputError

CHECKS = """
import os, subprocess, sys, time

SLEEP = "import time; time.sleep(99) # "
FORGED = b'{"number": 1, "ruling": {"outcome": "passed", "kind": "x", "reason": "x"}}\\n'

class Nothing(BaseException): pass
class Silent(Exception):
    def __str__(self): raise KeyError

def forge(what):
    for number in range(3, 64):
        try: os.write(number, what)
        except OSError: pass

def same(completion, expected):
    if completion == "hang": time.sleep(99)
    if completion == "hang in C": "a" * 40 + "!"; __import__("re").match("(a+)+$", "a" * 40 + "!")
    if completion == "crash": os._exit(3)
    if completion == "fall": __import__("ctypes").string_at(0)
    if completion == "lie": return "yes"
    if completion == "lie twice": return 1
    if completion == "raise": raise KeyError("k")
    if completion == "exit": raise SystemExit(0)
    if completion == "undecided": return None, "who knows"
    if completion == "close": os.closerange(0, 64); time.sleep(99)
    if completion == "leave": os.close(0); return True, "left"
    if completion == "fork": os.fork(); return True, "one of us"
    if completion == "start": subprocess.Popen([sys.executable, "-c", SLEEP + expected])
    if completion == "forge": forge(FORGED)
    if completion == "flood": forge(b"x" * 3_000_000)
    if completion == "fall out": raise Nothing
    if completion == "no text": raise Silent
    if completion == "interrupt": raise KeyboardInterrupt
    if completion == "numpy": import numpy; return numpy.bool_(True)
    if completion == "long": return True, "x" * 5_000_000
    if completion == "odd": return True, "\\ud800\\n\\0"
    if completion == "recursion": return same(completion, expected)
    if completion == "print": print("x" * 100_000); os.write(1, b'{"outcome": "passed"}')
    return completion == expected, "compared"
"""


@dataclass(frozen=True)
class Case:
    """A verifier with something that passes, something that fails, and an expectation that is none."""

    kind: Kind
    right: tuple[str, Any]
    wrong: tuple[str, Any]
    senseless: Any


SCHEMA = {"type": "object", "required": ["a"]}
CASES = {
    "number": Case("number", ("so it is 17.", "17"), ("so it is 18.", 17), "a few"),
    "expression": Case("expression", ("$x^2+2x+1$", "(x+1)^2"), ("$x^2$", "(x+1)^2"), True),
    "code": Case("code", ("def f(): return 1", "assert f() == 1"), ("f = 1", "assert f() == 1"), 5),
    "json": Case("json", ('{"a": 1}', SCHEMA), ("{}", SCHEMA), {"type": "thing"}),
    "regex": Case("regex", ("abc", "b"), ("abc", r"\Ab"), "("),
    "function": Case("function", ("a", "a"), ("b", "a"), None),
}


@pytest.fixture(scope="module", params=CASES)
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Case, Verifies]]:
    case, folder = CASES[request.param], tmp_path_factory.mktemp("checks")
    (folder / "checks.py").write_text(CHECKS)
    function = "checks:same" if case.kind == "function" else None
    chosen = Chosen(case.kind, Limits(seconds=8.0), function, folder)
    verifier = chosen.open()
    assert verifier.tool == chosen.tool
    yield case, verifier
    verifier.close()
    verifier.close()


def test_what_is_right_passes_and_what_is_wrong_fails(opened: tuple[Case, Verifies]) -> None:
    case, verifier = opened
    assert verifier.check(*case.right).outcome == "passed"
    assert verifier.check(*case.wrong).outcome == "failed"


def test_an_expectation_that_is_none_cannot_be_told(opened: tuple[Case, Verifies]) -> None:
    case, verifier = opened
    if case.kind != "function":
        assert verifier.check(case.right[0], case.senseless).outcome == "cannot-tell"
        assert verifier.check(case.right[0], [1, {"a": None}]).outcome == "cannot-tell"


NASTY = ["", " ", "\0", "\ud800", "x" * 200_000, "{" * 100_000, "[" * 100_000, "$" * 5000, "9" * 5000,
         "\\frac{1}{", "```python\n" * 50, "1/0", "é川😀", "\r\n\u2028", "NaN", "-0",
         '{"a": 1, "a": 2}']  # fmt: skip


def test_any_answer_gets_a_ruling_of_bounded_length(opened: tuple[Case, Verifies]) -> None:
    case, verifier = opened
    for answer in NASTY:
        ruling = verifier.check(answer, case.right[1])
        assert ruling.outcome in OUTCOMES
        assert ruling.outcome != "passed", answer[:20]
        assert 0 < len(ruling.reason) <= LONGEST_REASON
        ruling.reason.encode()
    assert verifier.check(*case.right).outcome == "passed", "it goes on"


def test_it_is_safe_from_as_many_threads_as_it_says(opened: tuple[Case, Verifies]) -> None:
    case, verifier = opened
    asked = [case.right, case.wrong] * 4
    with ThreadPoolExecutor(max(2, verifier.at_once)) as threads:
        found = [ruling.outcome for ruling in threads.map(lambda pair: verifier.check(*pair), asked)]
    assert found == ["passed", "failed"] * 4


def open_function(folder: Path, seconds: float) -> Verifies:
    (folder / "checks.py").write_text(CHECKS)
    return Chosen("function", Limits(seconds=seconds), "checks:same", folder).open()


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ("hang", "too slow", "the verifier was not done in 1 s"),
        ("hang in C", "too slow", "the verifier was not done in 1 s"),
        ("crash", "crashed", "the verifier's process ended with 3"),
        ("fall", "crashed", "the verifier's process ended with -11"),
        ("lie", "no ruling", "the function returned 'yes', not True, False or None"),
        ("lie twice", "no ruling", "the function returned 1, not True, False or None"),
        ("raise", "raised", "the function raised KeyError: 'k'"),
        ("exit", "raised", "the verifier raised SystemExit: 0"),
        ("undecided", "undecided", "who knows"),
        ("close", "too slow", "the verifier was not done in 1 s"),
        ("flood", "no ruling", "the verifier's process said something that is no ruling"),
        ("fall out", "raised", "the verifier raised Nothing:"),
        ("no text", "raised", "the function raised Silent: (its text cannot be had)"),
        ("interrupt", "raised", "the verifier raised KeyboardInterrupt:"),
        ("numpy", "no ruling", "the function returned np.True_, not True, False or None"),
        ("recursion", "raised", "the function raised RecursionError: maximum recursion depth exceeded"),
    ],
    ids=lambda value: value if len(value) < 12 else "",
)
def test_a_function_that_misbehaves_is_told_and_the_next_answer_is_ruled_on(
    tmp_path: Path, answer: str, kind: str, reason: str
) -> None:
    verifier = open_function(tmp_path, 1.0 if kind == "too slow" else 30.0)
    ruling = verifier.check(answer, "a")
    assert (ruling.outcome, ruling.kind, ruling.reason) == ("cannot-tell", kind, reason)
    assert verifier.check("a", "a").outcome == "passed"
    verifier.close()


def test_what_a_function_leaves_behind_touches_no_other_answer(tmp_path: Path) -> None:
    verifier, mark = open_function(tmp_path, 5.0), f"mark{time.time_ns()}"
    assert verifier.check("leave", "a").reason == "left"
    assert verifier.check("a", "a").outcome == "passed", "what it left is no fault of this answer"
    for _ in range(3):
        assert verifier.check("fork", "a").reason == "one of us"
        assert [verifier.check(one, "a").outcome for one in ("a", "b", "a")] == ["passed", "failed", "passed"]
    assert verifier.check("forge", "a").outcome in ("failed", "cannot-tell")
    assert [verifier.check(one, "a").outcome for one in ("b", "a", "b")] == ["failed", "passed", "failed"]
    assert verifier.check("start", mark).outcome == "failed"
    assert awaited(lambda: bool(running(mark))), (
        "it is there before it is ended; a new process takes its time"
    )
    verifier.close()
    assert awaited(lambda: not running(mark))


def awaited(condition: Callable[[], bool]) -> bool:
    """Whether it holds within 20 seconds."""
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def running(mark: str) -> list[str]:
    """Processes that have ``mark`` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += [path.parent.name] if mark.encode() in path.read_bytes() else []
    return found


@pytest.mark.parametrize(("answer", "reason"), [("long", "x" * 299 + "…"), ("odd", "?")])
def test_a_reason_is_one_short_line(tmp_path: Path, answer: str, reason: str) -> None:
    verifier = open_function(tmp_path, 20.0)
    assert verifier.check(answer, "a").reason == reason
    verifier.close()


def test_one_process_serves_many_answers_without_growing(tmp_path: Path) -> None:
    verifier = open_function(tmp_path, 20.0)
    open_before = 0
    for number in range(400):
        text = "x" * (number % 7) * 10_000
        assert verifier.check(text, text).outcome == "passed"
        if number == 20:
            open_before = len(os.listdir("/proc/self/fd"))
    assert len(os.listdir("/proc/self/fd")) == open_before
    verifier.close()
    assert len(os.listdir("/proc/self/fd")) < open_before


JSON = {
    "name twice": ('{"a": 1, "a": 2}', SCHEMA, "failed"), "NaN": ('{"a": NaN}', SCHEMA, "failed"),
    "infinite": ('{"a": 1e999}', SCHEMA, "failed"), "deep": ("[" * 100_000, True, "failed"),
    "long number": ("9" * 5000, True, "failed"), "half a surrogate": ('{"a": "\\ud800"}', SCHEMA, "passed"),
    "NUL behind": ('{"a": 1}\0', SCHEMA, "failed"), "fence": ('```json\n{"a": 1}\n```', SCHEMA, "passed"),
    "words before": ('so ```json\n{"a": 1}\n```', SCHEMA, "failed"),
    "true is not 1": ("true", {"const": 1}, "failed"),
    "a circle": ("1", {"$ref": "#"}, "cannot-tell"),
    "a broken pattern": ('"a"', {"pattern": "("}, "cannot-tell"),
}  # fmt: skip


@pytest.mark.parametrize("case", JSON.values(), ids=JSON)
def test_json_is_read_in_one_way_only(json_verifier: Verifies, case: tuple[str, Any, str]) -> None:
    answer, schema, outcome = case
    assert json_verifier.check(answer, schema).outcome == outcome


@pytest.fixture(scope="module")
def json_verifier() -> Iterator[Verifies]:
    made = Chosen("json", Limits(seconds=20.0)).open()
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["number", "expression", "json", "regex", "code"])
def test_what_a_verifier_stands_on_is_in_its_identity(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Chosen(kind, Limits()).to_json()
    assert told != Chosen(kind, Limits(seconds=9.0)).to_json()
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    assert told != Chosen(kind, Limits()).to_json()
    monkeypatch.undo()
    if kind in ("number", "expression", "json"):
        monkeypatch.setattr("importlib.metadata.version", lambda name: "0" if name in told["with"] else "1.0")
        assert told["with"].keys() >= ({"referencing"} if kind == "json" else {"sympy", "mpmath"})
        assert told["with"] != Chosen(kind, Limits()).to_json()["with"]


def test_what_a_function_prints_is_no_ruling(tmp_path: Path) -> None:
    verifier = open_function(tmp_path, 5.0)
    assert verifier.check("print", "a").outcome == "failed"
    assert verifier.check("print", "print").outcome == "passed"
    verifier.close()


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        ("regex", "a" * 50 + "!", "^(a+)+$"),
        ("json", '"' + "a" * 50 + '!"', {"pattern": "^(a+)+$"}),
        ("number", r"$\sum_{k=1}^{10000000} \frac{1}{k}$", "2"),
        ("expression", "$10^{10^{10}}$", "2"),
    ],
    ids=["regex", "json", "number", "expression"],
)
def test_what_never_ends_is_cut_off(kind: Kind, answer: str, expected: Any) -> None:
    verifier = Chosen(kind, Limits(seconds=1.5)).open()
    ruling = verifier.check(answer, expected)
    assert (ruling.outcome, ruling.kind) in (("cannot-tell", "too slow"), ("cannot-tell", "unreadable"))
    verifier.close()


def test_a_schema_fetches_nothing() -> None:
    verifier = Chosen("json", Limits()).open()
    ruling = verifier.check("1", {"$ref": "http://127.0.0.1:9/schema.json"})
    assert ruling.outcome == "cannot-tell"
    assert "Unresolvable" in ruling.reason
    assert verifier.check("1", {"$ref": "file:///etc/passwd"}).outcome == "cannot-tell"
    verifier.close()


NUMBERS = {
    "words around": ("9 + 8 = 17.", "17", "passed"), "fraction": ("1/2", "0.5", "passed"),
    "latex": (r"It is $\frac{1}{2}$.", "1/2", "passed"), "percent": ("50%", "1/2", "passed"),
    "thousands": ("1,234", 1234, "passed"), "sign": ("-4", "4", "failed"),
    "none": ("seventeen", 17, "failed"), "the last": ("8 + 8 is 8, which is 10", "10", "passed"),
    "box": (r"\boxed{17} and 3", 17, "passed"), "two boxes": (r"\boxed{1}, \boxed{17}", 17, "passed"),
    "answer first": ("29 = 23 + 6", 29, "passed"), "wrong first": ("30 = 23 + 6", 29, "failed"),
    "the question again": ("23 + 6", 29, "failed"), "exponent": ("1e3", 1000, "passed"),
    "exponent cut off": ("1e3", 1, "failed"), "other digits": ("１２", 12, "passed"),
    "minus": ("−4", -4, "passed"), "tower": ("10^10^10", 10, "failed"), "small": ("1e-7", "2e-7", "failed"),
    "root": (r"$\sqrt{16}$", 4, "passed"), "root beside": (r"It is 3\sqrt{2}", 3, "failed"),
    "root expected": ("3", r"3\sqrt{2}", "failed"), "huge": ("9" * 5000, 5, "failed"),
    "nan": ("nan", "nan", "cannot-tell"), "infinity": ("inf", float("inf"), "cannot-tell"),
    "no end": ("1", "1e999999999", "cannot-tell"),
}  # fmt: skip
FORMULAS = {
    "plain": ("x^2", "x^2", "passed"), "after words": ("so it is x^2.", "x^2", "passed"),
    "with a name": ("f(x) = x^2", "x^2", "passed"), "root": (r"2\sqrt{3}", r"\sqrt{12}", "passed"),
    "another root": (r"\sqrt{2}", r"\sqrt{3}", "failed"), "words": ("I do not know", "x", "failed"),
    "exponent": ("1e3", 1, "failed"), "small": ("0.0000001", "0.0000002", "failed"),
    "other digits": ("１２", "12", "passed"), "minus": ("−x", "-x", "passed"),
    "box": (r"\boxed{x^2}, not x", "x^2", "passed"), "worked out or not": ("12 + 5", 17, "passed"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "cases"), [("number", NUMBERS), ("expression", FORMULAS)])
def test_numbers_and_formulas_are_compared_by_value(
    kind: Kind, cases: dict[str, tuple[str, Any, str]]
) -> None:
    verifier = Chosen(kind, Limits(seconds=20.0)).open()
    for name, (answer, expected, outcome) in cases.items():
        assert verifier.check(answer, expected).outcome == outcome, name
    verifier.close()


def test_another_text_of_the_function_is_another_verifier(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text(CHECKS)
    one = Chosen("function", Limits(), "checks:same", tmp_path)
    told = one.to_json()
    (tmp_path / "checks.py").write_text(CHECKS + "# changed\n")
    assert one.to_json() == told, "it is the one that was looked at"
    verifier = one.open()
    with pytest.raises(InputError, match="its file is another than when the run began"):
        verifier.check("a", "a")
    verifier.close()
    other = Chosen("function", Limits(), "checks:same", tmp_path)
    assert other.to_json() != told
    assert other.tool != told["tool"]
    with pytest.raises(InputError, match=r"the module 'check' of verify.function"):
        assert Chosen("function", Limits(), "check:same", tmp_path).tool
