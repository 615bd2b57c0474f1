"""A model file that llama.cpp serves in a process of its own, on loopback, to whoever has its key.

``python -m inbond.edge.serving FILE THREADS PARALLEL CONTEXT``, with the key as its first line of input, says
its address in one line when it is ready, and ends when its input does: with the process that started it,
however that ends.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from inbond.errors import InputError, need_extra
from inbond.llama_cpp import parameters


@final
@dataclass(frozen=True)
class Room:
    """How a file is served: ``parallel`` answers at once, each with room for ``context`` tokens of prompt and
    answer, by ``threads`` threads."""

    context: int
    parallel: int
    threads: int


@final
class Serving:
    """llama.cpp's server over one file. Close it, or use it in ``with``."""

    def __init__(self, path: Path, room: Room, *, limit_s: float) -> None:
        """Starts it. Raises InputError when it is not ready in ``limit_s`` seconds, or dies on the file,
        MissingExtraError without the wheel."""
        self._what = f"{path.name} under llama.cpp"
        self.key = secrets.token_hex(32)
        # A pipe that nobody reads would fill up and stop it.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        numbers = [str(number) for number in (room.threads, room.parallel, room.context)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inbond.edge.serving", str(path), *numbers],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        try:
            self.address = self._begin(limit_s)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def died(self) -> str | None:
        """How its process ended, in words; None while it lives."""
        code = self._process.poll()
        if code is None:
            return None
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        return f"its process ended with {how}"

    def close(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _begin(self, limit_s: float) -> str:
        assert self._process.stdin is not None, "opened with a pipe"
        assert self._process.stdout is not None, "opened with a pipe"
        with suppress(BrokenPipeError):
            self._process.stdin.write(self.key + "\n")
            self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], limit_s)
        if not ready:
            raise _unserved(self._what, f"no server after {limit_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            last = (self._said.read().decode(errors="replace").strip().splitlines() or [""])[-1]
            raise _unserved(self._what, f"{self.died()}: {last:.200}")
        said: dict[str, Any] = json.loads(line)
        if "missing" in said:
            raise need_extra("local", said["missing"])
        if "error" in said:
            raise _unserved(self._what, said["error"])
        return str(said["address"])


def _unserved(what: str, found: str) -> InputError:
    return InputError(
        expected=f"a server of {what}",
        found=found,
        fix="run it again; if it keeps happening, update llama.cpp (xllamacpp), or free memory for it",
    )


def _serve(path: Path, room: Room, key: str) -> tuple[dict[str, str], Any]:
    """What is said of it, and the server."""
    try:
        import xllamacpp

        params = parameters(path, context=room.context, parallel=room.parallel, threads=room.threads, key=key)
        server = xllamacpp.Server(params)
        # A server that is let go before its loop runs waits for ever; after one answer it does run.
        server.handle_completions({"prompt": [0], "max_tokens": 1, "temperature": 0})
        return {"address": str(server.listening_address)}, server
    except ImportError as error:
        return {"missing": error.name or "xllamacpp"}, None
    except Exception as error:  # whatever a reader of files may raise
        return {"error": f"{type(error).__name__}: {error!s:.300}"}, None


def main() -> None:
    """Serves until its input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what llama.cpp prints is no answer of ours
    path, threads, parallel, context = sys.argv[1:]
    key = sys.stdin.readline().strip()
    said, server = _serve(Path(path), Room(int(context), int(parallel), int(threads)), key)
    answers.write(json.dumps(said) + "\n")
    answers.flush()
    sys.stdin.read()
    del server
    os._exit(0)  # its threads may hold a normal exit up


if __name__ == "__main__":
    main()
