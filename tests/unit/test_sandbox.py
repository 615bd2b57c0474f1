# ruff: noqa: E501  (the code under test is easier to read in one line)
"""What code can do in the sandbox: compute, and nothing else. Every attempt is made for real."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from inbond.engine.verifying import confined
from inbond.engine.verifying import sandbox as sandboxes
from inbond.engine.verifying.sandbox import Limits, Sandbox
from inbond.errors import InputError

SECRET = "a secret that must not be seen"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(Limits(seconds=8.0))
    made.check()
    yield made
    made.close()


@pytest.fixture
def with_ctypes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Brings along what ctypes needs, so that code can try any system call."""
    monkeypatch.setattr(sandboxes, "_MODULES", f"{sandboxes._MODULES} _ctypes")
    sandboxes._seen.cache_clear()
    yield
    sandboxes._seen.cache_clear()


def test_what_computes_runs(sandbox: Sandbox) -> None:
    code = (
        "import collections, dataclasses, datetime, decimal, fractions, functools, hashlib, heapq, itertools\n"
        "import json, math, random, re, statistics, string, typing, unicodedata, zlib\n"
        "print(input()[::-1], math.comb(5, 2), hashlib.sha256(b'').hexdigest()[:4], 'é')"
    )
    ended = sandbox.run(code, stdin=b"abc\n")
    assert (ended.how, ended.code) == ("exited", 0)
    assert ended.output.decode() == "cba 10 e3b0 é\n"


