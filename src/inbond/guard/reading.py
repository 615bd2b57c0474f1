"""Bodies are read for what they ask: short ones at once, long ones in a thread beside the requests.

A body of some megabytes of small values takes a good part of a second, in which nobody else would be
answered. So long ones take turns: one thread reads them, one of each account at a time, so that whoever sends
many waits for himself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Final, final

from inbond.guard import wire
from inbond.guard.wire import Asked, Route

LONG: Final = 65_536
"""Bytes of a body that is not read at once: of the smallest values they take some ten milliseconds."""


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

    async def read(self, route: Route, body: bytes, account: str) -> Asked:
        """What it asks for. Raises BadRequestError."""
        allowed = self._allowed.get(route, frozenset[str]())
        if len(body) <= LONG:
            return wire.read(route, body, allowed, self._media_tokens)
        turn = self._turns.setdefault(account, _Turn())
        turn.users += 1
        try:
            async with turn.lock:  # whoever leaves takes his body out of the thread's queue
                loop = asyncio.get_running_loop()
                work = partial(wire.read, route, body, allowed, self._media_tokens)
                return await loop.run_in_executor(self._thread, work)
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[account]

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "reading")
