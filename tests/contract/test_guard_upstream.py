"""The server behind the guard over real sockets: it closes connections that it promised to keep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from inbond.guard.config import Upstream as Settings
from inbond.guard.upstream import HttpUpstream

STREAM = b"data: [DONE]\n\n"
KEPT = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100\r\n"


@asynccontextmanager
async def forgetful() -> AsyncIterator[tuple[str, list[int]]]:
    """As llama.cpp: says keep-alive, and closes a connection 50 ms after a stream's end. What arrives on it
    meanwhile is lost. The list holds how many requests each connection brought."""
    brought: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        brought.append(0)
        place = len(brought) - 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                brought[place] += 1
                if b"/stream " not in head:
                    writer.write(KEPT + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
                    continue
                whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(STREAM), STREAM)
                writer.write(
                    KEPT + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + whole
                )
                await asyncio.sleep(0.05)
                return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}", brought


async def body(upstream: HttpUpstream, route: str) -> bytes:
    answer = await upstream.send("POST", route, {}, b"", stream=route == "stream")
    return b"".join([chunk async for chunk in answer.chunks()])


async def test_what_is_asked_right_after_a_stream_is_not_lost() -> None:
    async with forgetful() as (url, _):
        upstream = HttpUpstream(Settings(url=url), {})
        try:
            for _ in range(5):
                assert await body(upstream, "stream") == STREAM
                assert await body(upstream, "whole") == b"{}"
        finally:
            await upstream.close()


async def test_other_answers_keep_their_connection() -> None:
    async with forgetful() as (url, brought):
        upstream = HttpUpstream(Settings(url=url), {})
        for _ in range(5):
            assert await body(upstream, "whole") == b"{}"
        await upstream.close()
        assert brought == [5]
