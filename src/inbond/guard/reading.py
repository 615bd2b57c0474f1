"""Bodies are read for what they ask: short ones at once, long ones in a thread beside the requests.

A body of some megabytes of small values takes a good part of a second, in which nobody else would be
answered. So long ones take turns: one thread reads them, one of each account at a time, so that whoever sends
many waits for himself. What a request takes in memory is told with it: many small values take ten times the
bytes that they came in.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final, final

from inbond.guard import wire
from inbond.guard.wire import Asked, Route

LONG: Final = 65_536
"""Bytes of a body that is not read at once: of the smallest values they take some ten milliseconds."""
_SHORT: Final = 4_096
"""Bytes of a body whose memory is told by what it may hold at most, which takes no time."""
_CONTAINER: Final = 200
_ITEM: Final = 64
_WIDEST: Final = 4
"""Bytes of each letter of a text that has one emoji."""


@final
@dataclass
class _Turn:
    """An account's. ``users`` are those who read or wait to."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@final
class Reader:
    """Reads requests. ``allowed`` are further fields, by route, and ``media_tokens`` what a part counts that
    nobody can count here."""

    def __init__(
        self, allowed: Mapping[Route, frozenset[str]], media_tokens: int = wire.MEDIA_TOKENS
    ) -> None:
        self._allowed = allowed
        self._media_tokens = media_tokens
        self._turns: dict[str, _Turn] = {}

    async def read(self, route: Route, body: bytes, account: str) -> tuple[Asked, int]:
        """What it asks for, and the bytes of memory that this takes while it is answered. Raises
        BadRequestError."""
        if len(body) <= LONG:
            return self._read(route, body)
        turn = self._turns.setdefault(account, _Turn())
        turn.users += 1
        try:
            async with turn.lock:  # whoever leaves takes his body out of the thread's queue
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, partial(self._read, route, body))
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[account]

    def _read(self, route: Route, body: bytes) -> tuple[Asked, int]:
        allowed = self._allowed.get(route, frozenset[str]())
        asked = wire.read(route, body, allowed, self._media_tokens)
        return asked, len(body) + memory(body, asked.value)

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "reading")


def memory(body: bytes, value: Any) -> int:
    """About how many bytes of memory the value of a body takes, that of a short one at most."""
    if len(body) <= _SHORT:
        containers = body.count(b"{") + body.count(b"[")
        text = len(body) if body.isascii() and b"\\u" not in body else _WIDEST * len(body)
        return text + _CONTAINER * containers + _ITEM * body.count(b",")
    found, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        found += sys.getsizeof(each)
        if isinstance(each, dict):
            found += sum(map(sys.getsizeof, each))
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return found
