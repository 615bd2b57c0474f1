"""Bodies as they come, over real sockets: how slowly they may, and how many bytes of them at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from inbond.guard import uploads
from tests.contract import mock_host as mock
from tests.guard_running import ASKED, KEY, Running, running

MANY = 300


def padded(size: int) -> bytes:
    """A request of so many bytes."""
    return json.dumps(ASKED).encode().ljust(size)


@contextlib.asynccontextmanager
async def sending(guard: Running, length: int) -> AsyncIterator[tuple[Any, Any]]:
    """A connection on which the head of a request was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", guard.port)
    head = ["POST /v1/chat/completions HTTP/1.1", "Host: g", f"Authorization: Bearer {KEY}"]
    writer.write("\r\n".join([*head, f"Content-Length: {length}", "", ""]).encode())
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and all else."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    return int(head.split(b" ")[1]), head + await reader.readexactly(int(length.split(b":")[1]))


async def dripped(guard: Running, body: bytes, piece: int, pause_s: float) -> tuple[int, bytes, float]:
    """What comes back for a body that is sent so, and after how many seconds."""
    async with sending(guard, len(body)) as (reader, writer):
        began = asyncio.get_running_loop().time()
        answer = asyncio.ensure_future(answered(reader))
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(body), piece):
                writer.write(body[at : at + piece])
                await asyncio.wait({answer}, timeout=pause_s)
                if answer.done():
                    break
        status, found = await answer
        return status, found, asyncio.get_running_loop().time() - began


async def test_a_body_may_take_longer_than_the_longest_silence(tmp_path: Path) -> None:
    async with running(tmp_path, mock.status(200, {}), client_silence_s=0.5) as guard:
        status, _, took_s = await dripped(guard, padded(12_000), 1_000, 0.1)
        assert (status, took_s > 1) == (200, True)
        assert guard.mock.bodies[0]["messages"] == ASKED["messages"]


async def test_a_silence_within_a_body_ends_it(tmp_path: Path) -> None:
    async with running(tmp_path, mock.status(200, {}), client_silence_s=0.3) as guard:
        status, found, took_s = await dripped(guard, padded(200_000), 100_000, 0.9)
        assert status == 408
        assert b"The body did not come in time." in found
        assert b"connection: close" in found.lower()
        assert 0.25 < took_s < 0.8
        assert guard.mock.bodies == []
        await guard.quiet()
        assert (guard.used(), guard.taken()) == (0, 0)


@pytest.mark.parametrize("rush", [0, 60_000])
async def test_a_trickle_is_not_waited_for_whatever_came_before_it(tmp_path: Path, rush: int) -> None:
    """A byte each twentieth of a second is never silent, and far slower than a body may come."""
    async with running(tmp_path, mock.status(200, {}), client_silence_s=0.5) as guard:
        async with sending(guard, rush + 1_000) as (reader, writer):
            began = asyncio.get_running_loop().time()
            writer.write(b" " * rush)
            answer = asyncio.ensure_future(answered(reader))
            while not answer.done() and asyncio.get_running_loop().time() - began < 4:
                writer.write(b" ")
                await asyncio.wait({answer}, timeout=0.05)
            assert (await answer)[0] == 408
            assert asyncio.get_running_loop().time() - began < 2
        assert guard.seen[-1].code == "timeout"


async def test_bodies_that_come_at_once_have_a_bound_together(tmp_path: Path) -> None:
    """Many clients of one account hold what they sent: no more than half is ever in memory, those who go
    beyond are told to come again, and when they are gone all is as before."""
    config = {"body_bytes": 100_000, "bodies_bytes": 2_000_000, "client_silence_s": 5}
    async with running(tmp_path, mock.status(200, {}), **config) as guard:
        held = guard.gateway._layers.uploads
        async with contextlib.AsyncExitStack() as opened:
            each = [await opened.enter_async_context(sending(guard, 100_000)) for _ in range(MANY)]
            for _, writer in each:
                writer.write(b" " * 60_000)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                assert held.held <= 1_000_000
            answers = [asyncio.ensure_future(answered(reader)) for reader, _ in each]
            refused, waiting = await asyncio.wait(answers, timeout=1)
            for answer in refused:
                status, found = await answer
                assert (status, b'"crowded"' in found) == (503, True)
                assert b"retry-after: 1\r\n" in found.lower()
            assert 8 <= len(waiting) <= 16, "60,000 bytes of each, and a million of them all"
            assert held.held == len(waiting) * 60_000
            assert f"\ninbond_bodies_bytes {held.held:.1f}\n".encode() in await metrics(guard)
            for answer in waiting:
                answer.cancel()
        await guard.quiet()
        assert (held.held, held._by_account) == (0, {})
        assert (await guard.post())[0] == 200


