# ruff: noqa: E501  (the code under test is easier to read in one line)
"""Code against tests: what passes, what fails, and code that lies about it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from inbond.engine.verifying.programs import CodeVerifier, code_in
from inbond.engine.verifying.sandbox import Limits

TESTS = "assert add(2, 3) == 5\nassert add(-1, 1) == 0"
RIGHT = "def add(a, b):\n    return a + b"
FORGED = '["passed", "passed", "all tests"]'


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    made = CodeVerifier(Limits(seconds=6.0))
    yield made
    made.close()


RULINGS: dict[str, tuple[str, Any, str, str]] = {
    "right": (RIGHT, TESTS, "passed", "all tests, 2 calls"),
    "in a fence": (f"Here it is:\n```python\n{RIGHT}\n```\nDone.", TESTS, "passed", "all tests"),
    "lines of tests": (RIGHT, TESTS.splitlines(), "passed", "all tests"),
    "wrong": ("def add(a, b):\n    return a - b", TESTS, "failed", "assert add(2, 3) == 5"),
    "no code": ("```python\n```", TESTS, "failed", "no code"),
    "no Python": ("Add them up.", TESTS, "failed", "SyntaxError"),
    "missing": ("def plus(a, b): return a + b", TESTS, "failed", "name 'add' is not defined"),
    "raises": ("def add(a, b): return a / 0", TESTS, "failed", "ZeroDivisionError"),
    "expected error": ("def f(): raise KeyError('k')", "try:\n    f()\n    assert False\nexcept KeyError: pass",
                       "passed", "all tests"),
    "in place": ("def order(l): l.sort()", "l = [3, 1]\norder(l)\nassert l == [1, 3]", "passed", "1 calls"),
    "types are kept": ("def f(x): return x", "for x in (1, 1.5, 'a', b'b', None, True, (1, [2]), {1: (2,)}, {3},"
                       " 1j, frozenset([1]), 10**5000):\n    assert f(x) == x and type(f(x)) is type(x)",
                       "passed", "24 calls"),
    "constants": ("N = 5\ndef f(): return N", "assert N == 5 == f()", "passed", "all tests"),
    "generator": ("def f(): return (i for i in 'ab')", "assert list(f()) == ['a', 'b']", "cannot-tell",
                  "a generator, which is no plain value"),
    "a function given": ("def f(g): return g(1)", "assert f(lambda x: x) == 1", "cannot-tell", "the tests give f"),
    "no tests": (RIGHT, "", "cannot-tell", "no tests"),
    "number for tests": (RIGHT, 5, "cannot-tell", "no tests"),
    "broken tests": (RIGHT, "assert add(", "cannot-tell", "the tests are no Python"),
    "tests of nothing": (RIGHT, "assert True", "cannot-tell", "the tests call nothing of the code"),
    "tests that end": (RIGHT, "import os; os._exit(0)", "cannot-tell", "no outcome"),
    "program": ("print(int(input()) * 2)", [{"stdin": "4\n", "stdout": "8"}, {"stdin": "5", "stdout": "10\n\n"}],
                "passed", "all 2 cases"),
    "wrong program": ("print(4)", [{"stdin": "4\n", "stdout": "8"}], "failed", "it printed '4\\n', not '8'"),
    "program that fails": ("print(8)\nraise SystemExit(2)", [{"stdin": "4", "stdout": "8"}], "failed", "code 2"),
    "cases of nothing": ("print(8)", [{"input": "4"}], "cannot-tell", "no stdin and stdout"),
}  # fmt: skip


@pytest.mark.parametrize("case", RULINGS.values(), ids=RULINGS)
def test_rulings(verifier: CodeVerifier, case: tuple[str, Any, str, str]) -> None:
    code, tests, outcome, said = case
    ruling = verifier.check(code, tests)
    assert ruling.outcome == outcome, ruling
    assert said in ruling.reason, ruling


LIES = {
    "ends before the tests": "import os\nos._exit(0)",
    "ends in the tests": "import os\ndef add(a, b): os._exit(0)",
    "exits": "import sys\nprint('passed')\nsys.exit(0)",
    "equal to anything": "class X(int):\n    __eq__ = lambda s, o: True\n    __hash__ = int.__hash__\n"
    "def add(a, b): return X(7)",
    "an object": "class X:\n    def __eq__(s, o): return True\ndef add(a, b): return X()",
    "prints the outcome": f"import os\nos.write(1, b'{FORGED}')\nos._exit(0)",
    "writes to all descriptors": "import os\nfor fd in range(64):\n    try: os.write(fd, b'"
    + FORGED
    + "\\n')\n"
    "    except OSError: pass\ndef add(a, b): return 7",
    "answers for itself": "import os\nfor fd in range(3, 64):\n"
    '    try: os.write(fd, b\'{"names": {"add": {"call": true}}}\\n\' + b\'{"value": [5, {"tuple": [2, 3]}]}\\n\')\n'
    "    except OSError: pass\ndef add(a, b): return 7",
    "no assertions": "import builtins\nbuiltins.AssertionError = KeyError\ndef add(a, b): return 7",
    "a debugger": "import sys\nsys.settrace(lambda *a: None)\nsys.exit = print\ndef add(a, b): return 7",
    "traces up": "import sys\nf = sys._getframe()\nwhile f: f.f_globals.update(said={'names': {}}); f = f.f_back\n"
    "def add(a, b): return 7",
    "remembers nothing": "import gc\nfor o in gc.get_objects():\n    if isinstance(o, dict) and 'pack' in o:\n"
    "        o['pack'] = lambda v: 5\ndef add(a, b): return 7",
    "answers before it is asked": "import os, time\nfor fd in range(3, 64):\n"
    '    try: os.write(fd, b\'{"names": {"add": {"call": true}}}\\n\' + b\'{"value": [5, {"tuple": [2, 3]}]}\\n\''
    ' + b\'{"value": [2, {"tuple": [1, 1]}]}\\n\' + b\'{"value": [42, {"tuple": [20, 22]}]}\\n\')\n'
    "    except OSError: pass\ntime.sleep(99)",
    "closes its pipes": "import os\ndef add(a, b): os.closerange(3, 64); return 7",
    "floods": "import os\ndef add(a, b):\n  for fd in range(3, 64):\n    try:\n      while True: os.write(fd, b'x' * 99999)\n"
    "    except OSError: pass",
    "text that equals": "class S(str):\n  __eq__ = lambda s, o: True\n  __hash__ = str.__hash__\ndef add(a, b): return S()",
    "an error that falls": "class E(Exception):\n  def __str__(s): raise E()\ndef add(a, b): raise E()",
    "packs otherwise": "class B(bytes):\n  def hex(s): raise SystemExit\ndef add(a, b): return B(b'x')",
    "never ends a list": "class L(list):\n  def __iter__(s):\n    while True: yield 1\ndef add(a, b): return L()",
    "fills memory": "x = bytearray(10**9)\ndef add(a, b): return a + b",
    "recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef add(a, b): return add(a, b)",
    "not a number": "def add(a, b): return float('nan')",
    "redefines what compares": "import json\njson.dumps = lambda *a: '{}'\ndef add(a, b): return 7",
    "deep": "def add(a, b):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x",
    "huge": "def add(a, b): return 'x' * 10**7",
    "hangs": "def add(a, b):\n    while True: pass",
    "kills": "import os, signal\ndef add(a, b): os.kill(0, signal.SIGKILL)",
    "fills": "def add(a, b):\n    while True: print('x' * 1000)",
}


@pytest.mark.parametrize("code", LIES.values(), ids=LIES)
def test_code_that_lies_does_not_pass(verifier: CodeVerifier, code: str) -> None:
    """It is asked for values, and has no other channel: what it says of itself is not heard."""
    tests = "assert add(2, 3) == 5\nassert add(1, 1) == 2\nassert add(20, 22) == 42"
    assert verifier.check(code, tests).outcome != "passed"


SHADOWED = {
    "range": (
        "def range(*a): return []\ndef f(x): return 0",
        "for i in range(5): assert f(i) == 2 * i\nf(1)",
    ),
    "abs": ("def abs(x): return 0\ndef f(x): return 9", "assert abs(f(1) - 2) < 1e-6"),
    "len": ("def len(x): return 3\ndef f(x): return []", "assert len(f(1)) == 3"),
    "all": ("all = lambda x: True\ndef f(x): return 9", "assert all([f(1) == 2])"),
    "a value": ("range = []\ndef f(x): return 9", "f(0)\nfor i in range: assert f(i) == 2"),
}


@pytest.mark.parametrize("case", SHADOWED.values(), ids=SHADOWED)
def test_code_does_not_stand_in_for_what_the_tests_use(verifier: CodeVerifier, case: tuple[str, str]) -> None:
    ruling = verifier.check(*case)
    assert (ruling.outcome, ruling.kind) == ("cannot-tell", "shadowed")
    assert ruling.reason.startswith("the code redefines ")
    assert verifier.check(case[0], "assert f(1) == 3").outcome == "failed", (
        "what tests do not name is no matter"
    )


CASE = [{"stdin": "4\n", "stdout": "8"}]
ODD: dict[str, tuple[str, Any, str]] = {
    "NUL": ("print(8)\0", CASE, "failed"), "half a surrogate": ("print(8) # \ud800", CASE, "failed"),
    "long": ("x = 1\n" * 100_000 + "print(8)", CASE, "passed"), "exit": ("print(8)\nexit(0)", CASE, "passed"),
    "exit as a failure": ("print(8)\nquit(1)", CASE, "failed"),
    "input by number": ("print(int(open(0).read()) * 2)", CASE, "passed"),
    "input as bytes": ("import sys\nprint(int(sys.stdin.buffer.read()) * 2)", CASE, "passed"),
    "as the main": ("import pickle\nclass A: pass\nif __name__ == '__main__' and pickle.loads(pickle.dumps(A())): print(8)",
                    CASE, "passed"),
    "NUL in tests' code": (RIGHT + "\0", TESTS, "failed"), "surrogate in code": (RIGHT + " # \ud800", TESTS, "failed"),
    "NUL in tests": (RIGHT, TESTS + "\0", "cannot-tell"), "long code": ("#" + "x" * 3_000_000 + "\n" + RIGHT, TESTS, "passed"),
    "deep tests": (RIGHT, "assert " + "(" * 500 + "add(1, 1)" + ")" * 500, "cannot-tell"),
    "surrogates between": ("def f(x): return x", "assert f('\\ud800') == '\\ud800'", "passed"),
    "an error's class": ("class E(ValueError): pass\ndef f(): raise E('a', 5)",
                         "try: f()\nexcept ValueError as e: assert e.args == ('a', 5)\nelse: assert False", "passed"),
    "an error with parts": ("def f(): return b'\\xff'.decode()",
                            "try: f()\nexcept UnicodeDecodeError: pass\nelse: assert False", "passed"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
def test_odd_text_is_ruled_on_and_ends_nothing(verifier: CodeVerifier, case: tuple[str, Any, str]) -> None:
    code, tests, outcome = case
    assert verifier.check(code, tests).outcome == outcome


def test_tests_that_catch_everything_do_not_hide_the_end_of_the_code(verifier: CodeVerifier) -> None:
    ruling = verifier.check("import os\ndef f(): os._exit(0)", "try:\n    f()\nexcept BaseException: pass")
    assert (ruling.outcome, ruling.kind) == ("failed", "ended")


def test_several_at_once_do_not_disturb_each_other(verifier: CodeVerifier) -> None:
    codes = [RIGHT, "def add(a, b): return 0"] * 4
    with ThreadPoolExecutor(4) as threads:
        found = [ruling.outcome for ruling in threads.map(lambda code: verifier.check(code, TESTS), codes)]
    assert found == ["passed", "failed"] * 4


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 1", "x = 1"),
        ("a\n```python\nx = 1\n```\nb\n```py\ny = 2\n```", "x = 1\n\ny = 2\n"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("```json\n{}\n```", "```json\n{}\n```"),
        ("```python\nx = 1", "```python\nx = 1"),
    ],
    ids=["plain", "two blocks", "no language", "another language", "not closed"],
)
def test_where_the_code_is(text: str, code: str) -> None:
    assert code_in(text) == code
