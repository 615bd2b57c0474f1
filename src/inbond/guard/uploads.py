"""Bodies of requests as they come: how long one may get, how slowly it may come, and how many bytes all of
them are in memory, from the first that comes to the end of the answer."""

from __future__ import annotations

import asyncio
import io
from typing import Final, final

from aiohttp import web

from inbond.guard import refusals

SLOWEST: Final = 4_096
"""Bytes a second that a body must come with once its first patience is used up."""


@final
class Uploads:
    """Reads bodies of at most ``longest`` bytes; all together take ``most`` bytes at once. An account may
    hold as much as is still free: half of all while it is alone, and whoever takes what he can leaves as much
    for others. ``silence_s`` is the longest that a caller may send nothing."""

    def __init__(self, longest: int, most: int, silence_s: float) -> None:
        self._longest = longest
        self._most = most
        self._silence_s = silence_s
        self._by_account: dict[str, int] = {}
        self.held = 0
        """Bytes that are in memory now."""

    def room(self, account: str) -> Room:
        """What one request of an account takes: nothing yet. It must be given back."""
        return Room(self, account)

    async def read(self, request: web.Request, room: Room) -> bytes:
        """A body, whole, whose bytes the room counts from now on. Raises Refusal."""
        if (request.content_length or 0) > self._longest:
            raise refusals.too_large(self._longest)
        body = io.BytesIO()  # pieces of two bytes, kept one by one, would take twenty times as much
        coming = _Coming(request, self._silence_s)
        try:
            while piece := await coming.piece():
                if room.size + len(piece) > self._longest:
                    raise refusals.too_large(self._longest)
                room.take(len(piece))
                body.write(piece)
        except TimeoutError:
            raise refusals.too_slow() from None
        except web.RequestPayloadError:
            raise refusals.bad_request("broken_body", "The body could not be read to its end.") from None
        return body.getvalue()

    def _take(self, account: str, size: int) -> None:
        own = self._by_account.get(account, 0)
        if own + size > self._most - self.held - size:
            raise refusals.crowded()
        self._by_account[account] = own + size
        self.held += size

    def _grow(self, account: str, size: int, more: int) -> None:
        """A request of this size takes more than its bytes. The only one of all fits whatever it is, since it
        would never fit else; an account's only one wherever there is room."""
        alone, own = self.held == size, self._by_account.get(account, 0)
        if not alone and self.held + more > self._most:
            raise refusals.crowded()
        if own > size and own + more > self._most - self.held - more:
            raise refusals.crowded()
        self._by_account[account] = own + more
        self.held += more

    def _give_back(self, account: str, size: int) -> None:
        self.held -= size
        left = self._by_account.get(account, 0) - size
        if left:
            self._by_account[account] = left
        else:
            self._by_account.pop(account, None)


@final
class Room:
    """The memory of one request, of which ``size`` bytes are counted."""

    __slots__ = ("_account", "_uploads", "size")

    def __init__(self, uploads: Uploads, account: str) -> None:
        self._uploads = uploads
        self._account = account
        self.size = 0

    def take(self, size: int) -> None:
        """So many bytes more came. Raises Refusal."""
        self._uploads._take(self._account, size)
        self.size += size

    def grow(self, size: int) -> None:
        """It is understood, and takes so many bytes in all. Raises Refusal."""
        if size > self.size:
            self._uploads._grow(self._account, self.size, size - self.size)
            self.size = size

    def give_back(self) -> None:
        """It is over. Once."""
        self._uploads._give_back(self._account, self.size)
        self.size = 0


@final
class _Coming:
    """The pieces of one body. Each that comes buys the time that it may take at the slowest, and no more than
    the longest silence: what came in a rush at first pays for no trickle."""

    def __init__(self, request: web.Request, silence_s: float) -> None:
        self._content = request.content
        self._silence_s = silence_s
        self._until: float | None = None

    async def piece(self) -> bytes:
        """The next one; b"" at the end. Raises TimeoutError, RequestPayloadError."""
        if self._content.at_eof():
            return b""
        found = self._content.read_nowait() or await self._waited_for()
        if self._until is not None:
            now = asyncio.get_running_loop().time()
            self._until = min(self._until + len(found) / SLOWEST, now + self._silence_s)
        return found

    async def _waited_for(self) -> bytes:
        if self._until is None:  # most bodies are here with their heads, and need no clock
            self._until = asyncio.get_running_loop().time() + self._silence_s
        async with asyncio.timeout_at(self._until):
            return await self._content.readany()
