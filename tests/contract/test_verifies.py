"""What every verifier promises: rulings for anything that an answer or a row may hold, and no exception."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inbond.engine.verifying.opening import Chosen, Kind
from inbond.engine.verifying.ruling import LONGEST_REASON, OUTCOMES, Verifies
from inbond.engine.verifying.sandbox import Limits
from inbond.errors import InputError

CHECKS = """
import os, time

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
    ],
    ids=["hang", "hang in C", "crash", "fall", "lie", "lie twice", "raise", "exit", "undecided"],
)
def test_a_function_that_misbehaves_is_told_and_the_next_answer_is_ruled_on(
    tmp_path: Path, answer: str, kind: str, reason: str
) -> None:
    verifier = open_function(tmp_path, 1.0)
    ruling = verifier.check(answer, "a")
    assert (ruling.outcome, ruling.kind, ruling.reason) == ("cannot-tell", kind, reason)
    assert verifier.check("a", "a").outcome == "passed"
    verifier.close()


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
