"""Callers of the guard as a process who send bytes and not always HTTP, slowly, much or by halves, and a
machine without room. After everything: it lives, everybody gets their own answers, what passed is counted."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_guard_gateway import KEY, OTHER, eventually
from tests.guard_scene import Scene, scene
from tests.raw_host import KEEP, RESET, STREAM_HEAD, Fault, answer, chunk

TEXT = "fourteen bytes"
WHOLE = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}}]}).encode()
FOREIGN = WHOLE.replace(TEXT.encode(), b"somebody else's words")
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"fourteen bytes"}}]}\n\n'
FAULTS: dict[str, Fault] = {
    "resets within": [STREAM_HEAD, chunk(EVENT), 0.05, RESET],
    "falls silent": [STREAM_HEAD, chunk(EVENT), 30.0],
    "bad chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(WHOLE[:10]), b"zz\r\nxx"],
    "too long": [answer(WHOLE, length=20), KEEP],
    "two at once": [answer(WHOLE) + answer(FOREIGN), KEEP],
    "another later": [answer(WHOLE), 0.1, answer(FOREIGN), KEEP],
    "another after a stream": [STREAM_HEAD, chunk(EVENT), b"0\r\n\r\n", 0.1, answer(FOREIGN), KEEP],
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One guard that goes through all of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        with scene(tmp_path_factory.mktemp("guard"), FAULTS) as found:
            yield found


# Callers --------------------------------------------------------------------------------------------------

PROMPT = "a prompt that no log quotes"
BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": PROMPT}]}).encode()


def post(
    *lines: bytes, body: bytes = BODY, target: bytes = b"POST /v1/chat/completions", length: bool = True
) -> bytes:
    """One request of KEY's."""
    own = [b"Content-Length: %d" % len(body)] if length else []
    head = [
        target + b" HTTP/1.1",
        b"Host: g",
        b"Authorization: Bearer " + KEY.encode(),
        *own,
        *lines,
        b"",
        b"",
    ]
    return b"\r\n".join(head) + body


