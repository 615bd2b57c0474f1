"""What goes back over HTTP besides an answer's bytes: headers, refusals, and how a connection is ended."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from aiohttp import web

from inbond.guard import refusals, sse
from inbond.guard.refusals import Refusal
from inbond.guard.sealer import NOTE
from inbond.guard.seen import Seen
from inbond.guard.upstream import Answer, headers_back

_LAST_WORDS_S: Final = 1.0
"""What a caller may take to hear that his answer was cut."""


def headers_of(answer: Answer, seen: Seen) -> dict[str, str]:
    """Those of an upstream's answer that are passed on, and the guard's own."""
    note = NOTE if seen.sealed in ("rejected", "foreign") else {}
    return {**headers_back(answer.headers), "x-request-id": seen.id, **note}


def refusal(found: Refusal, seen: Seen) -> web.Response:
    """What a caller is told who gets no answer."""
    headers = {**found.headers, "x-request-id": seen.id}
    return web.Response(
        status=found.status, headers=headers, body=found.body, content_type="application/json"
    )


async def unnamed(_request: web.Request, response: web.StreamResponse) -> None:
    """Which server this is, and of which version, is nobody's business."""
    response.headers.pop("server", None)


def cut(request: web.Request, seen: Seen) -> None:
    """Ends a connection whose other end does not take what it asked for."""
    seen.code = "client_slow"
    if request.transport is not None:
        request.transport.abort()


async def last_words(response: web.StreamResponse, seen: Seen) -> None:
    """The end of a stream that is cut: an event that says so, to whoever still listens."""
    ended = refusals.ended()
    seen.code = ended.code
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(_LAST_WORDS_S):
            await response.write(sse.event(ended.body))
            await response.write_eof()
