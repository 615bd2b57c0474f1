"""What is sent to a caller, whole or as a stream: a stream's headers go with its first bytes where these come
at once, and nobody who does not take what comes is waited for without end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, final

from aiohttp import web

from inbond.guard import outgoing
from inbond.guard.seen import Seen

_TOGETHER_S: Final = 0.005
"""Each packet costs a caller and us a waking up: an upstream whose first event is so near its headers makes
one of them. Headers are not held for longer."""
_SMALL: Final = 32_768
"""What is no longer is taken by a connection on which nothing waits: half of what asyncio holds before it
lets a writer wait."""


async def whole(request: web.Request, response: web.StreamResponse, silence_s: float, seen: Seen) -> None:
    """Sends an answer, to whoever takes it in time."""
    try:
        async with asyncio.timeout(silence_s):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        outgoing.cut(request, seen)


@final
class Sending:
    """A stream: ``response`` as it is sent. A caller may take ``silence_s`` for a piece: TimeoutError."""

    def __init__(self, request: web.Request, response: web.StreamResponse, silence_s: float) -> None:
        self._request = request
        self._response = response
        self._silence_s = silence_s
        self._alone: asyncio.TimerHandle | None = None

    async def begin(self) -> None:
        """Sends the headers, now or soon."""
        self._response._send_headers_immediately = False
        writer = await self._response.prepare(self._request)
        assert writer is not None, "a response is prepared once"

        def headers() -> None:
            with contextlib.suppress(ConnectionError):  # whoever is gone is noticed elsewhere
                writer.send_headers()

        self._alone = asyncio.get_running_loop().call_later(_TOGETHER_S, headers)

    async def write(self, data: bytes) -> None:
        """Raises TimeoutError, and ConnectionError for a caller who is gone."""
        self.close()
        transport = self._request.transport
        if transport is not None and len(data) <= _SMALL and not transport.get_write_buffer_size():
            await self._response.write(data)  # which does not wait, so that nobody need look at a clock
            return
        async with asyncio.timeout(self._silence_s):
            await self._response.write(data)

    async def end(self) -> None:
        """The end of the stream. Raises as ``write``."""
        self.close()
        async with asyncio.timeout(self._silence_s):
            await self._response.write_eof()

    def close(self) -> None:
        """Nothing is sent of itself any more."""
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
