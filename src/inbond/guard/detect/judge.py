"""Verdicts out of memory. Pure: the same memory gives the same tiers and the same words, to the bit.

Tier 1, watched: some family of evidence shows something. Tier 2, restricted: two families do, one of them a
means (only ``template`` is none). Tier 3, suspension proposed: that for a day, by a group or by replay; a
person signs it or not. Each is a selection by e-BH at a stated false discovery rate, anew at every look and
from today's e-values: a tier goes when its evidence does. Tiers are found in columns; words for those who
are asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, final

import numpy as np

from inbond.guard.detect import words
from inbond.guard.detect.clusters import KINDS, Groups, Kind, groups
from inbond.guard.detect.evidence import Numbers, log_e, one_family, selected, threshold, two_families
from inbond.guard.detect.families import ELICITATION, FAMILIES, REPLAY, SYNCHRONY, TEMPLATE
from inbond.guard.detect.memory import DAY_S, Memory, Table
from inbond.types import Verdict

NONE: Final = 0
WATCHED: Final = 1
RESTRICTED: Final = 2
SUSPENSION: Final = 3
FDR: Final = Decimal("0.01")
"""Half of it for accounts by themselves, half for groups; at each tier."""
_RATE: Final = FDR / 2


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
    """A group that is past tier 0. ``members`` are those who carry its tier by what they show themselves;
    ``size`` is how many it has in all."""

    id: str
    kind: Kind
    tier: int
    size: int
    members: tuple[str, ...]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "id": self.id, "kind": self.kind, "tier": self.tier, "size": self.size,
            "members": list(self.members), "verdict": self.verdict.to_json(),
        }  # fmt: skip


@final
@dataclass(frozen=True)
class _Tested:
    """(families, things): ``trials``, ``hits`` and the ``logs`` of their e-values; ``bars`` are the
    thresholds of tiers 1 and 2, ``tiers`` what each thing reaches by itself."""

    trials: Numbers
    hits: Numbers
    logs: Numbers
    bars: tuple[int, int]
    tiers: Numbers

    def telling(self, i: int) -> list[int]:
        """The families of means that show something of a thing."""
        logs, bar = self.logs[:, i].tolist(), min(self.bars)
        return [family for family in range(len(FAMILIES)) if family != TEMPLATE and logs[family] >= bar]


@final
@dataclass(frozen=True)
class Standing:
    """Who stands where, without words. ``tiers`` of the accounts are by themselves or with their groups;
    (row, group), in order, ``raises``: which groups raise which account."""

    memory: Memory
    own: _Tested
    tiers: Numbers
    groups: Groups
    tested: _Tested
    raises: Numbers

    def shown(self, i: int) -> words.Shown:
        """A group and its evidence."""
        group, tested = self.groups.at(i), self.tested
        return words.Shown(group, tested.logs[:, i].tolist(), tested.bars, int(tested.tiers[i]))


@final
@dataclass(frozen=True, eq=False)
class Verdicts(Mapping[str, Judged]):
    """Every account's tier and verdict; its words are found when it is asked for."""

    standing: Standing

    @property
    def tiers(self) -> dict[str, int]:
        """Of every account, without words."""
        return dict(zip(self.standing.memory.accounts.names, self.standing.tiers.tolist(), strict=True))

    @cached_property
    def _shown(self) -> dict[int, words.Shown]:
        return {}

    def _group(self, i: int) -> words.Shown:
        if i not in self._shown:
            self._shown[i] = self.standing.shown(i)
        return self._shown[i]

    def __getitem__(self, name: str) -> Judged:
        found, memory = self.standing, self.standing.memory
        row, account = memory.accounts.row(name), memory.accounts[name]
        start, end = np.searchsorted(found.raises[:, 0], (row, row + 1)).tolist()
        by = [self._group(i) for i in found.raises[start:end, 1].tolist()]
        each = found.own
        own = words.Own(
            each.trials[:, row].tolist(), each.hits[:, row].tolist(), each.logs[:, row].tolist(), each.bars
        )
        tier = int(found.tiers[row])
        return Judged(tier, words.of_account(memory.window, name, account, tier, own, by), account.since)

    def __iter__(self) -> Iterator[str]:
        return iter(self.standing.memory.accounts)

    def __len__(self) -> int:
        return len(self.standing.memory.accounts)


@final
@dataclass(frozen=True)
class Judgement:
    """All verdicts as of a window."""

    window: int
    accounts: Verdicts
    clusters: tuple[Cluster, ...]


def tiers(memory: Memory) -> dict[str, int]:
    """Every account's tier, without words."""
    return dict(zip(memory.accounts.names, standing(memory).tiers.tolist(), strict=True))