def chunked(*lines: bytes, body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", *lines, body=body, length=False)


HIDDEN = post()
"""A request that follows another: it is answered as one of its own, or not at all."""
SMUGGLED: dict[str, tuple[bytes, int]] = {
    # What is sent, and how many requests may reach the upstream.
    "length and chunks": (post(b"Transfer-Encoding: chunked") + HIDDEN, 0),
    "two codings": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", length=False), 0),
    "space before the colon": (post(b"Transfer-Encoding : chunked", length=False), 0),
    "tab in a coding": (post(b"Transfer-Encoding: \x0bchunked", length=False), 0),
    "another coding": (post(b"Transfer-Encoding: xchunked", length=False) + HIDDEN, 0),
    "chunks that end in LF": (chunked(body=b"%x\n" % len(BODY) + BODY + b"\n0\n\n") + HIDDEN, 0),
    "a chunk of less than nothing": (chunked(body=b"-5\r\n") + HIDDEN, 0),
    "a chunk of 2^72": (chunked(body=b"ffffffffffffffffff\r\n"), 0),
    "a key in the trailer": (chunked(body=b"0\r\nAuthorization: Bearer " + OTHER.encode() + b"\r\n\r\n"), 0),
    "plus in a length": (post(b"Content-Length: +10", length=False) + HIDDEN, 0),
    "two in a length": (post(b"Content-Length: 10, 10", length=False) + HIDDEN, 0),
    "hexadecimal length": (post(b"Content-Length: 0x10", length=False) + HIDDEN, 0),
    "two hosts": (post(b"Host: evil"), 0),
    "two keys": (post(b"Authorization: Bearer " + OTHER.encode()), 0),
    "lines that end in LF": (HIDDEN.replace(b"\r\n", b"\n"), 0),
    "a line that goes on": (post(b"User-Agent: a\r\n b"), 0),
    "bare return": (post(b"User-Agent: a\rX: b"), 0),
    "zero byte": (post(b"User-Agent: a\0b"), 0),
    "odd bytes": (post(b"User-Agent: \xff\xfe"), 1),
    "upgrade": (post(b"Connection: Upgrade", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"), 1),
    "another method": (post(target=b"QUERY /v1/chat/completions"), 0),
    "trace": (post(target=b"TRACE /v1/chat/completions"), 0),
    "connect": (post(target=b"CONNECT a:443"), 0),
    "head": (post(target=b"HEAD /v1/chat/completions"), 0),
    "long": (post(target=b"POST /v1/" + b"a" * 9_000), 0),
    "a whole URL": (post(target=b"POST http://127.0.0.1/v1/chat/completions"), 0),
    "doubled slash": (post(target=b"POST //v1/chat/completions"), 0),
    "encoded slash": (post(target=b"POST /v1/chat%2fcompletions"), 0),
    "encoded dots": (post(target=b"POST /v1/%2e%2e/v1/chat/completions"), 0),
    "fragment": (post(target=b"POST /v1/chat/completions#x"), 0),
    "a key in the query": (post(target=b"POST /v1/chat/completions?key=sk-in-the-query"), 1),
    "words for proxies": (post(b"X-HTTP-Method-Override: GET", b"X-Original-URL: /health"), 1),
    "another expectation": (post(b"Expect: wonders"), 0),
    "TLS": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 99, 0),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
    "HTTP/0.9": (b"GET /v1/models\r\n\r\n", 0),
    "one after the other": (HIDDEN * 3, 3),
    "a body to a list": (post(target=b"GET /v1/models") + HIDDEN, 2),
}


@pytest.mark.parametrize("case", SMUGGLED)
def test_whatever_a_caller_sends(shared: Scene, case: str) -> None:
    data, most = SMUGGLED[case]
    asked, before, other = len(shared.host.requests), shared.used(), shared.used("u/b")
    found = shared.raw(data, 0.4)
    assert b"HTTP/1.1 500" not in found
    assert b"HTTP/1.0 500" not in found
    assert len(shared.host.requests) - asked == most
    eventually(lambda: shared.open_ends() == 0)
    answered = sum(request.get("model") == "echo" for request in shared.host.requests[asked:])
    assert shared.used() - before == answered * (1 + len(PROMPT)), "what reached the upstream is paid for"
    assert shared.used("u/b") == other
    assert not any(b"sk-in-the-query" in head or KEY.encode() in head for head in shared.host.heads[-most:])
    shared.is_well()


def test_no_word_of_it_is_in_the_log(shared: Scene) -> None:
    """Libraries below quote what they cannot read: a head with its key, a body with its prompt."""
    for name in ("lines that end in LF", "two codings", "a key in the query", "hexadecimal length"):
        shared.raw(SMUGGLED[name][0], 0.4)
    log = shared.guard.log.read_text()
    assert '"aiohttp.server"' in log
    for secret in (KEY, OTHER, PROMPT, "sk-in-the-query", TEXT, "Traceback"):
        assert secret not in log, secret
    assert all(json.loads(line) for line in log.splitlines())


@pytest.mark.parametrize("sent", ["told", "in chunks"])
def test_a_body_of_100_mb_is_refused_and_takes_no_memory(shared: Scene, sent: str) -> None:
    memory = psutil.Process(shared.guard.process.pid).memory_info
    before, went = memory().rss, 0
    length = b"Content-Length: 100000000" if sent == "told" else b"Transfer-Encoding: chunked"
    head = post(length, body=b"", length=False)
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as opened:
        opened.sendall(head)
        with contextlib.suppress(ConnectionError):
            while went < 100_000_000 and not select.select([opened], [], [], 0)[0]:
                went += len(piece := b"x" * 65_536)
                opened.sendall(piece if sent == "told" else chunk(piece))
        answered = opened.recv(65_536)
    assert answered.startswith(b"HTTP/1.1 413 ")
    assert b"A body may have 33,554,432 bytes." in answered
    assert went < 100_000_000
    assert memory().rss - before < 100 * 2**20
    shared.is_well()


def test_a_request_that_is_wide_keeps_nobody_waiting(shared: Scene) -> None:
    wide = b'{"model":"echo","messages":[],"x":[' + b"[]," * 9_000_000 + b"0]}"
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(shared.raw, post(b"Connection: close", body=wide), 20)
        slowest = 0.0
        while not asking.done():
            began = time.monotonic()
            assert shared.ask("echo", "meanwhile")[0] == 200
            slowest = max(slowest, time.monotonic() - began)
    assert b"too_many_values" in asking.result()
    assert slowest < 5


def test_a_byte_a_second_is_not_waited_for(shared: Scene) -> None:
    """Up, within the head and the body, and down: two seconds of patience are configured here."""
    before = shared.used()

    def drip(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as opened:
            opened.sendall(post(b"Content-Length: 100", body=b"", length=False))
            with contextlib.suppress(ConnectionError):
                for _ in range(5):
                    if select.select([opened], [], [], 0.7)[0]:
                        break
                    opened.sendall(data)
            return opened.recv(65_536)

    assert drip(b" ").startswith(b"HTTP/1.1 408 ")
    assert shared.used() == before
    shared.is_well()


def test_half_a_connection_is_none(shared: Scene) -> None:
    """Whoever closes the side that he asks with is gone: an answer that is under way ends."""
    before = shared.used()
    body = json.dumps({"model": "falls silent", "stream": True, "messages": []}).encode()
    assert b"[DONE]" not in shared.raw(post(body=body), 5, half_close=True)
    shared.is_well()
    assert shared.used() >= before


def test_many_ask_at_once_and_everybody_gets_his_own(shared: Scene) -> None:
    """Two tenants and faulty answers between, on connections that are kept: no answer goes to another."""
    faults = [
        "another later",
        "too long",
        "resets within",
        "two at once",
        "another after a stream",
        "bad chunk",
    ]

    def one(number: int) -> None:
        if number % 3 == 0:
            assert b"somebody" not in shared.ask(faults[number // 3 % len(faults)], stream=number % 2 == 0)[1]
            return
        key, said = ((KEY, f"mine {number};"), (OTHER, f"theirs {number};"))[number % 2]
        status, found = shared.ask("echo", said, stream=number % 5 == 0, key=key)
        assert (status, said.encode() in found) == (200, True), found

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(one, range(300)))
    shared.is_well()


# The machine ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_full_disk_refuses_and_is_over_when_it_is_over(tmp_path: Path) -> None:
    """No file can grow: not the state, the ledger, nor the log. What was answered is settled later."""
    slow = [STREAM_HEAD, chunk(EVENT), 1.0, chunk(EVENT), b"0\r\n\r\n"]
    with scene(tmp_path, {"slow": slow}) as found:
        found.is_well()
        before = found.used()
        with ThreadPoolExecutor() as pool:
            under_way = pool.submit(found.ask, "slow", stream=True)
            eventually(lambda: found.used() > before)
            unlimited = resource.RLIM_INFINITY
            resource.prlimit(found.guard.process.pid, resource.RLIMIT_FSIZE, (0, unlimited))
            status, body = under_way.result()
            assert (status, body.count(TEXT.encode())) == (200, 2)
        refused, said = found.ask("echo")
        assert (refused, json.loads(said)["error"]["message"]) == (
            503,
            "Requests cannot be metered just now. Try again.",
        )
        assert json.loads(found.guard.get("/health")[1])["state"] == "lost"
        (tmp_path / "callers.yaml").write_text("tenants: [")
        time.sleep(1.5)
        resource.prlimit(found.guard.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        eventually(lambda: json.loads(found.guard.get("/health")[1])["state"] == "reachable")
        eventually(lambda: found.open_ends() == 0)
        assert found.used() - before >= 2 * len(TEXT)
        found.is_well()
        assert found.guard.end() == 0


@pytest.mark.slow
def test_without_files_to_open_it_goes_on(tmp_path: Path) -> None:
    """A hundred connections where twenty files may be opened."""
    with scene(tmp_path, {}) as found:
        found.is_well()
        process = psutil.Process(found.guard.process.pid)
        _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds() + 20, most))
        with contextlib.ExitStack() as opened:
            for _ in range(100):
                mute = opened.enter_context(socket.socket())
                mute.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    mute.connect(("127.0.0.1", found.port))
            time.sleep(2.5)
            assert found.guard.process.poll() is None
        eventually(lambda: found.ask("echo")[0] == 200)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
        eventually(lambda: found.ask("echo")[0] == 200)
        found.is_well()
        said = [line for line in found.guard.lines() if line.get("fault") == "asyncio"]
        assert 0 < len(said) < 60, "said once a second, not for each try"