async def metrics(guard: Running) -> bytes:
    async with guard.client.get(guard.url.replace("/v1", "/metrics")) as answer:
        return await answer.read()


async def test_the_longest_body_fits_where_nobody_else_sends(tmp_path: Path) -> None:
    config = {"body_bytes": 500_000, "bodies_bytes": 1_000_000}
    async with running(tmp_path, mock.status(200, {}), **config) as guard:
        for _ in range(3):
            async with guard.client.post(f"{guard.url}/chat/completions", data=padded(500_000)) as answer:
                assert answer.status == 200
            async with guard.client.post(f"{guard.url}/chat/completions", data=padded(500_001)) as answer:
                assert answer.status == 413
        assert guard.gateway._layers.uploads.held == 0


async def test_who_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path, mock.status(200, {})) as guard:
        held = guard.gateway._layers.uploads
        async with sending(guard, 100_000) as (_, writer):
            writer.write(b" " * 50_000)
            for _ in range(100):
                await asyncio.sleep(0.01)
                if held.held == 50_000:
                    break
            assert held.held == 50_000
        await guard.quiet()
        assert (held.held, held._by_account) == (0, {})
        assert guard.seen[-1].code == "client_gone"


def test_what_is_free_is_shared_among_accounts() -> None:
    """Whoever takes all that he can leaves as much: half, then a quarter, then an eighth."""
    found = uploads.Uploads(100, 800, 1.0)
    taken = {}
    for account in ("a", "b", "c"):
        taken[account] = 0
        with contextlib.suppress(uploads.refusals.Refusal):
            while True:
                found._take(account, 10)
                taken[account] += 10
    assert taken == {"a": 400, "b": 200, "c": 100}
    assert found.held == 700
    for account, size in taken.items():
        found._give_back(account, size)
    assert (found.held, found._by_account) == (0, {})


async def test_what_is_asked_is_counted_until_it_is_answered(tmp_path: Path) -> None:
    """An upstream that takes its time: who has asked for as much as is free waits with what he has."""
    go_on = asyncio.Event()

    async def slow(host: mock.MockHost, request, body):
        await go_on.wait()
        return await mock.status(200, {})(host, request, body)

    asked = {**ASKED, "messages": [{"role": "user", "content": "a"}] * 1_000}
    async with running(tmp_path, slow, body_bytes=100_000, bodies_bytes=2_000_000) as guard:
        held = guard.gateway._layers.uploads
        waiting = []
        while held.held + 400_000 < 1_000_000:
            waiting.append(asyncio.ensure_future(guard.post(asked)))
            while len(guard.mock.bodies) < len(waiting):
                await asyncio.sleep(0.01)
        each = held.held / len(waiting)
        assert each > 300_000, "a thousand small messages are more than the 35,000 bytes that they came in"
        for _ in range(3):
            status, _, body = await guard.post(asked)
            assert (status, b"Too many long requests are under way" in body) == (503, True)
        go_on.set()
        assert [status for status, _, _ in await asyncio.gather(*waiting)] == [200] * len(waiting)
        await guard.quiet()
        assert (held.held, held._by_account) == (0, {})
        assert (await guard.post(asked))[0] == 200


def test_who_is_alone_fits_and_what_grows_leaves_room_for_others() -> None:
    found = uploads.Uploads(100, 800, 1.0)
    one = found.room("a")
    one.take(100)
    one.grow(5_000)
    assert found.held == 5_000, "it would never fit else"
    with pytest.raises(uploads.refusals.Refusal):
        found.room("b").take(1)
    one.give_back()
    rooms = [found.room("a") for _ in range(3)]
    for each in rooms:
        each.take(100)
    rooms[0].grow(200)
    with pytest.raises(uploads.refusals.Refusal) as caught:
        rooms[1].grow(110)
    assert caught.value.code == "crowded"
    other = found.room("b")
    other.take(100)
    other.grow(400)
    with pytest.raises(uploads.refusals.Refusal):
        other.grow(401)
    for room in (*rooms, other):
        room.give_back()
    assert (found.held, found._by_account) == (0, {})
