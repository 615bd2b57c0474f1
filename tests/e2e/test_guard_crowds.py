"""A crowd of long bodies before the guard as a process: its memory does not grow with them, and who sends
little is served meanwhile, whether they are refused for what they say or not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_guard_gateway import KEY, OTHER
from tests.guard_scene import Scene, scene

MIB = 2**20
CLIENTS = 250
LONG = 8 * MIB
ROOM = 32 * MIB


async def flood(port: int) -> int:
    """Sends all but the last byte of a long body, and takes what is answered: 0 for nothing yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = ["POST /v1/chat/completions HTTP/1.1", "Host: g", f"Authorization: Bearer {KEY}"]
    writer.write("\r\n".join([*head, f"Content-Length: {LONG}", "", ""]).encode())
    try:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(6):
                for _ in range(LONG // MIB):
                    writer.write(b" " * (MIB - 1))
                    await writer.drain()
                return int((await reader.readuntil(b"\r\n")).split(b" ")[1])
        return 0
    finally:
        writer.transport.abort()


@pytest.mark.slow
async def test_a_crowd_of_long_bodies_takes_no_memory_and_no_turn(tmp_path: Path) -> None:
    with scene(tmp_path, {}, body_bytes=LONG, bodies_bytes=ROOM, client_silence_s=20) as found:
        memory = psutil.Process(found.guard.process.pid).memory_info
        before = most = memory().rss
        flooding = [asyncio.ensure_future(flood(found.port)) for _ in range(CLIENTS)]
        while (await asyncio.wait(flooding, timeout=0.2))[1]:
            most = max(most, memory().rss)
            status, body = await asyncio.to_thread(found.ask, "echo", "meanwhile", key=OTHER)
            assert (status, b"meanwhile" in body) == (200, True)
        answers = [task.result() for task in flooding]
        assert most - before < 5 * ROOM, (
            f"{(most - before) / MIB:.0f} MiB for {CLIENTS * LONG / MIB:.0f} sent"
        )
        assert answers.count(503) > CLIENTS / 2
        assert set(answers) <= {0, 503}
        found.is_well()


SLOW_TO_READ = [{"role": "user", "content": "a"}] * 90_000
"""3 MB of it take a good part of a second."""


@contextlib.contextmanager
def sent_again_and_again(found: Scene, clients: int, **asked: object) -> Iterator[Counter[int]]:
    """The status of each answer that these clients, with one key, got so far."""
    answers: Counter[int] = Counter()
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            answers[found.ask("echo", messages=SLOW_TO_READ, **asked)[0]] += 1

    senders = [threading.Thread(target=send) for _ in range(clients)]
    for each in senders:
        each.start()
    try:
        yield answers
    finally:
        over.set()
        for each in senders:
            each.join()


async def ask_and_wait(port: int, body: bytes) -> int:
    """The status, 0 for none in this time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = ["POST /v1/chat/completions HTTP/1.1", "Host: g", f"Authorization: Bearer {KEY}"]
    writer.write("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body)
    try:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(6):
                return int((await reader.readuntil(b"\r\n")).split(b" ")[1])
        return 0
    finally:
        writer.transport.abort()


@pytest.mark.slow
async def test_requests_that_wait_for_their_answers_have_a_bound_together(tmp_path: Path) -> None:
    """Of a key without a limit of requests at a time, before an upstream that says nothing."""
    messages = [{"role": "user", "content": "a"}] * 9_000
    body = json.dumps({"model": "silent", "messages": messages, "max_tokens": 1}).encode()
    settings = {"body_bytes": LONG, "bodies_bytes": ROOM, "client_silence_s": 20}
    with scene(tmp_path, {"silent": [30.0]}, concurrency=10_000, patience_s=20, **settings) as found:
        memory = psutil.Process(found.guard.process.pid).memory_info
        assert found.ask("echo", messages=messages)[0] == 200
        before = most = memory().rss
        asking = [asyncio.ensure_future(ask_and_wait(found.port, body)) for _ in range(CLIENTS)]
        while (await asyncio.wait(asking, timeout=0.2))[1]:
            most = max(most, memory().rss)
            status, answer = await asyncio.to_thread(found.ask, "echo", "meanwhile", key=OTHER)
            assert (status, b"meanwhile" in answer) == (200, True)
        answers = Counter(task.result() for task in asking)
        assert most - before < 3 * ROOM, f"{(most - before) / MIB:.0f} MiB for {len(body) / MIB:.1f} each"
        assert answers[503] > CLIENTS / 2
        assert answers[0] >= 2
        assert set(answers) == {0, 503}
        found.is_well()


@pytest.mark.slow
def test_bodies_that_are_slow_to_read_hold_up_nobody_else(tmp_path: Path) -> None:
    """Refused for a field, so that no budget holds them: read in the loop, they cost others .7 s each."""
    with scene(tmp_path, {}, concurrency=1, client_silence_s=20) as found:
        with sent_again_and_again(found, 12, models=["x"]) as answers:
            others: list[float] = []
            until = time.monotonic() + 5
            while time.monotonic() < until:
                began = time.monotonic()
                assert found.ask("echo", "meanwhile", key=OTHER)[0] == 200
                others.append(time.monotonic() - began)
        assert statistics.median(others) < 0.1
        assert set(answers) == {400}
        found.is_well()


@pytest.mark.slow
def test_a_limit_of_requests_stops_bodies_that_are_refused(tmp_path: Path) -> None:
    with scene(tmp_path, {}, more_limits=", requests_per_day: 3", client_silence_s=20) as found:
        with sent_again_and_again(found, 3, models=["x"]) as answers:
            until = time.monotonic() + 6
            while time.monotonic() < until and answers[429] < 10:
                time.sleep(0.1)
        assert answers[400] == found._sum("account:t/a|requests|day") == 3
        assert answers[429] >= 10
        assert (found.used(), found.open_ends()) == (0, 0)
