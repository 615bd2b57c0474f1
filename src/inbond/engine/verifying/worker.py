"""A verifier in a process of its own, with a clock that holds whatever runs in there.

A signal reaches only a main thread, and never C code that does not look; a process can always be ended. One
that hangs or crashes is started again for the next answer, and the answer that it was at gets a ruling.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from inbond.engine.verifying.ruling import Ruling, cannot_tell, read
from inbond.errors import InputError

_START_S = 120.0
"""Importing sympy, or what a user's module imports, may take a while on a busy machine."""
_LONGEST = 1 << 20


class _Silent(Exception):
    """No answer came: the process ended (``code``), or its time did (None)."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


@final
class WorkerVerifier:
    """As ``Verifies``; ``told`` is what ``child`` is told to be."""

    at_once = 1

    def __init__(self, tool: str, told: Mapping[str, Any], timeout_s: float) -> None:
        self.tool = tool
        self._told = told
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def check(self, completion: str, expected: Any) -> Ruling:
        """As ``Verifies.check``. Raises InputError when a function cannot be loaded."""
        with self._lock:
            process = self._process or self._start()
            try:
                said = self._ask(process, {"completion": completion, "expected": expected}, self._timeout_s)
                ruling = read(said)
            except _Silent as silent:
                self._end()
                if silent.code is None:
                    return cannot_tell("too slow", f"the verifier was not done in {self._timeout_s:g} s")
                return cannot_tell("crashed", f"the verifier's process ended with {silent.code}")
            except ValueError:
                ruling = None
            if ruling is None:
                self._end()
                return cannot_tell("no ruling", "the verifier's process said something that is no ruling")
            return ruling

    def close(self) -> None:
        with self._lock:
            self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).parents[3])  # where this package is, installed or not
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inbond.engine.verifying.child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        try:
            said = self._ask(self._process, self._told, _START_S)
            found = "it is ready" if said.get("ready") else str(said.get("error"))
        except (_Silent, ValueError, AttributeError) as error:
            found = f"its process did not start ({error})"
        if found != "it is ready":
            self._end()
            raise InputError(
                expected=f"a verifier that can be loaded: {self._told.get('function', self._told['kind'])}",
                found=found[:300],
                fix="correct verify.function, or the module that it is in",
            )
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], value: Any, seconds: float) -> Any:
        """One line there and one back. Raises _Silent, ValueError."""
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        try:
            process.stdin.write(json.dumps(value).encode("ascii") + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise _Silent(process.wait()) from None
        said, end = b"", time.monotonic() + seconds
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            while not said.endswith(b"\n"):
                left = end - time.monotonic()
                if left <= 0 or not waiting.select(left):
                    raise _Silent(None)
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk or len(said) > _LONGEST:
                    raise _Silent(process.wait() if not chunk else None)
                said += chunk
        return json.loads(said)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
