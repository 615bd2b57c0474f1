"""Fetches one page of the public internet, and nothing else.

Each hop of a redirect is followed by hand and judged anew. A name is looked up once, every address it has is
judged, and the connection is made to what was judged: a name that means another address a moment later gains
nothing. No cookie, no credential, no proxy of the environment. How much is read and how long it may take is
bounded, of what comes out of compression too.

What is judged is what is asked for: one parsed address. Two parsers do not agree on what a host is.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from inbond.briefing.addresses import Address, as_address, is_public, page_address
from inbond.errors import InputError

MOST_BYTES: Final = 10 << 20
MOST_PDF_BYTES: Final = 30 << 20
MOST_HOPS: Final = 5
TIMEOUT_S: Final = 30.0
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_TEXT_KINDS: Final = (
    "text/html", "application/xhtml+xml", "text/plain", "text/markdown", "text/x-markdown", "application/xml",
    "text/xml", "",
)  # fmt: skip
_PDF: Final = "application/pdf"
_HEADERS: Final = {
    "User-Agent": "inbond-briefing (reads one page that a person asked for)",
    "Accept": "text/html,application/xhtml+xml,text/markdown,text/plain;q=0.9,application/pdf;q=0.8",
}


@final
@dataclass(frozen=True)
class Fetched:
    """What came: from where in the end, of which content type ("" where it was not said), in which encoding
    it says it is ("" likewise)."""

    url: str
    data: bytes
    kind: str
    charset: str


async def fetch(
    url: str,
    *,
    may_reach: Callable[[Address], bool] = is_public,
    timeout_s: float = TIMEOUT_S,
    most_bytes: int = MOST_BYTES,
) -> Fetched:
    """Fetches ``url``. Raises InputError for an address that is not on the public internet (at any hop), for
    what is too large, too slow, no text, or not there."""
    resolver = _Judging(may_reach)
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=2, force_close=True)
    session = aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=_HEADERS, trust_env=False
    )
    try:
        async with session, asyncio.timeout(timeout_s):
            return await _follow(session, url, may_reach, most_bytes)
    except TimeoutError as error:
        raise _cannot(url, f"no whole answer within {timeout_s:g} s") from error
    except _NotPublicError as error:
        raise _refused(url, error.host, error.address) from error
    except aiohttp.ClientError as error:
        if isinstance(error.__cause__, _NotPublicError):
            raise _refused(url, error.__cause__.host, error.__cause__.address) from error
        raise _cannot(url, f"{error!r:.200}") from error


async def _follow(
    session: aiohttp.ClientSession, url: str, may_reach: Callable[[Address], bool], most: int
) -> Fetched:
    here = _judged(url, url, may_reach)
    for _ in range(MOST_HOPS + 1):
        async with session.get(here, allow_redirects=False) as response:
            onward = response.headers.get("Location")
            if response.status in _REDIRECTS and onward:
                here = _judged(onward, url, may_reach, str(here))
                continue
            if response.status != 200:
                raise _cannot(url, f"status {response.status} from {_shown(str(here))}")
            return await _read(response, str(here), most)
    raise _cannot(url, f"more than {MOST_HOPS} redirects")


def _judged(text: str, first: str, may_reach: Callable[[Address], bool], base: str = "") -> URL:
    """Raises InputError for what is no address of a page, or leads elsewhere than to the internet."""
    try:
        url = page_address(text, base)
    except ValueError as error:
        raise _cannot(first, f"{_shown(text)}, {error}") from error
    address = as_address(url.raw_host or "")
    if address is not None and not may_reach(address):
        raise _refused(first, url.raw_host or "", address)
    return url


async def _read(response: aiohttp.ClientResponse, here: str, most: int) -> Fetched:
    kind = response.content_type if "Content-Type" in response.headers else ""
    if kind not in (*_TEXT_KINDS, _PDF):
        raise InputError(
            expected="a page: HTML, Markdown, plain text or PDF",
            found=f"{_shown(here)} of type {kind!r:.100}",
            fix="give the address of the article itself",
        )
    most = max(most, MOST_PDF_BYTES) if kind == _PDF and most == MOST_BYTES else most
    if (response.content_length or 0) > most:
        raise _too_large(here, most, f"{response.content_length:,} bytes")
    found = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        found += chunk
        if len(found) > most:
            raise _too_large(here, most, "more while it was read")
    return Fetched(here, bytes(found), kind, response.charset or "")


@final
class _NotPublicError(OSError):
    """A host has an address that may not be reached."""

    def __init__(self, host: str, address: Address) -> None:
        super().__init__(f"{host} is {address}")
        self.host, self.address = host, address


@final
class _Judging(AbstractResolver):
    """Looks a name up once and gives its addresses only when each may be reached."""

    def __init__(self, may_reach: Callable[[Address], bool]) -> None:
        self._may_reach = may_reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        results: list[ResolveResult] = []
        for kind, _, proto, _, place in found:
            address = as_address(str(place[0]))
            if address is None or not self._may_reach(address):
                raise _NotPublicError(host, address or as_address("0.0.0.0"))  # type: ignore[arg-type]
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            results.append(
                ResolveResult(
                    hostname=host, host=str(place[0]), port=port, family=kind, proto=proto, flags=flags
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""


def _shown(url: str) -> str:
    return repr(url[:200])


def _cannot(url: str, found: str) -> InputError:
    return InputError(
        expected=f"a page at {_shown(url)}",
        found=found,
        fix="look at it in a browser; save the page to a file and give that, if it opens there",
    )


def _refused(url: str, host: str, address: Address) -> InputError:
    return InputError(
        expected=f"an address of the public internet behind {_shown(url)}",
        found=f"{host[:100]!r}, which is {address}",
        fix="save the page to a file, and give that: pages of this machine or its network are not fetched",
    )


def _too_large(url: str, most: int, found: str) -> InputError:
    return InputError(
        expected=f"a page of at most {most:,} bytes at {_shown(url)}",
        found=found,
        fix="save the article's text to a file",
    )
