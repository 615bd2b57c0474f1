"""Verdicts out of memory. Pure: the same memory gives the same tiers and the same words, to the bit.

Tier 1, watched: some family of evidence shows something. Tier 2, restricted: two families do, one of them a
means (only ``template`` is none). Tier 3, suspension proposed: that for a day, by a group or by replay; a
person signs it or not. Each is a selection by e-BH at a stated false discovery rate, anew at every look and
from today's e-values: a tier goes when its evidence does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect import words
from inbond.guard.detect.clusters import Group, groups
from inbond.guard.detect.evidence import Numbers, log_e, one_family, selected, threshold, two_families
from inbond.guard.detect.families import FAMILIES, REPLAY, TEMPLATE
from inbond.guard.detect.memory import DAY_S, Account, Memory
from inbond.types import Verdict

NONE: Final = 0
WATCHED: Final = 1
RESTRICTED: Final = 2
SUSPENSION: Final = 3
FDR: Final = Decimal("0.01")
"""Half of it for accounts by themselves, half for groups; at each tier."""
_RATE: Final = FDR / 2
_KINDS: Final = 3


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
    kind: str
    tier: int
    size: int
    members: tuple[str, ...]
    verdict: Verdict


@final
@dataclass(frozen=True)
class Judgement:
    """All verdicts as of a window."""

    window: int
    accounts: Mapping[str, Judged]
    clusters: tuple[Cluster, ...]


@final
@dataclass(frozen=True)
class _Standing:
    """``logs`` (families, accounts or groups); ``tiers`` by themselves; ``final`` with their groups';
    ``by`` the groups that raise an account."""

    names: tuple[str, ...]
    logs: Numbers
    bars: tuple[int, int]
    final: dict[str, int]
    groups: list[Group]
    group_logs: Numbers
    group_tiers: list[int]
    group_bars: tuple[int, int]
    by: dict[str, list[int]]


def tiers(memory: Memory) -> dict[str, int]:
    """Every account's tier, without words."""
    return _stand(memory).final


def judge(memory: Memory) -> Judgement:
    """Every account's tier and verdict, and the groups with theirs."""
    standing = _stand(memory)
    accounts = {}
    for at, name in enumerate(standing.names):
        account = memory.accounts[name]
        tier = standing.final[name]
        by = [
            words.OfGroup(
                standing.groups[i],
                standing.group_logs[:, i].tolist(),
                standing.group_bars,
                standing.group_tiers[i],
            )
            for i in standing.by.get(name, [])
        ]
        own = standing.logs[:, at].tolist()
        accounts[name] = Judged(
            tier, words.of_account(memory.window, name, account, tier, own, standing.bars, by), account.since
        )
    return Judgement(memory.window, accounts, _clusters(memory, standing))


def clusters(memory: Memory) -> tuple[Cluster, ...]:
    """The groups alone, as in ``judge``: without the words of every account."""
    return _clusters(memory, _stand(memory))


def _stand(memory: Memory) -> _Standing:
    names = tuple(sorted(memory.accounts))
    logs = _logs([_trials(memory.accounts[name]) for name in names])
    own, bars = _tiers(logs, len(names))
    found = groups(memory)
    group_logs = _logs([(group.trials, group.hits) for group in found])
    group_tiers, group_bars = _tiers(group_logs, _KINDS * len(names))
    final = dict(zip(names, own, strict=True))
    by: dict[str, list[int]] = {}
    for i, group in enumerate(found):
        if group_tiers[i] == NONE:
            continue
        telling = _telling(group_logs[:, i], group_bars)
        for name in group.members:
            tier = _raised(group, group_tiers[i], memory.accounts[name], telling)
            if tier > NONE:
                final[name] = max(final[name], tier)
                by.setdefault(name, []).append(i)
    strong = {name for name, at in by.items() if any(group_tiers[i] >= RESTRICTED for i in at)}
    replays = logs[REPLAY] >= threshold(len(names), _RATE, 1)
    for at, name in enumerate(names):
        if final[name] >= RESTRICTED and _lasting(memory, name) and (name in strong or replays[at]):
            final[name] = SUSPENSION
    return _Standing(names, logs, bars, final, found, group_logs, group_tiers, group_bars, by)


def _raised(group: Group, tier: int, account: Account, telling: list[int]) -> int:
    """What a group's tier is to one of its members: all of it where the member shows the means itself, a
    watch where it only sent the template, nothing where it did neither."""
    if telling and group.carries(account, telling):
        return tier
    return WATCHED if account.template_windows and not account.registered else NONE


def _lasting(memory: Memory, name: str) -> bool:
    since = memory.accounts[name].since
    return since > 0 and memory.window - since >= DAY_S


_Counts = tuple[tuple[int, int, int, int], tuple[int, int, int, int]]


def _trials(account: Account) -> _Counts:
    """A registered customer said what it does: its templates are not judged."""
    template = (0, 0) if account.registered else (account.odd, account.template_odd)
    return (
        (account.windows, account.windows, 0, template[0]),
        (account.elicited, account.replayed, 0, template[1]),
    )


def _logs(counts: list[_Counts]) -> Numbers:
    """(families, things)."""
    table = np.array(counts, dtype=np.int64).reshape(len(counts), 2, len(FAMILIES))
    each = [log_e(family, table[:, 0, family], table[:, 1, family]) for family in range(len(FAMILIES))]
    return np.stack(each)


def _tiers(logs: Numbers, things: int) -> tuple[list[int], tuple[int, int]]:
    """Each thing's tier by itself, and the thresholds of the two."""
    watched, first = selected(one_family(logs), things, _RATE)
    restricted, second = selected(two_families(logs), things, _RATE)
    found: npt.NDArray[np.int64] = np.where(restricted, RESTRICTED, np.where(watched, WATCHED, NONE))
    return found.tolist(), (first, second)


def _telling(logs: Numbers, bars: tuple[int, int]) -> list[int]:
    """The families of means that show something of a group."""
    return [family for family in range(len(FAMILIES)) if family != TEMPLATE and logs[family] >= min(bars)]


def _clusters(memory: Memory, standing: _Standing) -> tuple[Cluster, ...]:
    """Groups past tier 0, the largest first; those whose members stand in another of no lower tier already
    are left out."""
    ranked = sorted(
        (i for i, tier in enumerate(standing.group_tiers) if tier > NONE),
        key=lambda i: (-standing.group_tiers[i], -len(standing.groups[i].members), standing.groups[i].id),
    )
    told: dict[str, set[str]] = {}
    found = []
    for i in ranked:
        group, tier = standing.groups[i], standing.group_tiers[i]
        covered = told.setdefault(group.kind, set())
        if len(covered.intersection(group.members)) * 10 >= len(group.members) * 9:
            continue
        covered.update(group.members)
        telling = _telling(standing.group_logs[:, i], standing.group_bars)
        members = tuple(
            name for name in group.members if telling and group.carries(memory.accounts[name], telling)
        )
        shown = words.OfGroup(group, standing.group_logs[:, i].tolist(), standing.group_bars, tier)
        verdict = words.of_group(memory.window, shown)
        found.append(Cluster(group.id, group.kind, tier, len(group.members), members, verdict))
    return tuple(found)
