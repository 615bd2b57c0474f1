"""Verdicts out of memory. Pure: the same memory gives the same tiers and the same words, to the bit.

Tier 1, watched: some bound is broken. Tier 2, restricted: two bounds are broken, one of a means (only
``template`` is none). Tier 3, suspension proposed: that by two families of means for a day; a person signs it
or not. Each is a selection by e-BH at a stated false discovery rate, anew at every look and from today's
e-values: a tier goes when its evidence does. Tiers are found in columns; words for those who are asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

import numpy as np

from inbond.guard.detect import capital, words
from inbond.guard.detect.capital import ACCOUNT, DAY_S
from inbond.guard.detect.clusters import KINDS, Flags, Groups, Hashes, Kind, groups
from inbond.guard.detect.e_values import NOTHING, Numbers, one_family, selected, two_families, two_means
from inbond.guard.detect.families import FAMILIES, PAYMENT
from inbond.guard.detect.memory import Memory
from inbond.guard.detect.replaying import (
    FDR,
    RATE,
    Look,
    Looks,
    Own,
    Shown,
    Sums,
    lent,
    needed,
    reached,
    showing,
)
from inbond.types import Verdict

NONE: Final = 0
WATCHED: Final = 1
RESTRICTED: Final = 2
SUSPENSION: Final = 3
__all__ = ["FDR", "Cluster", "Judged", "Judgement", "Weighed", "clusters", "judge", "tiers", "weighed"]


@final
@dataclass(frozen=True)
class Judged:
    """An account's tier, why, and the window since when it stands at 2 or more (0: it does not)."""

    tier: int
    verdict: Verdict
    since: int


@final
@dataclass(frozen=True)
class Cluster:
    """A group that is past tier 0. ``members`` are those who carry its tier by what they show themselves, and
    ``families`` the rules of that; ``size`` is how many it has in all."""

    id: str
    kind: Kind
    tier: int
    size: int
    members: tuple[str, ...]
    families: tuple[str, ...]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "id": self.id, "kind": self.kind, "tier": self.tier, "size": self.size,
            "members": list(self.members), "families": list(self.families), "verdict": self.verdict.to_json(),
        }  # fmt: skip


@final
@dataclass(frozen=True)
class Tested:
    """Of all accounts, or all groups. (families, things): the ``logs`` of their e-values; ``looks`` says how
    tiers 1 and 2 were found; ``tiers`` is what each thing reaches by itself, ``means`` whether it reaches
    tier 2 by families of means alone."""

    logs: Numbers
    looks: Looks
    tiers: Numbers
    means: Flags


@final
@dataclass(frozen=True)
class Weighed:
    """Who stands where, without words. ``tiers`` of the accounts are by themselves or with their groups;
    ``by_means``: whether two families of means lead to tier 2; ``raises``: (row, group, tier lent, by means),
    in order of rows, the strongest group first."""

    memory: Memory
    own: Tested
    tiers: Numbers
    by_means: Flags
    groups: Groups
    tested: Tested
    raises: Numbers

    def shown(self, i: int) -> Shown:
        """A group and its evidence."""
        tested = self.tested
        sums = [self._sums(self.groups.numbers(family)[i : i + 1]) for family in range(len(FAMILIES))]
        return Shown(
            self.groups.at(i), tuple(sums), tuple(tested.logs[:, i].tolist()), self._hitting(i), tested.looks,
            int(tested.tiers[i]), bool(tested.means[i]),
        )  # fmt: skip

    def _hitting(self, i: int) -> tuple[int, ...]:
        """By family: how many members of a group ever hit, which opens a row."""
        rows = self.groups.rows_of(i)
        of, kept = self.memory.accounts.table["id"][rows], self.memory.capital
        found = [capital.places(kept, capital.ids(of, ACCOUNT, at))[1] for at in range(len(FAMILIES))]
        found[PAYMENT] = self.groups.sharing[rows]
        return tuple(int(each.sum()) for each in found)

    def families(self, i: int, rows: list[int]) -> tuple[str, ...]:
        """What the accounts of some rows show themselves of the evidence of a group that they are in."""
        shows = showing(self.own.logs[:, rows], self.groups.sharing[rows]).any(axis=1)
        bar = needed(int(self.tested.tiers[i]), self.tested.looks)
        seen = (self.tested.logs[:, i] >= bar) & shows
        return tuple(each.rule for each, is_seen in zip(FAMILIES, seen.tolist(), strict=True) if is_seen)

    def own_of(self, row: int) -> Own:
        """An account's own evidence."""
        of = self.memory.accounts.table["id"][row : row + 1]
        sums = [self._sums(capital.ids(of, ACCOUNT, family)) for family in range(len(FAMILIES))]
        shares = bool(self.groups.sharing[row])
        return Own(tuple(sums), tuple(self.own.logs[:, row].tolist()), self.own.looks, shares)

    def _sums(self, of: Hashes) -> Sums:
        kept = self.memory.capital
        at, known = capital.places(kept, of)
        if not known[0]:
            return Sums()
        trials, hits = (each.reshape(-1).tolist() for each in capital.counted(kept, of))
        sums = kept[at[0]]["sums"][:, :, capital.OLDER].reshape(-1).tolist()
        return Sums(tuple(zip(trials, hits, strict=True)), tuple(sums))


