"""The keys behind a host's receipts, as that host itself gives them, or as the user pinned them.

A receipt must never cost an answer: whatever goes wrong here, the receipt is kept without a key, to be
checked by whoever has one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final, final

import aiohttp

from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.ledger import issuer_keys, receipts
from inbond.ledger.attest import PublicKey
from inbond.ledger.issuer_keys import Keys

_WAIT_S: Final = 5.0
_AGAIN_S: Final = 60.0


@final
class IssuerKeys:
    """The keys of one host. With ``pinned`` ones the host is never asked."""

    def __init__(self, origin: str, pinned: Keys | None) -> None:
        self._url = origin + issuer_keys.WELL_KNOWN
        self._pinned = pinned
        self._known: Mapping[Digest, PublicKey] = pinned or {}
        self._asked_s = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, token: str, session: aiohttp.ClientSession) -> PublicKey | None:
        """The key that a receipt names; None for what is no receipt, or when nobody gives that key."""
        try:
            wanted = receipts.read(token).key
        except TamperedError:
            return None
        if wanted not in self._known and self._pinned is None:
            async with self._lock:
                if wanted not in self._known and time.monotonic() - self._asked_s >= _AGAIN_S:
                    self._asked_s = time.monotonic()
                    self._known = {**self._known, **await self._ask(session)}
        return self._known.get(wanted)

    async def _ask(self, session: aiohttp.ClientSession) -> Mapping[Digest, PublicKey]:
        wait = aiohttp.ClientTimeout(total=_WAIT_S)
        headers = {"Accept": "application/json"}
        try:
            async with session.get(
                self._url, headers=headers, allow_redirects=False, timeout=wait
            ) as response:
                if response.status != 200:
                    return {}
                data = bytearray()
                async for chunk in response.content.iter_any():
                    data += chunk
                    if len(data) > issuer_keys.MOST_BYTES:
                        return {}
                return issuer_keys.decode(bytes(data))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return {}
