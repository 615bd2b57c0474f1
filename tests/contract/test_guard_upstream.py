"""The server behind the guard over real sockets: it closes connections that it promised to keep, and packs
what nobody asked it to pack."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from inbond.guard.config import UpstreamSettings
from inbond.guard.upstream import HttpUpstream
from tests.contract import mock_host as mock
from tests.guard_running import ASKED, running

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
        upstream = HttpUpstream(UpstreamSettings(url=url), {})
        try:
            for _ in range(5):
                assert await body(upstream, "stream") == STREAM
                assert await body(upstream, "whole") == b"{}"
        finally:
            await upstream.close()


async def test_other_answers_keep_their_connection() -> None:
    async with forgetful() as (url, brought):
        upstream = HttpUpstream(UpstreamSettings(url=url), {})
        for _ in range(5):
            assert await body(upstream, "whole") == b"{}"
        await upstream.close()
        assert brought == [5]


VALUE = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 200_000}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}
PACKED = gzip.compress(json.dumps(VALUE).encode())
PACKED_EVENTS = gzip.compress(b"".join(map(mock.event, [mock.chunk("Hello"), mock.USAGE])) + mock.DONE)


def packed(data: bytes, encoding: str, kind: str = "application/json") -> mock.Behaviour:
    return mock.status(200, data, {"content-encoding": encoding, "content-type": kind})


@pytest.mark.parametrize("reasoning", ["pass", "strip"])
async def test_a_packed_answer_is_passed_on_whole_or_not_at_all(tmp_path: Path, reasoning: str) -> None:
    policy = {"unlisted": {"reasoning": reasoning}}
    async with running(tmp_path, packed(PACKED, "gzip"), **policy) as guard:
        status, headers, body = await guard.post()
        assert (status, json.loads(body)["choices"], guard.used()) == (200, VALUE["choices"], 7)
        assert "content-encoding" not in headers
    for cut in (PACKED[:-1], PACKED[:-9], PACKED[: len(PACKED) // 2], PACKED[:12], PACKED + b"and more"):
        async with running(tmp_path, packed(cut, "gzip"), **policy) as guard:
            status, _, body = await guard.post()
            assert (status, json.loads(body)["error"]["code"]) == (502, "upstream_error")
            assert guard.used() == 7, "what was paid before"


async def test_a_packed_stream_that_is_cut_ends_with_an_error(tmp_path: Path) -> None:
    asked = ASKED | {"stream": True}
    async with running(tmp_path, packed(PACKED_EVENTS, "x-gzip", "text/event-stream")) as guard:
        _, _, body = await guard.post(asked)
        assert (b"Hello" in body, body.endswith(mock.DONE)) == (True, True)
    async with running(tmp_path, packed(PACKED_EVENTS[:-9], "gzip", "text/event-stream")) as guard:
        _, _, body = await guard.post(asked)
        assert b'"code": "upstream_error"' in body.split(b"data: ")[-1]


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "compress"])
async def test_what_is_packed_in_another_way_is_no_answer(
    tmp_path: Path, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "inbond.guard.upstream"):
        async with running(tmp_path, packed(PACKED, encoding)) as guard:
            for asked in (ASKED, ASKED | {"stream": True}):
                status, _, body = await guard.post(asked)
                assert (status, json.loads(body)["error"]["code"]) == (502, "upstream_error")
            assert (guard.used(), guard.taken()) == (0, 0)
    assert "the upstream answers in an encoding that is not gzip" in caplog.text
