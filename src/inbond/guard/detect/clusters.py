"""Groups of accounts that may be one hand, and what their windows say together. Pure.

Three ways lead to a group, none of which is evidence by itself: one means of payment, one client and the same
days of sign-up, one template of even windows. What is tested is another thing each time, or the other half:
a template's group is tested in odd windows; the others, which no text had a part in finding, are tested for
elicitation and replay in all. Synchrony is for each account to show. A classroom is such a group, and its
test says nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect.columns import runs
from inbond.guard.detect.families import ELICITATION, FAMILIES, PAYMENT, REPLAY, TEMPLATE, WHOLE
from inbond.guard.detect.memory import Accounts, Memory, Table

Kind = Literal["cohort", "payment", "template"]
Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
KINDS: Final[tuple[Kind, ...]] = ("cohort", "payment", "template")
SHARED: Final = 3
"""Parties on one means of payment that are more than a household."""
_FEWEST: Final = {"payment": 2, "cohort": 3, "template": 3}
_COHORT_DAYS: Final = 3
_TWICE: Final = 2


@final
@dataclass(frozen=True)
class Group:
    """``trials`` and ``hits`` (256ths) by family."""

    kind: Kind
    key: int
    members: tuple[str, ...]
    trials: tuple[int, ...]
    hits: tuple[int, ...]

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.key:016x}"


@final
@dataclass(frozen=True)
class Groups:
    """All groups that are worth a test, as columns. ``kinds`` are places in KINDS; the members of group i
    are ``rows[starts[i] : ends[i]]`` of the accounts. (families, groups): ``trials`` and ``hits``."""

    accounts: Accounts
    kinds: Numbers
    keys: Hashes
    rows: Numbers
    starts: Numbers
    ends: Numbers
    trials: Numbers
    hits: Numbers

    def __len__(self) -> int:
        return len(self.kinds)

    def rows_of(self, i: int) -> Numbers:
        """The rows of a group's members."""
        return self.rows[self.starts[i] : self.ends[i]]

    def at(self, i: int) -> Group:
        """One of them."""
        return Group(
            KINDS[int(self.kinds[i])],
            int(self.keys[i]),
            tuple(self.accounts.names[row] for row in self.rows_of(i).tolist()),
            tuple(self.trials[:, i].tolist()),
            tuple(self.hits[:, i].tolist()),
        )

    def carries(self, i: int, families: Sequence[int]) -> Flags:
        """(members): whether each shows itself what the ``families`` show of the group. A group's guilt is
        not enough: strangers who signed up the same day, or tried a text once, are in it too."""
        table, kind = self.accounts.table[self.rows_of(i)], KINDS[int(self.kinds[i])]
        if kind == "payment":
            return np.full(len(table), bool(families))
        own = np.zeros(len(table), dtype=np.bool_)
        if ELICITATION in families:
            own |= table["eliciting_requests"] > 0
        if REPLAY in families:
            own |= table["foreign_requests"] > 0
        if PAYMENT in families:
            own |= np.isin(table["payment"], _shared_cards(table))
        return own if kind == "cohort" else own & (table["template_windows"] >= _TWICE)


def _shared_cards(table: Table) -> Hashes:
    """The means of payment that SHARED of the parties use."""
    _, first = np.unique(table["party"], return_index=True)
    cards, users = np.unique(table["payment"][first], return_counts=True)
    shared: Hashes = cards[(users >= SHARED) & (cards != 0)]
    return shared


def groups(memory: Memory) -> Groups:
    """All groups that are worth a test, by kind and key."""
    table = memory.accounts.table
    parts = [_of_kind(table, kind, *_keys(table, kind)) for kind in KINDS]
    sizes = np.concatenate([part.sizes for part in parts])
    ends = np.cumsum(sizes)
    kinds = np.repeat(np.arange(len(KINDS)), [len(part.sizes) for part in parts])
    return Groups(
        memory.accounts,
        kinds.astype(np.int64),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.rows for part in parts]),
        ends - sizes,
        ends,
        np.concatenate([part.trials for part in parts], axis=1),
        np.concatenate([part.hits for part in parts], axis=1),
    )


