"""Groups of accounts that may be one hand, and what bets on them have won. Pure.

Four ways lead to a group, none of which is evidence by itself: one means of payment, one client and the same
days of sign-up, one template of even windows, one tenant. What is tested is another thing each time, or the
other half of the windows (``trials``); shared means of payment are counted here, one trial each. A classroom
is such a group, and its test says nothing of it. Whose party is unknown is in no group: a doubt counts for
the callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect import capital
from inbond.guard.detect.columns import runs
from inbond.guard.detect.e_values import NOTHING
from inbond.guard.detect.families import FAMILIES, PAYMENT
from inbond.guard.detect.memory import Accounts, Memory, Table

Kind = Literal["cohort", "payment", "template", "tenant"]
Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
KINDS: Final[tuple[Kind, ...]] = ("cohort", "payment", "template", "tenant")
PLAIN_KINDS: Final[tuple[Kind, ...]] = ("cohort", "payment", "tenant")
"""Those of which an account is in one at most."""
SHARED: Final = 3
"""Parties on one means of payment that are more than a household."""
MOST_SHARING: Final = 64
"""Parties on one means of payment that are more than one hand: a label such as "invoice" says nothing."""
_FEWEST: Final[Mapping[Kind, int]] = {"cohort": 3, "payment": SHARED, "template": 3, "tenant": 2}
_COHORT_DAYS: Final = 3


@final
@dataclass(frozen=True)
class Group:
    """``cards`` are its means of payment, ``shared`` those of SHARED parties or more."""

    kind: Kind
    key: int
    members: tuple[str, ...]
    cards: int
    shared: int

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.key:016x}"


@final
@dataclass(frozen=True)
class Groups:
    """All groups that are worth a test, as columns. ``kinds`` are places in KINDS; the members of group i
    are ``rows[starts[i] : ends[i]]`` of the accounts. ``sharing`` (accounts): whether each pays by a means
    that SHARED parties use."""

    accounts: Accounts
    kinds: Numbers
    keys: Hashes
    rows: Numbers
    starts: Numbers
    ends: Numbers
    cards: Numbers
    shared: Numbers
    sharing: Flags

    def __len__(self) -> int:
        return len(self.kinds)

    def rows_of(self, i: int) -> Numbers:
        """The rows of a group's members."""
        return self.rows[self.starts[i] : self.ends[i]]

    def at(self, i: int) -> Group:
        """One of them."""
        names = tuple(self.accounts.names[row] for row in self.rows_of(i).tolist())
        kind = KINDS[int(self.kinds[i])]
        return Group(kind, int(self.keys[i]), names, int(self.cards[i]), int(self.shared[i]))

    def bits(self) -> npt.NDArray[np.uint8]:
        """(accounts): of which kinds each is in a group."""
        found = np.zeros(len(self.accounts), dtype=np.uint8)
        kinds = np.repeat(self.kinds, self.ends - self.starts)
        for kind in range(len(KINDS)):
            found[self.rows[kinds == kind]] |= np.uint8(1 << kind)
        return found

    def numbers(self, family: int) -> Hashes:
        """The rows of capital that are of each group."""
        found = np.zeros(len(self), dtype=np.uint64)
        for kind in range(len(KINDS)):
            of = self.kinds == kind
            found[of] = capital.ids(self.keys[of], kind + 1, family)
        return found

    def logs(self, kept: capital.Capital) -> Numbers:
        """(families, groups): the logarithms of e-values. Colleagues pay alike, which is no evidence."""
        each = [capital.log_e(kept, self.numbers(family)) for family in range(len(FAMILIES))]
        paid = capital.of_cards(self.cards, self.shared)
        each[PAYMENT] = np.where(self.kinds == KINDS.index("tenant"), NOTHING, paid)
        return np.stack(each)


