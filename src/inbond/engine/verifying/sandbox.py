"""Runs Python that nobody trusts: no files, no network, no other processes, and an end to all it can use up.

Linux namespaces without root, capabilities dropped, system calls filtered, resources limited, and a clock
outside (``confined`` says how). Where a machine offers no namespaces nothing is run at all. What the program
prints is data: whether it did well is decided by who reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Literal, final

from inbond.errors import InputError

_CONFINED = Path(__file__).with_name("confined.py")
_NOBODY = 65534
_SETUP_S = 30.0
"""Beyond the program's own time: a busy machine takes a while to start two interpreters."""
_MODULES = (
    "_asyncio _bisect _bz2 _contextvars _csv _datetime _decimal _hashlib _heapq _json _lzma _md5 _opcode "
    "_pickle _posixsubprocess _queue _random _sha1 _sha256 _sha512 _socket _statistics _struct _zoneinfo "
    "array audioop binascii cmath fcntl grp math mmap resource select termios unicodedata zlib"
)
"""Whatever of these an interpreter has brings shared libraries along, which are looked up once."""


@final
@dataclass(frozen=True)
class Limits:
    """What a program may use up. ``seconds`` are of the clock on the wall; its processor's have one more."""

    seconds: float = 5.0
    memory_mb: int = 256
    output_bytes: int = 1 << 16


@final
@dataclass(frozen=True)
class Ended:
    """How a program ended: by itself (``exited`` with ``code``, 128 and more for a signal), at its time, or
    because it printed more than it may. ``output`` is what it wrote until then."""

    how: Literal["exited", "time", "output"]
    code: int
    output: bytes


@final
@dataclass
class Confined:
    """A program that was started. ``output`` is its standard output, to be read by the caller."""

    process: subprocess.Popen[bytes]
    ready: IO[bytes]
    feeder: threading.Thread

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None, "it is a pipe"
        return self.process.stdout

    def await_start(self) -> None:
        """Returns when the program runs. Raises InputError when it could not be confined."""
        said, end = b"", time.monotonic() + _SETUP_S
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.ready, selectors.EVENT_READ)
            while waiting.select(max(0.0, end - time.monotonic())):
                chunk = self.ready.read(4096)
                said += chunk
                if not chunk:
                    break
        if said != b"ok":
            self.kill()
            raise _refused(said.removeprefix(b"ok").decode("utf-8", "replace") or "it did not start in time")

    def kill(self) -> None:
        """Ends it with everything that it started. It is safe to call it twice."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Ends it and forgets its pipes."""
        self.kill()
        self.output.close()
        self.ready.close()
        self.feeder.join()


def _refused(found: str) -> InputError:
    return InputError(
        expected="a machine on which code can be run apart from everything else (Linux user, mount, process "
        "and network namespaces, and system call filters)",
        found=found.removeprefix("failed: ")[:300],
        fix="allow unprivileged user namespaces (sysctl user.max_user_namespaces, "
        "kernel.apparmor_restrict_unprivileged_userns=0, or a container's seccomp profile), run this on "
        "another machine, or verify with something else than verify.kind=code. It is not run unprotected",
    )


@final
class Sandbox:
    """Starts programs in confinement. Safe to use from several threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._root = tempfile.TemporaryDirectory(prefix="inbond-root-")

    def check(self) -> None:
        """Makes sure that it confines, by a program that looks around. Raises InputError."""
        found = self.run(_look(_seen()), seconds=20.0)
        if found.how != "exited" or found.code or found.output != b"alone\n":
            saw = found.output.decode("utf-8", "replace") or "nothing"
            raise _refused(f"a program in it saw {saw!r:.200}")

    def run(self, source: str, *, stdin: bytes = b"", seconds: float | None = None) -> Ended:
        """Runs a program to its end. Raises InputError as ``start`` and ``await_start``."""
        program = self.start(source, stdin=stdin)
        try:
            program.await_start()
            return self.finish(program, seconds)
        finally:
            program.close()

    def start(
        self, source: str, *arguments: str, stdin: bytes = b"", channels: Sequence[int] = ()
    ) -> Confined:
        """Starts a program that has the file descriptors ``channels``, and no others.

        Raises InputError where this machine has no such thing. ``await_start`` says whether it runs.
        """
        if sys.platform != "linux":
            raise _refused(f"{sys.platform}, which has no namespaces")
        (ready, tell), (given, feed) = os.pipe(), os.pipe()
        try:
            process = subprocess.Popen(
                [_interpreter(), "-I", "-S", "-B", str(_CONFINED), self._spec(source, arguments, tell)],
                stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", env={},
                pass_fds=(tell, *channels), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            os.close(ready)
            os.close(feed)
            raise _refused(f"{error.strerror} when the interpreter was started") from error
        finally:
            os.close(tell)
            os.close(given)
        feeder = threading.Thread(target=_feed, args=(feed, stdin), daemon=True)
        feeder.start()
        return Confined(process, os.fdopen(ready, "rb", buffering=0), feeder)

    def finish(self, program: Confined, seconds: float | None = None) -> Ended:
        """Reads what the program prints until it ends, or has to."""
        end = time.monotonic() + (self.limits.seconds if seconds is None else seconds)
        output = b""
        with selectors.DefaultSelector() as waiting:
            waiting.register(program.output, selectors.EVENT_READ)
            while True:
                if time.monotonic() >= end or not waiting.select(end - time.monotonic()):
                    return Ended("time", -1, output)
                chunk = os.read(program.output.fileno(), 1 << 16)
                output += chunk
                if len(output) > self.limits.output_bytes:
                    return Ended("output", -1, output[: self.limits.output_bytes])
                if not chunk:
                    break
        try:
            code = program.process.wait(max(0.0, end - time.monotonic()) + 1.0)
        except subprocess.TimeoutExpired:
            return Ended("time", -1, output)
        return Ended("exited", code, output)

    def close(self) -> None:
        """Removes the folder over which roots were made. It is safe to call it twice."""
        self._root.cleanup()

    def _spec(self, source: str, arguments: Sequence[str], ready: int) -> str:
        seen = _seen()
        memory = self.limits.memory_mb << 20
        spec = {
            "argv": [_interpreter(), "-I", "-S", "-B", "-X", "utf8", "-c", source, *arguments],
            "environment": {"LD_LIBRARY_PATH": seen.libraries, "LC_ALL": "C.UTF-8"},
            "root": self._root.name,
            "binds": seen.binds,
            "hidden": seen.hidden,
            "links": seen.links,
            "uid": _NOBODY,
            "mapped": os.geteuid() == 0,
            "limits": {
                "CPU": int(self.limits.seconds) + 2, "AS": memory, "DATA": memory, "NPROC": 4, "NOFILE": 32,
            },
            "ready": ready,
        }  # fmt: skip
        return json.dumps(spec)


def _feed(pipe: int, data: bytes) -> None:
    """Writes what the program reads, as fast as it does; it may end before that."""
    try:
        with os.fdopen(pipe, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) or 0 :]
    except (BrokenPipeError, OSError):
        return


@final
@dataclass(frozen=True)
class _Seen:
    """What a program sees of the machine: its interpreter, the standard library, and what these need."""

    binds: Sequence[str]
    hidden: Sequence[str]
    links: Sequence[tuple[str, str]]
    libraries: str


def _interpreter() -> str:
    """The interpreter itself, not a virtual environment's name for it: packages are not to be seen."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