@final
@dataclass(frozen=True, eq=False)
class Verdicts(Mapping[str, Judged]):
    """Every account's tier and verdict; its words are found when it is asked for."""

    weighed: Weighed

    @property
    def tiers(self) -> dict[str, int]:
        """Of every account, without words."""
        return dict(zip(self.weighed.memory.accounts.names, self.weighed.tiers.tolist(), strict=True))

    @cached_property
    def _shown(self) -> dict[int, Shown]:
        return {}

    def _group(self, i: int) -> Shown:
        if i not in self._shown:
            self._shown[i] = self.weighed.shown(i)
        return self._shown[i]

    def __getitem__(self, name: str) -> Judged:
        found, accounts = self.weighed, self.weighed.memory.accounts
        row = accounts.row(name)
        start, end = np.searchsorted(found.raises[:, 0], (row, row + 1)).tolist()
        by = [self._group(i) for i in found.raises[start:end, 1][: words.MOST_GROUPS].tolist()]
        tier, account = int(found.tiers[row]), accounts[name]
        return Judged(
            tier,
            words.of_account(found.memory.window, name, account, tier, found.own_of(row), by),
            account.since,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.weighed.memory.accounts)

    def __len__(self) -> int:
        return len(self.weighed.memory.accounts)


@final
@dataclass(frozen=True)
class Judgement:
    """All verdicts as of a window."""

    window: int
    accounts: Verdicts
    clusters: tuple[Cluster, ...]


def tiers(memory: Memory) -> dict[str, int]:
    """Every account's tier, without words."""
    return dict(zip(memory.accounts.names, weighed(memory).tiers.tolist(), strict=True))


def judge(memory: Memory) -> Judgement:
    """Every account's tier and verdict, and the groups with theirs."""
    found = weighed(memory)
    return Judgement(memory.window, Verdicts(found), _clusters(found))


def clusters(memory: Memory) -> tuple[Cluster, ...]:
    """The groups alone, as in ``judge``."""
    return _clusters(weighed(memory))


def weighed(memory: Memory) -> Weighed:
    """Who stands where, without words."""
    table = memory.accounts.table
    own = selection(_own(memory), len(table))
    found = groups(memory)
    tested = selection(found.logs(memory.capital), len(KINDS) * len(table))
    tiers, by_means, raises = _with_groups(own, found, tested)
    began = table["means_since"].astype(np.int64)
    tiers[by_means & (began > 0) & (memory.window - began >= DAY_S)] = SUSPENSION
    return Weighed(memory, own, tiers, by_means, found, tested, raises)


def _own(memory: Memory) -> Numbers:
    """(families, accounts). Means of payment are shared by groups, and no account's by itself."""
    of, kept = memory.accounts.table["id"], memory.capital
    each = [capital.log_e(kept, capital.ids(of, ACCOUNT, family)) for family in range(len(FAMILIES))]
    each[PAYMENT] = np.full(len(of), NOTHING, dtype=np.int64)
    return np.stack(each)


def selection(logs: Numbers, things: int) -> Tested:
    """(families, things shown): what each reaches by itself among ``things``, each tier by its own e-BH."""
    one, two, means = (
        Look(things, selected(values, things, RATE)[1])
        for values in (one_family(logs), two_families(logs), two_means(logs))
    )
    looks = (one, two, means)
    return Tested(logs, looks, *reached(logs, looks))


def _with_groups(own: Tested, found: Groups, tested: Tested) -> tuple[Numbers, Flags, Numbers]:
    """Every account's tier with what its groups lend it, whether by means, and which groups do."""
    tiers, by_means = own.tiers.copy(), own.means.copy()
    raises = [np.zeros((0, 4), dtype=np.int64)]
    for i in np.flatnonzero(tested.tiers > NONE).tolist():
        rows = found.rows_of(i)
        given, means = lent(tested.logs[:, i], own.logs[:, rows], found.sharing[rows], tested.looks)
        tiers[rows] = np.maximum(tiers[rows], given)
        by_means[rows] |= means
        some = given > NONE
        raises.append(np.stack([rows, np.full(len(rows), i), given, means], axis=1)[some])
    every = np.concatenate(raises)
    order = np.lexsort((every[:, 1], -every[:, 3], -every[:, 2], every[:, 0]))
    return tiers, by_means, every[order]


def _clusters(weighed: Weighed) -> tuple[Cluster, ...]:
    """Groups past tier 0, the largest first; those whose members stand in another of no lower tier already
    are left out."""
    found, tested = weighed.groups, weighed.tested
    raised = np.flatnonzero(tested.tiers > NONE).tolist()
    ranked = sorted(raised, key=lambda i: (-tested.tiers[i], found.starts[i] - found.ends[i], i))
    told = np.zeros((len(KINDS), len(weighed.memory.accounts)), dtype=np.bool_)
    by_group = weighed.raises[np.lexsort((weighed.raises[:, 0], weighed.raises[:, 1]))]
    clusters = []
    for i in ranked:
        rows, covered = found.rows_of(i), told[found.kinds[i]]
        if int(covered[rows].sum()) * 10 >= len(rows) * 9:
            continue
        covered[rows] = True
        shown = weighed.shown(i)
        start, end = np.searchsorted(by_group[:, 1], (i, i + 1)).tolist()
        carrying = by_group[start:end][by_group[start:end, 2] >= shown.tier, 0].tolist()
        clusters.append(
            Cluster(
                shown.group.id,
                shown.group.kind,
                shown.tier,
                len(rows),
                tuple(weighed.memory.accounts.names[row] for row in carrying),
                weighed.families(i, carrying),
                words.of_group(weighed.memory.window, shown),
            )
        )
    return tuple(clusters)