def key_of(table: Table, kind: Kind) -> Hashes:
    """What accounts of a group of a kind have in common; 0 for nothing."""
    if kind == "cohort":
        days = (table["created"] // _COHORT_DAYS).astype(np.uint64)
        key = table["client"] ^ days * np.uint64(0x9E3779B97F4A7C15)
        return np.where((table["client"] != 0) & (table["created"] != 0), key, np.uint64(0))
    found: Hashes = table[kind]
    return found


def joined(table: Table, kind: Kind) -> Hashes:
    """The key of the group of a kind that each account is in, as the table was last weighed; 0 for none."""
    member = (table["grouped"] >> KINDS.index(kind) & 1) != 0
    return np.where(member, key_of(table, kind), np.uint64(0))


def groups(memory: Memory) -> Groups:
    """All groups that are worth a test, by kind and key."""
    table = memory.accounts.table
    cards = _Cards.of(table)
    parts = [_of_kind(table, kind, cards, *_keys(table, kind)) for kind in KINDS]
    sizes = np.concatenate([part.sizes for part in parts])
    ends = np.cumsum(sizes)
    return Groups(
        memory.accounts,
        np.repeat(np.arange(len(KINDS)), [len(part.sizes) for part in parts]).astype(np.int64),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.rows for part in parts]),
        ends - sizes,
        ends,
        np.concatenate([part.cards for part in parts]),
        np.concatenate([part.shared for part in parts]),
        cards.shared,
    )


@final
@dataclass(frozen=True)
class _Part:
    """The groups of one kind, as in ``Groups``."""

    keys: Hashes
    rows: Numbers
    sizes: Numbers
    cards: Numbers
    shared: Numbers


@final
@dataclass(frozen=True)
class _Cards:
    """Of each account: whether its means of payment can tell anything, and whether SHARED parties use it."""

    telling: Flags
    shared: Flags

    @staticmethod
    def of(table: Table) -> _Cards:
        telling = np.zeros(len(table), dtype=np.bool_)
        shared = np.zeros(len(table), dtype=np.bool_)
        rows = np.flatnonzero((table["payment"] != 0) & (table["party"] != 0))
        card, party = table["payment"][rows], table["party"][rows]
        order = np.lexsort((party, card))
        starts, sizes = runs(card[order])
        if len(starts):
            parties = np.add.reduceat(_fresh(card[order], party[order]).astype(np.int64), starts)
            telling[rows[order]] = np.repeat(parties <= MOST_SHARING, sizes)
            shared[rows[order]] = np.repeat((parties >= SHARED) & (parties <= MOST_SHARING), sizes)
        return _Cards(telling, shared)


def _keys(table: Table, kind: Kind) -> tuple[Hashes, Numbers]:
    """What accounts have in common, and whose it is."""
    known = table["party"] != 0
    if kind != "template":
        keys = key_of(table, kind)
        rows = np.flatnonzero((keys != 0) & known)
        return keys[rows], rows
    led = table["leaders"]["piece"]
    rows, place = np.nonzero((led != 0) & known[:, None])
    return led[rows, place], rows


def _of_kind(table: Table, kind: Kind, cards: _Cards, keys: Hashes, rows: Numbers) -> _Part:
    if kind == "payment":
        keys, rows = keys[cards.shared[rows]], rows[cards.shared[rows]]
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    starts, sizes = runs(keys)
    tested = (sizes if kind == "tenant" else _different(table["party"][rows], sizes)) >= _FEWEST[kind]
    rows = rows[np.repeat(tested, sizes)]
    sizes = sizes[tested]
    payment = np.where(cards.telling[rows], table["payment"][rows], 0)
    shared = np.where(cards.shared[rows], payment, 0)
    return _Part(keys[starts][tested], rows, sizes, _different(payment, sizes), _different(shared, sizes))


def _different(values: Hashes, sizes: Numbers) -> Numbers:
    """How many values other than 0 each group has, its members in order."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    group, values = group[values != 0], values[values != 0]
    order = np.lexsort((values, group))
    group, values = group[order], values[order]
    return np.bincount(group[_fresh(group, values)], minlength=len(sizes)).astype(np.int64)


def _fresh(group: npt.NDArray[np.generic], value: Hashes) -> Flags:
    """Whether (group, value), in order, is another than the one before."""
    again = (group[1:] == group[:-1]) & (value[1:] == value[:-1])
    return np.append(True, ~again) if len(group) else np.zeros(0, dtype=np.bool_)
