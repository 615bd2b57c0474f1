"""What detection remembers between windows: counts and hashes in columns, and as bytes. Pure.

No text, no address, no name but the accounts' own. Times are seconds since 1970; windows are named by the
second they begin with. Shares are in 256ths of a trial (``families.WHOLE``). An account takes some 210 bytes
and its name.
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

FORMAT: Final = b"inbond.memory/2\0"
WINDOW_S: Final = 600
DAY_S: Final = 86_400
MOST_LEADERS: Final = 4
MOST_CONVERSATIONS: Final = 8
PAIR: Final = np.dtype([("key", "<u8"), ("party", "<u8"), ("created", "<i4"), ("last", "<u4")])
"""A piece of a template, one of the parties that sent it, the day it signed up (0 unknown) and the last
window in which it did."""
Pairs = npt.NDArray[Any]
Table = npt.NDArray[Any]
_LEADER: Final = np.dtype([("piece", "<u8"), ("windows", "<i4")])
_HASHES: Final = ("party", "payment", "client")
_SUMS: Final = ("requests", "output_tokens")
_TIMES: Final = ("first", "last", "since")
_COUNTS: Final = (
    "refused", "asked_plainly", "eliciting_requests", "foreign_requests", "created", "windows", "elicited",
    "replayed", "odd", "elicited_odd", "replayed_odd", "template_odd", "in_template", "elicited_in_template",
    "replayed_in_template", "template_windows", "paired", "in_step",
)  # fmt: skip
ROW: Final = np.dtype(
    [
        *((name, "<u8") for name in _HASHES),
        *((name, "<i8") for name in _SUMS),
        *((name, "<u4") for name in _TIMES),
        *((name, "<i4") for name in _COUNTS),
        ("tier", "u1"),
        ("registered", "?"),
        ("leaders", _LEADER, (MOST_LEADERS,)),
        ("conversations", "<u4", (MOST_CONVERSATIONS,)),
    ]
)
_HEAD: Final = struct.Struct("<qII")


@final
@dataclass(frozen=True, slots=True)
class Account:
    """One account's counts. ``windows`` are trials: windows in which it was seen, and the halves apart;
    ``*_odd`` count in odd windows alone, ``in_template*`` in odd windows that carried a template.
    ``leaders`` name templates with the even windows that carried them. ``paired`` are windows in which it
    sent a text that an unlinked account sent about then, ``in_step`` the share at the same moment. ``since``
    is the first window of its standing at tier 2 or more, 0 for none; ``tier`` as of the last window."""

    party: int
    payment: int = 0
    client: int = 0
    requests: int = 0
    output_tokens: int = 0
    first: int = 0
    last: int = 0
    since: int = 0
    refused: int = 0
    asked_plainly: int = 0
    eliciting_requests: int = 0
    foreign_requests: int = 0
    created: int = 0
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
    paired: int = 0
    in_step: int = 0
    tier: int = 0
    registered: bool = False
    leaders: tuple[tuple[int, int], ...] = ()
    conversations: tuple[int, ...] = ()


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
            for column in _FIELDS[:-2]:
                table[at][column] = getattr(accounts[name], column)
            for i, leader in enumerate(accounts[name].leaders):
                table["leaders"][at, i] = leader
            for i, talk in enumerate(accounts[name].conversations):
                table["conversations"][at, i] = talk
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
        talks = tuple(each for each in row["conversations"].tolist() if each)
        values: tuple[Any, ...] = (*row.item()[:-2], led, talks)
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
    """``window``: the last that was folded."""

    window: int = 0
    accounts: Accounts = field(default_factory=Accounts)
    pairs: Pairs = field(default_factory=lambda: np.zeros(0, dtype=PAIR))

    def to_bytes(self) -> bytes:
        """The same for the same memory; ``from_bytes`` reads it."""
        written = [name.encode("utf-8", "surrogatepass") for name in self.accounts.names]
        sizes = np.array([len(name) for name in written], dtype="<u2")
        head = _HEAD.pack(self.window, len(written), len(self.pairs))
        columns = (sizes, self.accounts.table.view("u1"), self.pairs.view("u1"))
        return b"".join([FORMAT, head, *(column.data for column in columns), *written])


def shortened(conversations: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    """The half of a conversation's hash that is remembered; never 0."""
    half: npt.NDArray[np.uint32] = (conversations & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return np.maximum(half, np.uint32(1))


def from_bytes(data: bytes) -> Memory:
    """Reads what ``Memory.to_bytes`` wrote; nothing at all is an empty memory. Raises ValueError."""
    if not data:
        return Memory()
    if not data.startswith(FORMAT):
        raise ValueError("not a memory of this version")
    at = len(FORMAT) + _HEAD.size
    if len(data) < at:
        raise ValueError("a memory is cut off")
    window, count, pairs = _HEAD.unpack_from(data, len(FORMAT))
    kinds = ((np.dtype("<u2"), count), (ROW, count), (PAIR, pairs))
    if len(data) < at + sum(kind.itemsize * number for kind, number in kinds):
        raise ValueError("a memory is cut off")
    columns: list[npt.NDArray[Any]] = []
    for kind, number in kinds:
        columns.append(np.frombuffer(data, dtype=kind, count=number, offset=at))
        at += columns[-1].nbytes
    sizes, table, found = columns
    return Memory(window, Accounts(_names(data, at, sizes), table), found)


def _names(data: bytes, at: int, sizes: npt.NDArray[Any]) -> tuple[str, ...]:
    ends = at + np.cumsum(sizes, dtype=np.int64)
    if len(data) != (ends[-1] if len(ends) else at):
        raise ValueError("a memory does not end where it should")
    places = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
    names = tuple(data[start:end].decode("utf-8", "surrogatepass") for start, end in places)
    if any(one >= other for one, other in pairwise(names)):
        raise ValueError("a memory names accounts out of order")
    return names
