"""What detection remembers between windows: counts and hashes in columns, and as bytes. Pure.

No text, no address, no name but the accounts' own. Times are seconds since 1970; windows are named by the
second they begin with. An account takes some 200 bytes and its name; what bets have won is ``capital``,
what counted already is ``once``.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect.capital import CAPITAL, Capital, none
from inbond.guard.detect.once import ONCE, Once, nothing
from inbond.guard.marks import hashed

FORMAT: Final = b"inbond.memory/7\0"
WINDOW_S: Final = 600
MOST_LEADERS: Final = 4
PAIR: Final = np.dtype([("key", "<u8"), ("party", "<u8"), ("created", "<i4"), ("last", "<u4")])
"""A piece of a template, one of the parties that sent it, the day it signed up (0 unknown) and the last
window in which it did."""
Pairs = npt.NDArray[Any]
Table = npt.NDArray[Any]
ENVELOPE: Final = 1 << 63
"""Keys of pairs from here on are numbers of sealed envelopes, and no pieces."""
_LEADER: Final = np.dtype([("piece", "<u8"), ("windows", "<i4")])
_HASHES: Final = ("party", "payment", "client", "tenant", "day_cohort", "day_payment", "day_tenant")
_SUMS: Final = ("requests", "output_tokens")
_TIMES: Final = ("first", "last", "since", "means_since")
_COUNTS: Final = (
    "refused", "asked_plainly", "eliciting_requests", "foreign_requests", "created", "windows",
    "day_said", "day_elicited", "day_replayed", "day_judged", "day_template",
)  # fmt: skip
ROW: Final = np.dtype(
    [
        ("id", "<u8"),
        *((name, "<u8") for name in _HASHES),
        *((name, "<i8") for name in _SUMS),
        *((name, "<u4") for name in _TIMES),
        *((name, "<i4") for name in _COUNTS),
        ("tier", "u1"),
        ("grouped", "u1"),
        ("registered", "?"),
        ("leaders", _LEADER, (MOST_LEADERS,)),
    ]
)
"""``id`` is a number for the account's name."""
_HEAD: Final = struct.Struct("<qQIIII")


@final
@dataclass(frozen=True, slots=True)
class Account:
    """One account's counts. ``windows`` are those in which it was seen. ``leaders`` name templates with the
    even windows that carried them; ``day_*`` are requests of the
    day that has not ended: all, those that hit, and those of odd windows that are judged by templates; but
    ``day_cohort``, ``day_payment`` and ``day_tenant`` are the keys of the groups that it was in when that day
    began, 0 for none.
    ``since`` is the first window of its standing at tier 2 or more, ``means_since`` of that by two families
    of means, 0 for none; ``tier`` and ``grouped`` (bits: the kinds of groups that it is in) as of the last
    window."""

    party: int
    payment: int = 0
    client: int = 0
    tenant: int = 0
    day_cohort: int = 0
    day_payment: int = 0
    day_tenant: int = 0
    requests: int = 0
    output_tokens: int = 0
    first: int = 0
    last: int = 0
    since: int = 0
    means_since: int = 0
    refused: int = 0
    asked_plainly: int = 0
    eliciting_requests: int = 0
    foreign_requests: int = 0
    created: int = 0
    windows: int = 0
    day_said: int = 0
    day_elicited: int = 0
    day_replayed: int = 0
    day_judged: int = 0
    day_template: int = 0
    tier: int = 0
    grouped: int = 0
    registered: bool = False
    leaders: tuple[tuple[int, int], ...] = ()


_FIELDS: Final = tuple(each.name for each in fields(Account))


