"""What detection remembers between windows: counts and hashes, as immutable values and as bytes. Pure.

No text, no address, no name but the accounts' own. Times are seconds since 1970; windows are named by the
second they begin with. Shares are in 256ths of a trial (``families.WHOLE``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

FORMAT: Final = b"inbond.memory/1\0"
WINDOW_S: Final = 600
DAY_S: Final = 86_400
MOST_LEADERS: Final = 4
MOST_CONVERSATIONS: Final = 16
PAIR: Final = np.dtype([("key", "<u8"), ("party", "<u8"), ("created", "<i4"), ("last", "<i8")])
"""A piece of a template, one of the parties that sent it, the day it signed up (0 unknown) and the last
window in which it did."""
Pairs = npt.NDArray[Any]
_HEAD: Final = struct.Struct("<qqII")
_ACCOUNT: Final = struct.Struct("<H5Q22q3B")
_LEADER: Final = struct.Struct("<QI")
_WORD: Final = struct.Struct("<Q")


@final
@dataclass(frozen=True, slots=True)
class Account:
    """One account's counts. ``windows`` are trials: windows in which it was seen, and the halves apart;
    ``*_odd`` count in odd windows alone, ``in_template*`` in odd windows that carried a template.
    ``leaders`` name templates with the even windows that carried them. ``since`` is the first window of
    its standing at tier 2 or more, 0 for none; ``replayed`` a share over all windows, as ``elicited``."""

    party: int
    tenant: int = 0
    payment: int = 0
    client: int = 0
    model: int = 0
    created: int = 0
    first: int = 0
    last: int = 0
    requests: int = 0
    output_tokens: int = 0
    refused: int = 0
    asked_plainly: int = 0
    windows: int = 0
    elicited: int = 0
    replayed: int = 0
    odd: int = 0
    elicited_odd: int = 0
    replayed_odd: int = 0
    template_odd: int = 0
    in_template: int = 0
    elicited_in_template: int = 0
    replayed_in_template: int = 0
    template_windows: int = 0
    eliciting_requests: int = 0
    foreign_requests: int = 0
    since: int = 0
    tier: int = 0
    registered: bool = False
    leaders: tuple[tuple[int, int], ...] = ()
    conversations: tuple[int, ...] = ()


_values: Final = attrgetter(*(each.name for each in fields(Account)))


@final
@dataclass(frozen=True)
class Memory:
    """``window``: the last that was folded; ``stood``: the one after which standings were last looked at."""

    window: int = 0
    stood: int = 0
    accounts: Mapping[str, Account] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=lambda: np.zeros(0, dtype=PAIR))

    def to_bytes(self) -> bytes:
        """The same for the same memory; ``from_bytes`` reads it."""
        named = sorted(self.accounts.items())
        head = _HEAD.pack(self.window, self.stood, len(named), len(self.pairs))
        return b"".join([FORMAT, head, self.pairs.tobytes(), *(_packed(*each) for each in named)])


def from_bytes(data: bytes) -> Memory:
    """Reads what ``Memory.to_bytes`` wrote; nothing at all is an empty memory. Raises ValueError."""
    if not data:
        return Memory()
    if not data.startswith(FORMAT):
        raise ValueError("not a memory of this version")
    try:
        window, stood, accounts, pairs = _HEAD.unpack_from(data, len(FORMAT))
        at = len(FORMAT) + _HEAD.size
        found = np.frombuffer(data, dtype=PAIR, count=pairs, offset=at).copy()
        at += found.nbytes
        named: dict[str, Account] = {}
        for _ in range(accounts):
            name, account, at = _unpacked(data, at)
            named[name] = account
    except struct.error as error:
        raise ValueError("a memory is cut off") from error
    if at != len(data):
        raise ValueError("a memory does not end where it should")
    return Memory(window, stood, named, found)


def _packed(name: str, account: Account) -> bytes:
    *numbers, leaders, conversations = _values(account)
    written = name.encode("utf-8", "surrogatepass")
    head = _ACCOUNT.pack(len(written), *numbers, len(leaders), len(conversations))
    tail = [_LEADER.pack(*leader) for leader in leaders] + [_WORD.pack(each) for each in conversations]
    return b"".join([head, written, *tail])


def _unpacked(data: bytes, at: int) -> tuple[str, Account, int]:
    size, *numbers, registered, leaders, conversations = _ACCOUNT.unpack_from(data, at)
    at += _ACCOUNT.size
    name = data[at : at + size].decode("utf-8", "surrogatepass")
    at += size
    led = tuple(_LEADER.unpack_from(data, at + i * _LEADER.size) for i in range(leaders))
    at += leaders * _LEADER.size
    talks = struct.unpack_from(f"<{conversations}Q", data, at)
    at += conversations * _WORD.size
    values: tuple[Any, ...] = (*numbers, bool(registered), led, talks)
    return name, Account(*values), at
