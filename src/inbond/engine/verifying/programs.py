"""The verifier ``code``: an answer's Python against tests, both confined, each in a place of its own.

``expected`` is a text of assertions (or a list of them) that call what the code defines, or a list of
``{"stdin": ..., "stdout": ...}`` that a whole program has to turn one into the other. The outcome comes from
the process that has the tests; the code is in another one and has no channel but the values it is asked for.
"""

from __future__ import annotations

import json
import os
import platform
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from inbond import cores
from inbond.engine.verifying.ruling import Ruling, cannot_tell, failed, passed, read
from inbond.engine.verifying.sandbox import Confined, Ended, Limits, Sandbox

_HERE = Path(__file__).parent
_FENCED = re.compile(r"^ {0,3}```[ \t]*(?:python|py|python3)?[ \t]*\n(.*?)^ {0,3}```", re.S | re.M | re.I)


def code_in(completion: str) -> str:
    """The code in an answer: its fenced Python blocks one after the other, or all of it without any."""
    blocks = _FENCED.findall(completion)
    return "\n".join(blocks) if blocks else completion


@final
class CodeVerifier:
    """Rules on code by running it. As ``Verifies``."""

    def __init__(self, limits: Limits) -> None:
        self._sandbox = Sandbox(limits)
        self._examiner = _source("candidate.py", "examiner.py")
        self._candidate = _source("candidate.py")
        self._runner = _source("runner.py")
        self._checked = False
        self._lock = threading.Lock()

    @property
    def tool(self) -> str:
        return f"tool:python@{platform.python_version()}"

    @property
    def at_once(self) -> int:
        return cores.available()

    def check(self, completion: str, expected: Any) -> Ruling:
        """As ``Verifies.check``. Raises InputError where nothing can be confined."""
        with self._lock:
            if not self._checked:
                self._sandbox.check()
                self._checked = True
        code = code_in(completion)
        if not code.strip():
            return failed("no code", "there is no code in the answer")
        if isinstance(expected, list) and expected and all(isinstance(case, Mapping) for case in expected):
            return self._programs(code, expected)
        tests = "\n".join(expected) if _are_lines(expected) else expected
        if not isinstance(tests, str) or not tests.strip():
            return cannot_tell("tests broken", f"no tests, but {expected!r:.80}")
        return self._examined(code, tests)

    def close(self) -> None:
        self._sandbox.close()

    def _programs(self, code: str, cases: list[Mapping[str, Any]]) -> Ruling:
        program = code.encode("utf-8", "surrogatepass")
        before = b"%012d" % len(program) + program
        for number, case in enumerate(cases, 1):
            given, wanted = case.get("stdin", ""), case.get("stdout")
            if not isinstance(given, str) or not isinstance(wanted, str):
                return cannot_tell("tests broken", f"case {number} has no stdin and stdout of text")
            ended = self._sandbox.run(self._runner, stdin=before + given.encode("utf-8", "surrogatepass"))
            if ended.how != "exited":
                return self._unfinished(ended)
            said = ended.output.decode("utf-8", "replace")
            if ended.code:
                return failed("does not run", f"case {number}: it ended with exit code {ended.code}")
            if _trimmed(said) != _trimmed(wanted):
                return failed("a test failed", f"case {number}: it printed {said!r:.80}, not {wanted!r:.80}")
        return passed(f"all {len(cases)} cases")

    def _examined(self, code: str, tests: str) -> Ruling:
        questions, answers = os.pipe(), os.pipe()
        started: list[Confined] = []
        try:
            for source, read, write, given in (
                (self._candidate, questions[0], answers[1], b""),
                (self._examiner, answers[0], questions[1], json.dumps([code, tests]).encode("ascii")),
            ):
                ends = (read, write)
                started.append(self._sandbox.start(source, *map(str, ends), stdin=given, channels=ends))
        finally:
            for end in (*questions, *answers):  # theirs alone now: else the end of one would not be seen
                os.close(end)
        try:
            for one in started:
                one.await_start()
            ended = self._sandbox.finish(started[-1])
            return _ruling(ended) if ended.how == "exited" else self._unfinished(ended)
        finally:
            for one in started:
                one.close()

    def _unfinished(self, ended: Ended) -> Ruling:
        if ended.how == "time":
            return failed("too slow", f"it was not done in {self._sandbox.limits.seconds:g} s")
        return failed("too much output", f"it printed over {self._sandbox.limits.output_bytes:,} bytes")


def _ruling(ended: Ended) -> Ruling:
    """What the tests' side said. It is ours, but what it ran may have ended it."""
    try:
        ruling = read(json.loads(ended.output))
    except ValueError:
        ruling = None
    said = f"the tests ended with exit code {ended.code} and no outcome"
    return ruling if ruling is not None else cannot_tell("tests broken", said)


def _source(*names: str) -> str:
    """Our own side as one text: nothing of this package can be seen from within."""
    texts = [(_HERE / name).read_text(encoding="utf-8") for name in names]
    parts = [text.partition("\nif __name__")[0] for text in texts[:-1]]
    lines = [line for text in (*parts, texts[-1]) for line in text.splitlines()]
    future = "from __future__ import annotations"
    return "\n".join([future, *(line for line in lines if line != future)])


def _are_lines(expected: Any) -> bool:
    return isinstance(expected, list) and all(isinstance(line, str) for line in expected)


def _trimmed(text: str) -> list[str]:
    """Lines without what nobody sees: white space at their ends, and empty lines at the end."""
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip().split("\n")
