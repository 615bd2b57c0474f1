"""Connections to the upstream that are used again, but for those on which more came than was asked for.

An upstream that says too short a length, or answers twice, leaves bytes behind its answer. Whoever is given
the connection next would take them for his own answer: somebody else's words. Such a connection is closed.
What has not even arrived when the next request is sent cannot be told from its answer by anybody.
"""

from __future__ import annotations

from typing import Any, final

import aiohttp
from aiohttp.connector import Connection


@final
class Pool(aiohttp.TCPConnector):
    """Connections without a bound on their number."""

    def __init__(self, idle_s: float) -> None:
        """``idle_s``: one that is idle for longer is not used again. To be called where the loop runs."""
        super().__init__(limit=0, keepalive_timeout=idle_s)

    async def _get(self, key: Any, traces: Any) -> Connection | None:
        """An idle connection, or None for a new one."""
        while (found := await super()._get(key, traces)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None
