"""A GGUF file answered by llama.cpp inside this process (the xllamacpp wheel): no server, no compiler.

llama.cpp ends the whole process on some broken files. A file is therefore checked by
``gguf_file.read_head`` and then, once per file and llama.cpp version, loaded in a process of its
own before it is loaded here; that it survived is remembered in the cache folder.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from inbond import cores
from inbond.digest import Digest, of_file
from inbond.errors import InputError, TeacherError, UnwritableError, need_extra
from inbond.llama_cpp import SAMPLERS, parameters
from inbond.teachers import wire
from inbond.teachers.gguf_file import read_head
from inbond.teachers.protocols import Price, Reply, Request
from inbond.workspace import write_bytes

_PROOF_S = 30
_PROOF_BYTES_A_S = 20_000_000
_PROOF = """
import signal, sys
from pathlib import Path
signal.alarm(int(sys.argv[2]))  # ends a loop inside llama.cpp, also when nobody waits any more
from inbond.teachers.embedded import Settings, load
load(Path(sys.argv[1]), Settings(parallel=1, context=256))
"""


@dataclass(frozen=True)
class Settings:
    """How llama.cpp runs. None of it changes an answer: what does not fit the context is refused.

    ``parallel`` answers at once; ``context`` tokens of prompt and answer for each; ``threads`` None
    means one for each core this process may use.
    """

    parallel: int = 16
    context: int = 1024
    threads: int | None = None


@final
class Embedded:
    """A teacher out of a GGUF file. Implements Completes. Make it with ``Embedded.open``."""

    def __init__(self, server: Any, name: str, identity: str, settings: Settings) -> None:
        self._server = server
        self._name = name
        self._identity = identity
        self._settings = settings
        self._stopped = threading.Event()
        # One call more than slots waits inside llama.cpp, so that no slot idles while an answer is kept.
        self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="embedded")

    @classmethod
    def open(
        cls,
        path: Path,
        cache: Path,
        *,
        name: str | None = None,
        digest: Digest | None = None,
        settings: Settings | None = None,
    ) -> Embedded:
        """Loads ``path``. ``cache`` is where proofs are remembered, ``digest`` that of the file if known.

        Raises InputError when the file is missing, broken or not loadable; MissingExtraError without
        the wheel.
        """
        settings = settings or Settings()
        read_head(path)
        digest = digest or of_file(path)
        version = _version()
        _prove(path, cache / "proofs" / f"{digest.removeprefix('sha256:')}-{version}")
        name = name or f"gguf:{path}"
        identity = f"{name} {digest} xllamacpp {version} {SAMPLERS}"
        return cls(load(path, settings), name, identity, settings)

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def concurrency(self) -> int:
        return self._settings.parallel + 1

    @property
    def price(self) -> Price:
        return Price()

    @property
    def address(self) -> str:
        """The loopback address of llama.cpp's own HTTP server. It asks for a key that nobody has."""
        return str(self._server.listening_address)

    async def complete(self, request: Request) -> Reply:
        """See Completes."""
        if self._stopped.is_set():
            raise InputError(
                expected="an open teacher", found=f"{self._name} was closed", fix="open the teacher again"
            )
        cancelled = threading.Event()
        call = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, request, cancelled)
        try:
            return await call
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def close(self) -> None:
        """Stops what is in flight and frees the model."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        await asyncio.to_thread(self._threads.shutdown)
        self._server = None

    def _ask(self, request: Request, cancelled: threading.Event) -> Reply:
        """Runs in a thread. llama.cpp calls ``take`` for each token; returning True ends the answer."""
        if cancelled.is_set() or self._stopped.is_set():
            raise _interrupted(self._name)
        gathering = wire.Gathering(request, self._name)
        trouble: list[TeacherError] = []

        def take(chunk: Any) -> bool:
            try:
                gathering.add(chunk)
            except TeacherError as error:
                trouble.append(error)
            return bool(trouble) or cancelled.is_set() or self._stopped.is_set()

        start = time.perf_counter()
        chat = not isinstance(request.prompt, str)
        handle = self._server.handle_chat_completions if chat else self._server.handle_completions
        try:
            handle(wire.body_of(request, model=self._name), take)
        except (ValueError, RuntimeError) as error:
            raise _rejected(self._name, str(error)) from error
        if trouble:
            raise trouble[0]
        if not gathering.finished and (cancelled.is_set() or self._stopped.is_set()):
            raise _interrupted(self._name)
        return self._whole(gathering.reply(time.perf_counter() - start, {}), request)

    def _whole(self, reply: Reply, request: Request) -> Reply:
        """Refuses an answer that the context cut short: it would depend on our settings."""
        cut = reply.finish == "length" and (reply.completion_tokens or 0) < request.sampling.max_tokens
        if cut:
            raise _rejected(
                self._name,
                f"prompt of {reply.prompt_tokens} and answer of over {reply.completion_tokens} tokens "
                f"do not fit the context of {self._settings.context}",
            )
        return replace(reply, model=self._name)


def load(path: Path, settings: Settings) -> Any:
    """A llama.cpp server for ``path``. Raises InputError when llama.cpp declines; it may also abort."""
    xllamacpp = _wheel()
    threads = settings.threads or cores.available()
    params = parameters(
        path,
        context=settings.context,
        parallel=settings.parallel,
        threads=threads,
        key=secrets.token_hex(32),  # nobody's: nothing shall use the port
    )
    try:
        server = xllamacpp.Server(params)
        # A server that is let go before its loop runs waits for ever; after one answer it does run.
        server.handle_completions({"prompt": "a", "max_tokens": 1, "temperature": 0})
        return server
    except (RuntimeError, ValueError) as error:
        raise _unloadable(path, str(error)) from error


def _prove(path: Path, mark: Path) -> None:
    """Loads ``path`` in another process unless ``mark`` says that it was survived. Raises InputError."""
    if mark.exists():
        return
    limit_s = _PROOF_S + path.stat().st_size // _PROOF_BYTES_A_S
    command = [sys.executable, "-c", _PROOF, str(path), str(limit_s)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == -signal.SIGALRM:
        raise _unloadable(path, f"llama.cpp was not done loading it after {limit_s} s")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        died = (
            f"llama.cpp ended with signal {-done.returncode}"
            if done.returncode < 0
            else "llama.cpp declined it"
        )
        raise _unloadable(path, f"{died}: {wire.excerpt(last)}" if last else died)
    with suppress(UnwritableError):  # a mark only saves a second
        write_bytes(mark, b"")


def _wheel() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise need_extra("local", "xllamacpp") from error
    return xllamacpp


def _version() -> str:
    return str(_wheel().__version__)


def _unloadable(path: Path, found: str) -> InputError:
    return InputError(
        expected=f"a GGUF model at {path} that llama.cpp can load",
        found=found,
        fix="fetch the file again, or use one whose architecture this llama.cpp knows",
    )


def _rejected(name: str, found: str) -> TeacherError:
    return TeacherError(
        expected=f"a request that {name} can answer",
        found=wire.excerpt(found),
        fix="shorten the prompt, lower max_tokens, or open the teacher with a larger context",
        reason="rejected",
        retryable=False,
    )


def _interrupted(name: str) -> TeacherError:
    return TeacherError(
        expected=f"an answer from {name}",
        found="the call was cancelled or the teacher closed",
        fix="ask again",
        reason="truncated-stream",
        retryable=True,
    )
