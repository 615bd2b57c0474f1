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
