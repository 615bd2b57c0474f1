"""When the headers of a stream go out, and what becomes of a caller who takes nothing of small events."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from inbond.guard import sending
from tests.contract import mock_host as mock
from tests.guard_running import ASKED, KEY, Running, running

_BODY = json.dumps({**ASKED, "stream": True}).encode()
_HEAD = (
    f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
).encode()


async def first_read(guard: Running) -> tuple[bytes, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", guard.port)
    writer.write(_HEAD + _BODY)
    return await asyncio.wait_for(reader.read(65_536), 5), writer


async def test_headers_do_not_wait_for_a_first_word_that_takes_long(tmp_path: Path) -> None:
    async with running(tmp_path, mock.streaming(30.0, mock.event(mock.chunk("late")))) as guard:
        found, writer = await first_read(guard)
        assert found.startswith(b"HTTP/1.1 200")
        assert found.endswith(b"\r\n\r\n")
        assert b"late" not in found
        writer.close()
        await guard.quiet()


async def test_headers_and_a_first_word_that_is_there_come_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_TOGETHER_S", 5.0)
    async with running(tmp_path, mock.streaming(mock.event(mock.chunk("soon")), 30.0)) as guard:
        found, writer = await first_read(guard)
        assert found.startswith(b"HTTP/1.1 200")
        assert b"soon" in found
        writer.close()
        await guard.quiet()


async def test_a_stream_without_a_word_has_headers_and_an_end(tmp_path: Path) -> None:
    async with running(tmp_path, mock.streaming()) as guard:
        status, _, body = await guard.post({**ASKED, "stream": True})
        assert (status, body) == (200, b"")


async def test_who_leaves_before_the_headers_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path, mock.streaming(0.2, mock.event(mock.chunk("late")))) as guard:
        _, writer = await asyncio.open_connection("127.0.0.1", guard.port)
        writer.write(_HEAD + _BODY)
        while not guard.mock.bodies:
            await asyncio.sleep(0.001)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        await guard.quiet()
        assert guard.seen[-1].code == "client_gone"
        assert guard.taken() == 0


async def test_whoever_takes_none_of_many_small_events_is_cut_off(tmp_path: Path) -> None:
    gone = asyncio.Event()
    flood = mock.flooding(mock.event(mock.chunk("x" * 1_000)) * 10, gone)
    async with running(tmp_path, flood, client_silence_s=0.3) as guard:
        _, writer = await asyncio.open_connection("127.0.0.1", guard.port, limit=1_000)
        writer.write(_HEAD + _BODY)
        await asyncio.wait_for(gone.wait(), 20)
        await guard.quiet()
        assert guard.seen[-1].code == "client_slow"
        writer.transport.abort()
