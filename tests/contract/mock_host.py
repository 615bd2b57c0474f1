"""A local OpenAI-compatible host for tests that can be told to misbehave, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Behaviour = Callable[["MockHost", web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class MockHost:
    """``behaviour`` answers; ``bodies`` and ``headers`` hold what was asked."""

    behaviour: Behaviour
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    host: str = ""


@contextlib.asynccontextmanager
async def running(behaviour: Behaviour) -> AsyncIterator[MockHost]:
    mock = MockHost(behaviour)

    async def handle(request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read() or b"{}")
        mock.bodies.append(body)
        mock.headers.append(dict(request.headers))
        mock.paths.append(request.path)
        return await mock.behaviour(mock, request, body)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    mock.host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield mock
    finally:
        await runner.cleanup()


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return {"model": "mock-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5}}


def event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def call_chunk(piece: str, name: str | None = None, finish: str | None = None) -> dict[str, Any]:
    """A piece of the arguments of one tool call; the first piece names the tool."""
    call: dict[str, Any] = {"index": 0, "function": {"arguments": piece}}
    if name is not None:
        call = {
            "index": 0,
            "id": "call-1",
            "type": "function",
            "function": {"name": name, "arguments": piece},
        }
    return {
        "model": "mock-1",
        "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": finish}],
    }


def calling(body: dict[str, Any], arguments: str) -> list[dict[str, Any]]:
    """The forced tool of ``body``, called with ``arguments`` in pieces."""
    name = body["tool_choice"]["function"]["name"]
    return [call_chunk("", name), *map(call_chunk, arguments), chunk(finish="tool_calls")]


def answering(
    text: str = "Hello there", *, headers: dict[str, str] | None = None, structured: str = "{}"
) -> Behaviour:
    """A well-behaved host; for /completions it answers with ``text`` in the older shape, and with
    ``structured`` where it is asked for a form."""

    async def behave(_: MockHost, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if "prompt" in body:
            pieces = [{"model": "mock-1", "choices": [{"index": 0, "text": piece}]} for piece in text]
            pieces.append({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
        elif "tools" in body:
            pieces = calling(body, structured)
        else:
            said = structured if "response_format" in body else text
            pieces = [chunk(piece) for piece in said] + [chunk(finish="stop")]
        return await stream(request, *map(event, [*pieces, USAGE]), DONE, headers=headers)

    return behave


async def stream(
    request: web.Request, *pieces: bytes | float, headers: dict[str, str] | None = None, cut: bool = False
) -> web.StreamResponse:
    """Writes bytes, sleeps for floats. ``cut`` drops the connection instead of ending the body."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **(headers or {})})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                await response.write(piece)
        if cut:
            assert request.transport is not None
            request.transport.abort()
        else:
            await response.write_eof()
    return response


def streaming(*pieces: bytes | float, cut: bool = False, headers: dict[str, str] | None = None) -> Behaviour:
    async def behave(_: MockHost, request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        return await stream(request, *pieces, cut=cut, headers=headers)

    return behave


def flooding(piece: bytes, gone: asyncio.Event) -> Behaviour:
    """A stream without an end; ``gone`` is set when nobody takes it any more."""

    async def behave(_: MockHost, request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(piece)
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise

    return behave


def status(code: int, body: Any = None, headers: dict[str, str] | None = None) -> Behaviour:
    async def behave(_: MockHost, _request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        if isinstance(body, bytes):
            return web.Response(status=code, body=body, headers=headers)
        return web.json_response(body, status=code, headers=headers)

    return behave
