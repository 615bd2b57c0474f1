"""The gateway under many: connections that say nothing, requests that go on, bytes of all sorts."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.guard.serve import Mute
from tests.contract import mock_host as mock
from tests.guard_running import ASKED, KEY, running


async def _open(port: int, number: int) -> list[asyncio.StreamWriter]:
    found = []
    for begin in range(0, number, 200):
        some = min(200, number - begin)
        opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(some)))
        found += [writer for _, writer in opened]
    return found


@pytest.mark.slow
async def test_connections_that_say_nothing_take_no_place_from_others(tmp_path: Path) -> None:
    wanted = 9_000
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * wanted + 500:
        pytest.skip(f"both ends of {wanted:,} connections are more files than this process may open")
    async with running(tmp_path, mock.status(200, {})) as guard:
        writers = await _open(guard.port, wanted)
        for _ in range(600):
            if len(guard.runner.server.connections) >= wanted:
                break
            await asyncio.sleep(0.05)
        assert len(guard.runner.server.connections) >= wanted
        assert (await guard.post())[0] == 200
        for writer in writers:
            writer.transport.abort()


async def test_who_says_nothing_is_closed_and_who_asked_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbond.guard.serve._MUTE_S", 0.1)
    async with running(tmp_path, mock.status(200, {})) as guard:
        mute = Mute(guard.runner, guard.gateway.spoke)
        assert (await guard.post())[0] == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", guard.port)
        half, halfway = await asyncio.open_connection("127.0.0.1", guard.port)
        halfway.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost:")
        await asyncio.sleep(0.05)
        mute.look()
        await asyncio.sleep(0.2)
        mute.look()
        assert await asyncio.wait_for(reader.read(), 2) == b""
        assert await asyncio.wait_for(half.read(), 2) == b""
        (kept,) = guard.runner.server.connections
        assert kept in guard.gateway.spoke
        assert (await guard.post())[0] == 200
        writer.close()
        halfway.close()
        await asyncio.gather(guard.client.close())
        await asyncio.sleep(0.05)
        mute.look()
        assert guard.gateway.spoke == set()


@pytest.mark.slow
async def test_memory_is_flat(tmp_path: Path) -> None:
    """Every kind of end again and again: streamed, broken, refused, over budget. What Python holds; the size
    of the process is a matter for the benchmark, which is long enough to tell growth from warmth."""
    async with running(tmp_path, mock.answering("Hello"), "{tokens_per_day: 100000000}") as guard:
        mute = Mute(guard.runner, guard.gateway.spoke)

        async def some(number: int) -> int:
            for _ in range(number // 4):
                await guard.post({**ASKED, "stream": True})
                await guard.post({**ASKED, "n": 0})
                await guard.post({**ASKED, "max_tokens": 10**7, "n": 11})
                await guard.post(ASKED, headers={"authorization": "Bearer no"})
                mute.look()  # as the serving process does every second
            guard.seen.clear()
            for kept in (guard.mock.bodies, guard.mock.headers, guard.mock.paths):
                kept.clear()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            await some(1_000)
            before = await some(1_000)
            grown = await some(4_000) - before
        finally:
            tracemalloc.stop()
        assert grown < 150_000, f"{grown / 4_000:.0f} bytes a request"
        assert guard.gateway.reservations._tasks == set()
        assert guard.gateway.reservations._open == {}
        assert guard.taken() == 0
        assert guard.state._db.execute("SELECT count(*) FROM held").fetchone() == (0,)


HEADS = st.sampled_from(
    [b"POST /v1/chat/completions HTTP/1.1", b"GET /v1/models HTTP/1.1", b"GET /metrics HTTP/1.1",
     b"\x16\x03\x01",
     b"PRI * HTTP/2.0", b"POST /v1/chat/completions HTTP/9.9", b"CONNECT a:1 HTTP/1.1",
     b"GET /ready HTTP/1.0"]
)  # fmt: skip
LINES = st.lists(
    st.sampled_from(
        [b"Host: g", b"Authorization: Bearer " + KEY.encode(), b"Content-Length: 10", b"Content-Length: -1",
         b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked",
         b"Transfer-Encoding: x, chunked",
         b"Connection: close, upgrade", b"Upgrade: websocket", b"Expect: 100-continue", b": x", b" folded",
         b"Content-Type: multipart/form-data; boundary=x", b"Range: bytes=0-1", b"Cookie: \xff\xfe",
         b"a" * 9_000]
    ) | st.binary(max_size=20),
    max_size=6,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(st.tuples(HEADS, LINES, st.binary(max_size=40)), min_size=1, max_size=8))
def test_whatever_bytes_come_none_is_our_fault(
    tmp_path_factory: pytest.TempPathFactory,
    batch: list[tuple[bytes, list[bytes], bytes]],
) -> None:
    async def one(port: int, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.write_eof()
        try:
            async with asyncio.timeout(0.3):
                return await reader.read(100)
        except (TimeoutError, ConnectionError):
            return b""
        finally:
            writer.transport.abort()

    async def go() -> None:
        async with running(tmp_path_factory.mktemp("guard"), mock.status(200, {})) as guard:
            sent = [head + b"\r\n" + b"\r\n".join([*lines, b"", b""]) + body for head, lines, body in batch]
            for answer in await asyncio.gather(*(one(guard.port, data) for data in sent)):
                assert not answer or answer.split(b" ")[1] != b"500", answer
            assert (await guard.post())[0] == 200, "and the next is served"
            await guard.quiet()
            assert guard.taken() == 0

    asyncio.run(go())


NAMES = st.sampled_from(["model", "messages", "stream", "n", "role", "content", "type", "text", "tools",
                         "input",
                         "stream_options", "reasoning_content", "max_tokens", "logprobs"])  # fmt: skip
LIKELY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["m", "user", "assistant", "text", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=16,
)
ROUTES = st.sampled_from(["chat/completions", "completions", "responses", "embeddings"])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(st.tuples(ROUTES, st.dictionaries(NAMES, LIKELY, max_size=6)), min_size=1, max_size=10),
    answers=st.lists(LIKELY | st.binary(max_size=30), min_size=1, max_size=5),
)
def test_whatever_is_asked_and_answered_none_is_our_fault(
    tmp_path_factory: pytest.TempPathFactory, asked: list, answers: list
) -> None:
    """Odd requests before an odd upstream, streams too."""

    async def odd(host: mock.MockHost, request, body):
        said = answers[len(host.bodies) % len(answers)]
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        if isinstance(body, dict) and body.get("stream"):
            pieces = [mock.event(data.replace(b"\n", b"").replace(b"\r", b"")), data, mock.DONE]
            return await mock.stream(request, *pieces)
        return mock.web.Response(body=data, content_type="application/json")

    async def go() -> None:
        async with running(tmp_path_factory.mktemp("guard"), odd) as guard:
            for path, value in asked:
                for each in (value, {"model": "m", "messages": [], "prompt": "", "input": "", **value}):
                    status, _, _ = await guard.post(each, path)
                    assert status in (200, 400, 404, 429, 502), (status, path, each)
            await guard.quiet()
            assert guard.taken() == 0

    asyncio.run(go())
