"""Which addresses a stranger's link may lead to: those of the public internet, and no others. Pure.

A page fetched on a user's behalf must not reach what only the user's machine can: itself, the network that it
stands in, the metadata service of a cloud. An IPv6 address that carries an IPv4 one is judged by both.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urljoin

from yarl import URL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_CLOUD: Final = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192")))
"""Services of clouds at addresses that count as public, or that Python has not always counted as private."""

_MOST_HOST: Final = 253
_HOST: Final = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*(?!(?:\d+|0x[0-9a-f]*)\.?$)[a-z0-9_-]{1,63}\.?")
"""Names that can be looked up (RFC 1035). One that ends in a number is an address in an odd spelling."""

_WHICH: Final = re.compile(r"^(?:www|m|amp)\.(?=[^.]+\.)")


def page_address(text: str, base: str = "") -> URL:
    """An address of a page, seen from ``base``, in the one form in which it is judged, asked for and kept:
    its host in lower case and ASCII. Raises ValueError, which says what is wrong with it."""
    try:
        text.encode()
        url = URL(urljoin(base, text))
        host, _ = url.raw_host or "", url.port
    except ValueError:
        raise ValueError("which is no address") from None
    if url.scheme not in ("http", "https") or not host:
        raise ValueError("which is no address of http or https")
    if "@" in url.raw_authority:
        raise ValueError("an address with a name or password in it")
    if as_address(host) is None and (not _HOST.fullmatch(host) or len(host) > _MOST_HOST):
        raise ValueError("which is no address: its host cannot be one")
    return url


def same_site(one: URL, other: URL) -> bool:
    """Whether two addresses are of one host, as which its pages for telephones count. That two hosts are of
    one owner cannot be told from their names."""
    return plain_host(one.raw_host or "") == plain_host(other.raw_host or "")


def plain_host(host: str) -> str:
    """A host without what says only which of its pages it is: "www.", "m." and "amp."."""
    return _WHICH.sub("", host.casefold())


def is_public(address: Address) -> bool:
    """Whether anyone on the internet could reach this address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None or not all(map(is_public, _within(address))):
            return False
        if address.ipv4_mapped is not None:
            return True
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and address not in _CLOUD
    )


def _within(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 one stands for, or leads through."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    number = int(address)
    if any(address in network for network in _NAT64) or number < 1 << 32:
        found.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def as_address(host: str) -> Address | None:
    """The address that a host's name already is; None for a name that must be looked up."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
