"""A crowd of long bodies before the guard as a process: its memory does not grow with them, and who sends
little is served meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_guard_gateway import KEY, OTHER
from tests.guard_scene import scene

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