def judge(memory: Memory) -> Judgement:
    """Every account's tier and verdict, and the groups with theirs."""
    found = standing(memory)
    return Judgement(memory.window, Verdicts(found), _clusters(found))


def clusters(memory: Memory) -> tuple[Cluster, ...]:
    """The groups alone, as in ``judge``."""
    return _clusters(standing(memory))


def standing(memory: Memory) -> Standing:
    """Who stands where, without words."""
    table = memory.accounts.table
    own = _tested(*_counts(table), len(table))
    found = groups(memory)
    tested = _tested(found.trials, found.hits, len(KINDS) * len(table))
    tiers, raises = _with_groups(own.tiers, found, tested)
    in_strong = np.zeros(len(table), dtype=np.bool_)
    in_strong[raises[tested.tiers[raises[:, 1]] >= RESTRICTED, 0]] = True
    replays = own.logs[REPLAY] >= threshold(len(table), _RATE, 1)
    lasting = (table["since"] > 0) & (memory.window - table["since"].astype(np.int64) >= DAY_S)
    tiers[(tiers >= RESTRICTED) & lasting & (in_strong | replays)] = SUSPENSION
    return Standing(memory, own, tiers, found, tested, raises)


def _counts(table: Table) -> tuple[Numbers, Numbers]:
    """(families, accounts): trials and hits. A registered customer said what it does: its templates are not
    judged, and its texts are in step with nobody's."""
    trials = np.zeros((len(FAMILIES), len(table)), dtype=np.int64)
    hits = np.zeros_like(trials)
    trials[ELICITATION] = trials[REPLAY] = table["windows"]
    hits[ELICITATION], hits[REPLAY] = table["elicited"], table["replayed"]
    judged = ~table["registered"]
    trials[TEMPLATE], hits[TEMPLATE] = table["odd"] * judged, table["template_odd"] * judged
    trials[SYNCHRONY], hits[SYNCHRONY] = table["paired"] * judged, table["in_step"] * judged
    return trials, hits


def _tested(trials: Numbers, hits: Numbers, things: int) -> _Tested:
    logs = np.stack([log_e(family, trials[family], hits[family]) for family in range(len(FAMILIES))])
    watched, first = selected(one_family(logs), things, _RATE)
    restricted, second = selected(two_families(logs), things, _RATE)
    tiers: Numbers = np.where(restricted, RESTRICTED, np.where(watched, WATCHED, NONE)).astype(np.int64)
    return _Tested(trials, hits, logs, (first, second), tiers)


def _with_groups(own: Numbers, found: Groups, tested: _Tested) -> tuple[Numbers, Numbers]:
    """Every account's tier with what its groups lend it, and which groups do. A group's tier is all a
    member's where it shows the means itself, a watch where it only sent the template, nothing where it did
    neither."""
    tiers, raises = own.copy(), [np.zeros((0, 2), dtype=np.int64)]
    for i in np.flatnonzero(tested.tiers > NONE).tolist():
        rows = found.rows_of(i)
        table = found.accounts.table[rows]
        watched = np.where((table["template_windows"] > 0) & ~table["registered"], WATCHED, NONE)
        lent = np.where(found.carries(i, tested.telling(i)), tested.tiers[i], watched)
        tiers[rows] = np.maximum(tiers[rows], lent)
        raised = rows[lent > NONE]
        raises.append(np.stack([raised, np.full(len(raised), i)], axis=1))
    both = np.concatenate(raises)
    return tiers, both[np.lexsort((both[:, 1], both[:, 0]))]


def _clusters(standing: Standing) -> tuple[Cluster, ...]:
    """Groups past tier 0, the largest first; those whose members stand in another of no lower tier already
    are left out."""
    found, tested = standing.groups, standing.tested
    raised = np.flatnonzero(tested.tiers > NONE).tolist()
    ranked = sorted(raised, key=lambda i: (-tested.tiers[i], found.starts[i] - found.ends[i], i))
    told = np.zeros((len(KINDS), len(standing.memory.accounts)), dtype=np.bool_)
    clusters = []
    for i in ranked:
        rows, covered = found.rows_of(i), told[found.kinds[i]]
        if int(covered[rows].sum()) * 10 >= len(rows) * 9:
            continue
        covered[rows] = True
        shown = standing.shown(i)
        carries = found.carries(i, tested.telling(i)).tolist()
        members = tuple(name for name, each in zip(shown.group.members, carries, strict=True) if each)
        verdict = words.of_group(standing.memory.window, shown)
        clusters.append(Cluster(shown.group.id, shown.group.kind, shown.tier, len(rows), members, verdict))
    return tuple(clusters)
