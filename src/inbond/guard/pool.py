"""Connections to the upstream that are used again, but for those on which more came than was asked for.

An upstream that says too short a length, or answers twice, leaves bytes behind its answer. Whoever is given
the connection next would take them for his own answer: somebody else's words. Such a connection is closed.
What has not even arrived when the next request is sent cannot be told from its answer by anybody.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, final

import aiohttp
from aiohttp.connector import Connection


@final
class Pool(aiohttp.TCPConnector):
    """Connections without a bound on their number. To be made where the loop runs."""

    def __init__(self, idle_s: float, rest_s: float = 0.0) -> None:
        """One that is idle for longer than ``idle_s`` is not used again, none before ``rest_s``: by then a
        server that closes it after an answer, though it said keep-alive, has done so."""
        super().__init__(limit=0, keepalive_timeout=idle_s)
        self._rest_s = rest_s

    async def _get(self, key: Any, traces: Any) -> Connection | None:
        """An idle connection, or None for a new one."""
        idle = self._conns.get(key)  # the longest idle is the first
        if idle and monotonic() - idle[0][1] < self._rest_s:
            return None
        while (found := await super()._get(key, traces)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None