@final
@dataclass(frozen=True)
class _Part:
    """The groups of one kind, as in ``Groups``."""

    keys: Hashes
    rows: Numbers
    sizes: Numbers
    trials: Numbers
    hits: Numbers


def _keys(table: Table, kind: Kind) -> tuple[Hashes, Numbers]:
    """What accounts have in common, and whose it is."""
    if kind == "payment":
        rows = np.flatnonzero(table["payment"])
        return table["payment"][rows], rows
    if kind == "cohort":
        rows = np.flatnonzero((table["client"] != 0) & (table["created"] != 0))
        days = (table["created"][rows] // _COHORT_DAYS).astype(np.uint64)
        return table["client"][rows] ^ days * np.uint64(0x9E3779B97F4A7C15), rows
    led = table["leaders"]["piece"]
    rows, place = np.nonzero((led != 0) & ~table["registered"][:, None])
    return led[rows, place], rows


def _of_kind(table: Table, kind: Kind, keys: Hashes, rows: Numbers) -> _Part:
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    starts, sizes = runs(keys)
    parties = _parties(table, rows, sizes)
    tested = parties.count >= _FEWEST[kind]
    rows = rows[np.repeat(tested, sizes)]
    trials, hits = _counted(table[rows], sizes[tested], kind)
    # One card's group is found by what it is tested for: it counts from the second party on, and the party
    # that has not come yet counts as a miss.
    trials[PAYMENT] = parties.paying[tested]
    hits[PAYMENT] = (parties.paying - parties.cards)[tested] * WHOLE
    return _Part(keys[starts][tested], rows, sizes[tested], trials, hits)


@final
@dataclass(frozen=True)
class _Parties:
    """Of each group: how many parties, how many of them pay, with how many means of payment."""

    count: Numbers
    paying: Numbers
    cards: Numbers


def _parties(table: Table, rows: Numbers, sizes: Numbers) -> _Parties:
    """A party pays as the first of its accounts in the group does."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    party, payment = table["party"][rows], table["payment"][rows]
    order = np.lexsort((rows, party, group))
    group, party, payment = group[order], party[order], payment[order]
    first = _fresh(group, party)
    group, payment = group[first], payment[first]
    count = np.bincount(group, minlength=len(sizes))
    group, payment = group[payment != 0], payment[payment != 0]
    paying = np.bincount(group, minlength=len(sizes))
    order = np.lexsort((payment, group))
    different = _fresh(group[order], payment[order])
    cards = np.bincount(group[order][different], minlength=len(sizes))
    return _Parties(count, paying, cards)


def _fresh(group: Numbers, value: Hashes) -> Flags:
    """Whether (group, value), in order, is another than the one before."""
    again = (group[1:] == group[:-1]) & (value[1:] == value[:-1])
    return np.append(True, ~again) if len(group) else np.zeros(0, dtype=np.bool_)


def _counted(table: Table, sizes: Numbers, kind: Kind) -> tuple[Numbers, Numbers]:
    """(families, groups): trials and hits of the members together."""
    trials = np.zeros((len(FAMILIES), len(sizes)), dtype=np.int64)
    hits = np.zeros_like(trials)
    if not len(sizes):
        return trials, hits
    starts = np.cumsum(sizes) - sizes
    at, half = ("in_template", "_in_template") if kind == "template" else ("windows", "")
    for family, name in ((ELICITATION, "elicited"), (REPLAY, "replayed")):
        trials[family] = np.add.reduceat(table[at].astype(np.int64), starts)
        hits[family] = np.add.reduceat(table[name + half].astype(np.int64), starts)
    unregistered = ~table["registered"]
    trials[TEMPLATE] = np.add.reduceat(table["odd"] * unregistered.astype(np.int64), starts)
    hits[TEMPLATE] = np.add.reduceat(table["template_odd"] * unregistered.astype(np.int64), starts)
    return trials, hits