@cache
def _seen() -> _Seen:
    standard = os.path.realpath(os.path.dirname(os.__file__))
    loaders = (str(path) for folder in ("/lib", "/lib64") for path in Path(folder).glob("ld-*.so*"))
    found = [*(alias for path in _mapped() for alias in _aliases(path)), *loaders]
    links = {path: os.readlink(path) for path in ("/lib", "/lib64") if os.path.islink(path)}
    # A path through one of these links leads to the same file in there, once the link is made.
    plain = {_behind(path, links) for path in found}
    files = sorted(path for path in plain if not path.startswith(f"{standard}/"))
    folders = dict.fromkeys(os.path.dirname(path) for path in files if path != _interpreter())
    hidden = [f"{standard}/{name}" for name in ("site-packages", "dist-packages", "test")]
    return _Seen([*files, standard], hidden, list(links.items()), ":".join(folders))


def _behind(path: str, links: Mapping[str, str]) -> str:
    """The path without a link at its top."""
    _, top, *rest = path.split("/")
    return os.path.join("/", links[f"/{top}"], *rest) if f"/{top}" in links else path


def _mapped() -> list[str]:
    """The interpreter, and the shared libraries that it has in its memory with the usual modules."""
    code = (
        f"for name in {_MODULES.split()!r}:\n"
        "    try:\n        __import__(name)\n    except ImportError:\n        pass\n"
        "print(open('/proc/self/maps').read())"
    )
    arguments = [_interpreter(), "-I", "-S", "-B", "-c", code]
    environment: Mapping[str, str] = {}
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    files = {line.partition("/")[1] + line.partition("/")[2] for line in done.stdout.splitlines()}
    return [_interpreter(), *sorted(path for path in files if ".so" in path and os.path.isfile(path))]


def _aliases(path: str) -> list[str]:
    """The file with the names in its folder that mean it: a library is looked for by one of those."""
    if ".so" not in os.path.basename(path):
        return [path]
    stem = os.path.basename(path).split(".so")[0]
    near = Path(path).parent.glob(f"{stem.split('-')[0]}*.so*")
    return [path, *(str(other) for other in near if other.is_symlink() and os.path.realpath(other) == path)]


def _look(seen: _Seen) -> str:
    """A program that says what it sees beyond what is shown to it, wherever the interpreter lies: many have
    theirs in a home."""
    shown = {*seen.binds, *(path for path, _ in seen.links)}
    ways = {str(parent) for path in shown for parent in Path(path).parents}
    return f"SHOWN, WAYS = {shown!r}, {ways!r}\n{_LOOK}"


_LOOK = """
import os, socket

def more(path):
    if path in SHOWN:
        return []
    if path not in WAYS:
        return [path]
    return [found for name in os.listdir(path) for found in more(os.path.join(path, name))]

seen = more("/")
try:
    socket.socket()
    seen.append("a socket")
except OSError:
    pass
try:
    os.fork()
    seen.append("a process")
except OSError:
    pass
try:
    open("/file", "w")
    seen.append("a file")
except OSError:
    pass
if os.getpid() > 9 or os.getppid() > 1:
    seen.append("other processes")
print(*(seen or ["alone"]), sep=", ")
"""
