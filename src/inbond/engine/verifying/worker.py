"""A verifier in a process of its own, with a clock that holds whatever runs in there.

A signal reaches only a main thread, and never C code that does not look; a process can always be ended. One
that hangs or crashes is started again for the next answer, and the answer that it was at gets a ruling.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
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
        self._asked = 0
        self._lock = threading.Lock()

    def check(self, completion: str, expected: Any) -> Ruling:
        """As ``Verifies.check``. Raises InputError when a function cannot be loaded."""
        with self._lock:
            used = self._process is not None
            try:
                try:
                    return self._ruled(completion, expected)
                except _Silent as silent:
                    if silent.code is None or not used:
                        raise
                    # What an answer before this one left behind may have ended it.
                    return self._ruled(completion, expected)
            except _Silent as silent:
                if silent.code is None:
                    return cannot_tell("too slow", f"the verifier was not done in {self._timeout_s:g} s")
                return cannot_tell("crashed", f"the verifier's process ended with {silent.code}")

    def close(self) -> None:
        with self._lock:
            self._end()

    def _ruled(self, completion: str, expected: Any) -> Ruling:
        """What the process says of an answer. Ends the process if that is no ruling. Raises _Silent."""
        process = self._process or self._start()
        self._asked += 1
        asked = {"number": self._asked, "completion": completion, "expected": expected}
        try:
            said = self._ask(process, asked, self._timeout_s)
            # What was written late for an earlier answer is no ruling on this one.
            ruling = read(said["ruling"]) if said["number"] == self._asked else None
        except (ValueError, TypeError, KeyError):
            ruling = None
        except _Silent:
            self._end()
            raise
        if ruling is None:
            self._end()
            return cannot_tell("no ruling", "the verifier's process said something that is no ruling")
        return ruling

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).parents[3])  # where this package is, installed or not
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [sys.executable, "-m", "inbond.engine.verifying.child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, start_new_session=True,
        )  # fmt: skip
        self._process = process
        assert process.stdin is not None, "it is a pipe"
        os.set_blocking(process.stdin.fileno(), False)
        try:
            said = self._ask(process, self._told, _START_S)
            found = "it is ready" if said.get("ready") else str(said.get("error"))
        except _Silent as silent:
            how = "in time" if silent.code is None else f"and ended with {silent.code}"
            found = f"its process did not start {how}"
        except (ValueError, AttributeError):
            found = "its process said something else when it was started"
        if found != "it is ready":
            self._end()
            raise InputError(
                expected=f"a verifier that can be loaded: {self._told.get('function', self._told['kind'])}",
                found=found[:300],
                fix="correct verify.function, or the module that it is in",
            )
        return process

    def _ask(self, process: subprocess.Popen[bytes], value: Any, seconds: float) -> Any:
        """One line there and one back, with one clock for both. Raises _Silent, ValueError."""
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        left = memoryview(json.dumps(value).encode("ascii") + b"\n")
        said, end = b"", time.monotonic() + seconds
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            waiting.register(process.stdin, selectors.EVENT_WRITE)
            while not said.endswith(b"\n"):
                ready = waiting.select(max(0.0, end - time.monotonic()))
                if not ready:
                    raise _Silent(None)
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        left = self._write(process, left)
                        if not left:
                            waiting.unregister(process.stdin)
                        continue
                    chunk = os.read(process.stdout.fileno(), 1 << 16)
                    if not chunk:
                        raise _Silent(_code(process, end))
                    said += chunk
                    if len(said) > _LONGEST:
                        raise ValueError("more than any ruling")
        return json.loads(said)

    def _write(self, process: subprocess.Popen[bytes], left: memoryview) -> memoryview:
        """What is still to be written. Raises _Silent."""
        assert process.stdin is not None, "it is a pipe"
        try:
            return left[os.write(process.stdin.fileno(), left[: 1 << 16]) :]
        except BlockingIOError:
            return left
        except BrokenPipeError:
            raise _Silent(_code(process, time.monotonic() + 1.0)) from None

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what a function started
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _code(process: subprocess.Popen[bytes], end: float) -> int | None:
    """What a process ended with that closed its pipes; None for one that goes on without them."""
    try:
        return process.wait(max(0.1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None