ATTEMPTS = {
    "read passwd": "open('/etc/passwd')",
    "read home": f"open({str(Path.home() / '.bashrc')!r})",
    "list home": f"import os; assert os.listdir({str(Path.home())!r}) in ([], ['.pyenv']), 'x'; raise OSError",
    "read itself": f"open({str(Path(__file__))!r})",
    "packages": "import numpy",
    "processes of others": "import os; os.listdir('/proc/1')",
    "environment": f"import os; assert {SECRET!r} not in str(os.environ); raise OSError",
    "write root": "open('/x', 'w')",
    "write tmp": "open('/tmp/x', 'w')",
    "write library": "import os; open(os.__file__, 'a')",
    "temporary file": "import tempfile; tempfile.TemporaryFile()",
    "make a folder": "import os; os.mkdir('/x')",
    "symlink": "import os; os.symlink('/etc/passwd', '/x')",
    "follow dots": "open('/../../../../etc/passwd')",
    "change root": "import os; os.chroot('/usr')",
    "device": "import os; os.mknod('/x', 0o60600, os.makedev(8, 0))",
    "socket": "import socket; socket.socket()",
    "socket pair": "import socket; socket.socketpair()",
    "unix socket": "import socket; socket.socket(socket.AF_UNIX)",
    "fork": "import os; os.fork()",
    "fork bomb": "import os\nwhile True: os.fork()",
    "thread": "import threading; threading.Thread(target=print).start()",
    "program": "import subprocess; subprocess.run(['/bin/sh', '-c', 'true'])",
    "become root": "import os; os.setuid(0)",
    "become another": "import os; os.setresuid(0, 0, 0)",
    "kill the first": "import os; os.kill(1, 9); open('/proc/1')",
    "look for others": "import os\nfor pid in range(3, 99999): os.kill(pid, 0)",
    "memory": "x = bytearray(1 << 32)",
    "memory bit by bit": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "raise limits": "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "file size": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9))",
    "memory file": "import os; os.memfd_create('x')",
    "another process's descriptors": "import os; os.pidfd_open(1)",
    "priority": "import os; os.nice(-5)",
    "call anything": "import ctypes",
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_no_attempt_to_reach_anything_works(
    sandbox: Sandbox, attempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INBOND_TEST_KEY", SECRET)
    body = attempt.replace("\n", "\n    ")
    code = f"try:\n    {body}\nexcept (OSError, RuntimeError, MemoryError, ValueError, ImportError):\n" + (
        "    print('refused')\nelse:\n    print('ESCAPED')"
    )
    ended = sandbox.run(code)
    assert b"ESCAPED" not in ended.output
    assert ended.output == b"refused\n" or (ended.how == "exited" and ended.code), ended


CALLS = {
    "ptrace": (101, 16, 1), "mount": (165, 0, 0), "unshare": (272, 0x10000000), "setns": (308, 0, 0),
    "socket": (41, 2, 1), "clone": (56, 17), "clone3": (435, 0, 0), "bpf": (321, 0, 0),
    "keyctl": (250, 0, 0), "io_uring": (425, 1, 0), "perf": (298, 0, 0), "userfault": (323, 0),
    "x32": (0x40000000 + 41, 2, 1), "pivot_root": (155, 0, 0), "umount": (166, 0, 2), "reboot": (169, 0),
    "sync": (162,), "splice": (275, 0, 0), "memory file": (319, 0, 0), "execveat": (322, 0, 0),
    "memory of others": (310, 1, 0), "handle": (304, 0, 0), "modules": (313, 0, 0),
}  # fmt: skip


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of one machine")
@pytest.mark.usefixtures("with_ctypes")
def test_no_system_call_that_could_lead_out_is_answered(sandbox: Sandbox) -> None:
    code = (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"for name, call in {CALLS!r}.items():\n"
        "    found = libc.syscall(*map(ctypes.c_long, call))\n"
        "    if found != -1 or ctypes.get_errno() not in (1, 38): print('ESCAPED', name, found)\n"
        "print(os.getuid(), libc.prctl(39, 0, 0, 0, 0), libc.prctl(23, 21, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0))"
    )
    ended = sandbox.run(code)
    user = 65534 if os.geteuid() == 0 else 0
    # No new privileges; mounting is not among the capabilities that it could ever have; calls are filtered.
    assert ended.output.decode() == f"{user} 1 0 2\n", ended


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
OLD = {"fork", "vfork", "mknod", "inotify_init", "modify_ldt", "iopl", "ioperm"}
"""Calls that ARM64 never had."""


@pytest.mark.skipif(not all(path.exists() for path in HEADERS.values()), reason="needs the kernel's headers")
def test_both_machines_refuse_the_same_calls_by_the_kernels_own_numbers() -> None:
    names: dict[str, set[str]] = {}
    for machine, path in HEADERS.items():
        found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())
        by_number = {int(number): name for name, number in found}
        _, pivot, refused = confined.MACHINES[machine]
        assert by_number[pivot] == "pivot_root"
        assert by_number[confined.CLONE3] == "clone3"
        assert len(set(refused)) == len(refused)
        names[machine] = {by_number[number] for number in refused}
    assert names["x86_64"] - names["aarch64"] == OLD
    assert names["aarch64"] <= names["x86_64"]


def test_a_server_on_this_machine_is_not_reached(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        code = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}', timeout=2)"
        assert sandbox.run(code).code == 1
        with pytest.raises(TimeoutError):
            server.accept()


def alive(mark: str) -> list[str]:
    """Processes of this machine that have ``mark`` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("body", "how"),
    [("while True: pass", "time"), ("while True: print('x' * 1000)", "output"), ("print('x' * 10**6)", "output"),
     ("import time; time.sleep(999)", "time"),
     ("import signal\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)\n  except OSError: pass\n"
      "while True: pass", "time")],
    ids=["for ever", "much output", "much at once", "asleep", "deaf"],
)  # fmt: skip
def test_what_does_not_end_is_ended_with_all_that_it_started(body: str, how: str) -> None:
    limited = Sandbox(Limits(seconds=1.0, output_bytes=10_000))
    mark = f"mark_{time.time_ns()}"
    started = time.monotonic()
    ended = limited.run(f"{mark} = 1\n{body}")
    limited.close()
    assert ended.how == how
    assert len(ended.output) <= 10_000
    assert time.monotonic() - started < 60
    end = time.monotonic() + 10
    while alive(mark) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive(mark) == []


def test_when_whoever_started_it_is_killed_nothing_stays_behind() -> None:
    mark = f"mark_{time.time_ns()}"
    started = subprocess.Popen(
        [sys.executable, "-c",
         "import sys\nfrom inbond.engine.verifying.sandbox import Limits, Sandbox\n"
         "Sandbox(Limits(seconds=500.0)).run('print(1)\\nimport time\\ntime.sleep(500) #' + sys.argv[1])", mark],
    )  # fmt: skip
    end = time.monotonic() + 60
    while len(alive(mark)) < 4 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(alive(mark)) >= 4, "what was started, and what it started"
    started.kill()
    started.wait()
    while alive(mark) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive(mark) == []


def test_input_that_is_not_read_holds_nothing_up(sandbox: Sandbox) -> None:
    assert sandbox.run("print('done')", stdin=b"x" * (1 << 20)).output == b"done\n"


LOOK = (
    "from inbond.engine.verifying.sandbox import Limits, Sandbox\n"
    "s = Sandbox(Limits())\n"
    "try:\n    s.check(); print('ran', s.run('import os; print(os.getuid())').output)\n"
    "except Exception as error: print(type(error).__name__, error)\n"
    "s.close()"
)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux")
def test_a_machine_without_namespaces_is_refused_and_nothing_is_run() -> None:
    inner = f'echo 0 > /proc/sys/user/max_user_namespaces; exec {sys.executable} -c "$0"'
    arguments = ["unshare", "--user", "--map-root-user", "sh", "-c", inner, LOOK]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("InputError expected a machine on which code can be run apart"), done
    assert "unshare: No space left on device" in done.stdout
    assert "It is not run unprotected" in done.stdout


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux")
def test_it_needs_no_root() -> None:
    arguments = ["unshare", "--user", "--map-user=1000", "--map-group=1000", sys.executable, "-c", LOOK]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == "ran b'0\\n'\n", done


ALL_AT_ONCE = """
import os, sys
from inbond.engine.verifying.programs import CodeVerifier
from inbond.engine.verifying.sandbox import Limits, Sandbox
code = "import os\\nprint(os.getuid(), open('/proc/self/status').read() if os.path.exists('/proc') else '')\\n"
for name, attempt in eval(sys.argv[1]).items():
    body = attempt.replace("\\n", "\\n    ")
    code += f"try:\\n    {body}\\nexcept (OSError, RuntimeError, MemoryError, ValueError, ImportError): pass\\n"
    code += f"else: print('ESCAPED', {name!r})\\n"
sandbox = Sandbox(Limits(seconds=30.0))
sandbox.check()
print(os.getuid(), sandbox.run(code))
sandbox.close()
verifier = CodeVerifier(Limits(seconds=30.0))
for code in ("def add(a, b): return a + b", "def add(a, b): return 0", "import os; os._exit(0)"):
    print(verifier.check(code, "assert add(2, 3) == 5").outcome)
verifier.close()
"""
LEFT_OUT = {
    "become root",
    "become another",
    "fork bomb",
    "look for others",
    "memory bit by bit",
    "kill the first",
    "environment",
    "read itself",
}


"""Without end, or without sense: who calls without rights is 0 in there from the beginning."""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to give it up")
def test_a_user_without_any_right_confines_as_well() -> None:
    """The interpreter and this package are shown to that user under other paths, in a namespace of its own."""
    place = Path(tempfile.mkdtemp(prefix="inbond-nobody-", dir="/tmp"))
    place.chmod(0o755)
    for name in ("python", "source"):
        (place / name).mkdir()
    prefix, source = os.path.realpath(sys.base_prefix), Path(sandboxes.__file__).parents[3]
    attempts = {name: attempt for name, attempt in ATTEMPTS.items() if name not in LEFT_OUT}
    program = place / "python" / Path(os.path.realpath(sys.executable)).relative_to(prefix)
    inner = (
        f"mount --bind {prefix} {place}/python && mount --bind {source} {place}/source && exec setpriv "
        "--reuid=4321 --regid=4321 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "
        f'env -i PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={place}/source {program} -c "$0" "$1"'
    )
    arguments = ["unshare", "--mount", "sh", "-c", inner, ALL_AT_ONCE, repr(attempts)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    shutil.rmtree(place)
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        "4321 Ended(how='exited', code=0, output=b'0 \\n')", "passed", "failed", "failed"
    ], done  # fmt: skip


def test_a_place_in_which_more_is_seen_than_is_shown_is_refused(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, look = sandboxes._seen(), sandboxes._look
    library = next(path for path in seen.binds if path.endswith(".so") or ".so." in path)
    monkeypatch.setattr(
        sandboxes, "_look", lambda seen: look(replace(seen, binds=[p for p in seen.binds if p != library]))
    )
    with pytest.raises(InputError, match=f"a program in it saw '{library}"):
        sandbox.check()


def test_many_at_once_are_all_confined(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda number: sandbox.run(f"print({number})"), range(32)))
    assert [ended.output for ended in found] == [b"%d\n" % number for number in range(32)]


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InputError, match="darwin, which has no namespaces"):
        sandbox.run("print(1)")
