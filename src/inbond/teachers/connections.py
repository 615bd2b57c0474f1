"""The connections to one host: bounded, without redirects, cookies or proxies, the key to it alone."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import aiohttp

from inbond.digest import canonical
from inbond.ledger.issuer_keys import Keys, to_jwk
from inbond.ledger.receipts import HEADER, KEY
from inbond.teachers.hosts import Host, base_url, origin_of
from inbond.teachers.issuer import IssuerKeys
from inbond.teachers.protocols import Reply

CONNECT_S = 15.0


@final
class Place:
    """One host's address with its connections. The key is in the headers of its own session alone."""

    def __init__(self, name: str, host: Host, key: str | None, issuer: Keys | None) -> None:
        self.url = base_url(name, host)
        self._host = host
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        self._issuer = IssuerKeys(origin_of(name, host), issuer)

    async def with_key(self, reply: Reply) -> Reply:
        """The reply with the key that its receipt can be checked by, where that can be had."""
        key = await self._issuer.find(reply.headers[HEADER], self.session())
        if key is None:
            return reply
        return replace(reply, headers={**reply.headers, KEY: canonical(to_jwk(key)).decode()})

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def session(self) -> aiohttp.ClientSession:
        """Opened when it is first needed."""
        if self._session is None:
            headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "User-Agent": "inbond"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            self._session = aiohttp.ClientSession(
                headers=headers,
                # llama.cpp promises to keep connections and closes them all the same, and a POST on a
                # closed one fails. Without TLS a fresh connection costs nothing.
                connector=aiohttp.TCPConnector(
                    limit=self._host.concurrency * (1 + len(self._host.replicas)),
                    force_close=self.url.startswith("http:"),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=None, sock_connect=CONNECT_S, sock_read=self._host.timeout_s
                ),
                trust_env=False,
            )
        return self._session
