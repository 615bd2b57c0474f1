"""Exported files at work: each runs in a process of its own, so that a runtime that ends its process on a
bad file ends nothing else, and its memory can be told from ours.

Legend: T generated tokens, K likeliest alternatives.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
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
"""Seconds in which a loaded file must answer."""


@final
@dataclass(frozen=True)
class Steps:
    """A greedy answer: its T tokens, at each the K likeliest tokens with natural log-probabilities, and the
    seconds that generating took, reading the prompt left out."""

    ids: tuple[int, ...]
    top: tuple[tuple[tuple[int, float], ...], ...]
    seconds: float


class Runner(Protocol):
    """A model file that answers. All methods raise InputError when the runtime declines or dies."""

    def steps(self, prompt: Sequence[int], tokens: int, k: int, /) -> Steps:
        """The greedy answer to ``prompt`` (at least one id), of at most ``tokens`` tokens; ``k`` likeliest at
        each, 0 for none. An end of text that it chose is among them."""

    def tokenize(self, text: str, /) -> tuple[int, ...] | None:
        """Token ids of plain text, without special tokens; None where the runtime has no tokenizer."""

    def peak_bytes(self) -> int | None:
        """Most resident memory so far beyond the bare process; None where the platform does not tell."""


@final
class Child:
    """A file under a runtime in another process. Implements Runner. Close it, or use it in ``with``."""

    def __init__(self, runtime: Runtime, path: Path, *, threads: int | None = None) -> None:
        self._what = f"{path.name} under {runtime}"
        given = threads or cores.threads(os.environ)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inbond.edge.child", runtime, str(path), str(given)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace", env=_environment(),
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
        top = tuple(tuple((int(id_), float(logp)) for id_, logp in row) for row in said["top"])
        return Steps(tuple(said["ids"]), top, float(said["seconds"]))

    def tokenize(self, text: str) -> tuple[int, ...] | None:
        """See Runner."""
        ids = self._ask({"do": "tokenize", "text": text})["ids"]
        return None if ids is None else tuple(ids)

    def peak_bytes(self) -> int | None:
        """See Runner."""
        found: int | None = self._ask({"do": "peak"})["bytes"]
        return found

    def close(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None, "opened with a pipe"
        assert self._process.stdout is not None, "opened with a pipe"
        line = ""
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise self._died()
        said: dict[str, Any] = json.loads(line)
        if "missing" in said:
            raise need_extra(said["extra"], said["missing"])
        if "error" in said:
            raise _declined(self._what, said["error"])
        return said

    def _died(self) -> InputError:
        self._process.wait()
        code = self._process.returncode
        assert self._process.stderr is not None, "opened with a pipe"
        last = (self._process.stderr.read().strip().splitlines() or [""])[-1]
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        return _declined(self._what, f"its process ended with {how}: {last:.200}")


def _declined(what: str, found: str) -> InputError:
    return InputError(
        expected=f"an answer of {what}",
        found=found,
        fix="the file is broken or its runtime too old: export it again, or update the runtime",
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
