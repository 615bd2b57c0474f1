"""Which addresses a stranger's link may lead to: those of the public internet, and no others. Pure.

A page fetched on a user's behalf must not reach what only the user's machine can: itself, the network that it
stands in, the metadata service of a cloud. An IPv6 address that carries an IPv4 one is judged by both.
"""

from __future__ import annotations

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_CLOUD: Final = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192")))
"""Services of clouds at addresses that count as public, or that Python has not always counted as private."""


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