@final
@dataclass(frozen=True, eq=False)
class Accounts(Mapping[str, Account]):
    """All accounts by name, as columns: ``names`` in order, and a ``table`` of ROW beside them."""

    names: tuple[str, ...] = ()
    table: Table = field(default_factory=lambda: np.zeros(0, dtype=ROW))

    @staticmethod
    def of(accounts: Mapping[str, Account]) -> Accounts:
        """The same accounts as columns."""
        names = tuple(sorted(accounts))
        table = np.zeros(len(names), dtype=ROW)
        for at, name in enumerate(names):
            table[at]["id"] = number_of(name)
            for column in _FIELDS[:-1]:
                table[at][column] = getattr(accounts[name], column)
            for i, leader in enumerate(accounts[name].leaders):
                table["leaders"][at, i] = leader
        return Accounts(names, table)

    def row(self, name: str) -> int:
        """The row of a name. Raises KeyError."""
        at = bisect_left(self.names, name)
        if at == len(self.names) or self.names[at] != name:
            raise KeyError(name)
        return at

    def __getitem__(self, name: str) -> Account:
        row = self.table[self.row(name)]
        led = tuple((piece, windows) for piece, windows in row["leaders"].tolist() if piece)
        values: tuple[Any, ...] = (*row.item()[1:-1], led)
        return Account(*values)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        at = bisect_left(self.names, name) if isinstance(name, str) else len(self.names)
        return at < len(self.names) and self.names[at] == name


@final
@dataclass(frozen=True, eq=False)
class Memory:
    """``window``: the last that was folded; ``pushed_out``: rows of capital that were let go since they were
    too many, since the beginning."""

    window: int = 0
    accounts: Accounts = field(default_factory=Accounts)
    pairs: Pairs = field(default_factory=lambda: np.zeros(0, dtype=PAIR))
    capital: Capital = field(default_factory=none)
    once: Once = field(default_factory=nothing)
    pushed_out: int = 0

    def to_bytes(self) -> bytes:
        """The same for the same memory; ``from_bytes`` reads it."""
        names = self.accounts.names
        sizes = np.array([len(name.encode("utf-8", "surrogatepass")) for name in names], dtype="<u2")
        written = "".join(names).encode("utf-8", "surrogatepass")
        sizes_of = (len(names), len(self.pairs), len(self.capital), len(self.once))
        head = _HEAD.pack(self.window, self.pushed_out, *sizes_of)
        kept = (self.accounts.table, self.pairs, self.capital, self.once)
        columns = (sizes, *(np.ascontiguousarray(each).view("u1") for each in kept))
        return b"".join([FORMAT, head, *(column.data for column in columns), written])


def number_of(name: str) -> int:
    """A number for an account's name, in 64 bits of its digest."""
    return hashed(name)


def from_bytes(data: bytes) -> Memory:
    """Reads what ``Memory.to_bytes`` wrote; nothing at all is an empty memory. Raises ValueError."""
    if not data:
        return Memory()
    if not data.startswith(FORMAT):
        raise ValueError("not a memory of this version")
    at = len(FORMAT) + _HEAD.size
    if len(data) < at:
        raise ValueError("a memory is cut off")
    window, pushed_out, count, *others = _HEAD.unpack_from(data, len(FORMAT))
    kinds = ((np.dtype("<u2"), count), *zip((ROW, PAIR, CAPITAL, ONCE), (count, *others), strict=True))
    if len(data) < at + sum(kind.itemsize * number for kind, number in kinds):
        raise ValueError("a memory is cut off")
    columns: list[npt.NDArray[Any]] = []
    for kind, number in kinds:
        columns.append(np.frombuffer(data, dtype=kind, count=number, offset=at))
        at += columns[-1].nbytes
    sizes, table, pairs, capital, once = columns
    return Memory(
        window, Accounts(_names(data, at, sizes), table), pairs.copy(), capital, once.copy(), pushed_out
    )


def _names(data: bytes, at: int, sizes: npt.NDArray[Any]) -> tuple[str, ...]:
    ends = at + np.cumsum(sizes, dtype=np.int64)
    if len(data) != (ends[-1] if len(ends) else at):
        raise ValueError("a memory does not end where it should")
    places = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
    names = tuple(data[start:end].decode("utf-8", "surrogatepass") for start, end in places)
    if any(one >= other for one, other in pairwise(names)):
        raise ValueError("a memory names accounts out of order")
    return names
