"""Exported files at work: each runs in a process of its own, so that a runtime that ends its process on a
bad file ends nothing else, and its memory can be told from ours.

Legend: T generated tokens, K likeliest alternatives.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, final

from inbond import cores
from inbond.errors import InputError, need_extra

Runtime = Literal["llama.cpp", "onnxruntime"]
ANSWER_S = 300
"""Seconds in which a file must be loaded, and in which a loaded one must answer."""
_LATE_S = 10
"""Seconds more until a process that did not end itself is ended."""
CONTEXT = 1024
_ROOM = 256
"""Tokens in whole steps of which room is made."""
Alternatives = tuple[tuple[int, float], ...]
"""The likeliest tokens of one place, with natural log-probabilities."""


@final
@dataclass(frozen=True)
class Steps:
    """A greedy answer: its T tokens, at each the K likeliest tokens with natural log-probabilities, and the
    seconds that generating took, reading the prompt left out."""

    ids: tuple[int, ...]
    top: tuple[Alternatives, ...]
    seconds: float


def room(prompts: Sequence[Sequence[int]], tokens: int) -> int:
    """The context that prompts and answers of ``tokens`` tokens need."""
    return math.ceil((max(map(len, prompts)) + tokens + 1) / _ROOM) * _ROOM


class Runner(Protocol):
    """A model file that answers. All methods raise InputError when the runtime declines or dies."""

    def steps(self, prompt: Sequence[int], tokens: int, k: int, /) -> Steps:
        """The greedy answer to ``prompt`` (at least one id), of at most ``tokens`` tokens; ``k`` likeliest at
        each, 0 for none. An end of text that it chose is among them."""

    def tokenize(self, text: str, /) -> tuple[int, ...] | None:
        """Token ids of a text, special tokens in it read as such and none put around it; None where the
        runtime has no tokenizer."""

    def template(self, messages: Sequence[dict[str, str]], /) -> str | None:
        """A conversation as the file's chat template writes it; None where the runtime has none."""

    def together(self, prompts: Sequence[Sequence[int]], k: int, /) -> tuple[Alternatives, ...] | None:
        """The ``k`` likeliest tokens after each prompt, all prompts read as one batch; None where the runtime
        fills up no batch."""

    def peak_bytes(self) -> int | None:
        """Most resident memory so far beyond the bare process; None where the platform does not tell."""


@final
class Child:
    """A file under a runtime in another process, with room for ``context`` tokens of prompt and answer; what
    takes longer than ``patience`` seconds is ended. Implements Runner. Close it, or use it in ``with``."""

    def __init__(
        self, runtime: Runtime, path: Path, *, threads: int | None = None, context: int = CONTEXT,
        patience: int = ANSWER_S,
    ) -> None:  # fmt: skip
        self._what, self._patience = f"{path.name} under {runtime}", patience
        # What runtimes print goes to a file: a full pipe that nobody reads would stop the process.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        told = map(str, (runtime, path, threads or cores.threads(os.environ), context, patience))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inbond.edge.child", *told],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=_environment(),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def steps(self, prompt: Sequence[int], tokens: int, k: int) -> Steps:
        """See Runner."""
        said = self._ask({"do": "steps", "prompt": list(prompt), "tokens": tokens, "k": k})
        return Steps(tuple(said["ids"]), _alternatives(said["top"]), float(said["seconds"]))

    def tokenize(self, text: str) -> tuple[int, ...] | None:
        """See Runner."""
        ids = self._ask({"do": "tokenize", "text": text})["ids"]
        return None if ids is None else tuple(ids)

    def template(self, messages: Sequence[dict[str, str]]) -> str | None:
        """See Runner."""
        found: str | None = self._ask({"do": "template", "messages": list(messages)})["text"]
        return found

    def together(self, prompts: Sequence[Sequence[int]], k: int) -> tuple[Alternatives, ...] | None:
        """See Runner."""
        top = self._ask({"do": "together", "prompts": [list(ids) for ids in prompts], "k": k})["top"]
        return None if top is None else _alternatives(top)

    def peak_bytes(self) -> int | None:
        """See Runner."""
        found: int | None = self._ask({"do": "peak"})["bytes"]
        return found

    def close(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None, "opened with a pipe"
        line = b""
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            line = self._line()
        if not line:
            raise self._died()
        said: dict[str, Any] = json.loads(line)
        if "missing" in said:
            raise need_extra(said["extra"], said["missing"])
        if "error" in said:
            raise _declined(self._what, said["error"])
        return said

    def _line(self) -> bytes:
        """One line of the process, or none when it has ended. Ends it where it says nothing for too long:
        its own alarm does not ring while it is stopped."""
        assert self._process.stdout is not None, "opened with a pipe"
        pipe, line = self._process.stdout.fileno(), b""
        until = time.monotonic() + 2 * self._patience + _LATE_S  # it may be loading still
        waiting = select.poll()
        waiting.register(pipe, select.POLLIN)
        while not line.endswith(b"\n"):
            if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
                self._process.kill()
                raise self._late()
            part = os.read(pipe, 1 << 16)
            if not part:
                return b""
            line += part
        return line

    def _late(self) -> InputError:
        return _declined(self._what, f"none within {self._patience} s, so its process was ended")

    def _died(self) -> InputError:
        self._process.wait()
        code = self._process.returncode
        if code == -signal.SIGALRM:
            return self._late()
        self._errors.seek(0)
        last = (self._errors.read().decode(errors="replace").strip().splitlines() or [""])[-1]
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        how += ", as where memory runs out" if code == -signal.SIGKILL else ""
        return _declined(self._what, f"its process ended with {how}: {last:.200}")


def _alternatives(rows: Sequence[Sequence[Sequence[float]]]) -> tuple[Alternatives, ...]:
    return tuple(tuple((int(id_), float(logp)) for id_, logp in row) for row in rows)


def _declined(what: str, found: str) -> InputError:
    return InputError(
        expected=f"an answer of {what}",
        found=found,
        fix="free memory if it ran out; else the file is broken or its runtime too old: export it again, or "
        "update the runtime",
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
