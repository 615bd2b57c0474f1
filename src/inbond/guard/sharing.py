"""Which clusters are told to others, and which of one's own a sighting of others resembles. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, final

import numpy as np

from inbond.guard.actions import TIERS
from inbond.guard.detect import templates
from inbond.guard.detect.judge import Cluster, Judgement
from inbond.guard.detect.memory import Memory
from inbond.guard.sighted import Sighted
from inbond.guard.stix import Finding, SharedKey, tokens

TOLD: Final = TIERS[2]
"""The tier from which a cluster is told of."""
_CONFIDENCE: Final = 70
"""Of 100, for any: the scale of STIX's "high" begins there (STIX 2.1, appendix A). Nothing measures more."""
_FEWEST: Final = 3
"""Accounts of which one says that they are a campaign."""
_MOST_PIECES: Final = 64
_MOST_NAMED: Final = 100


@final
@dataclass(frozen=True)
class Match:
    """A sighting of another provider beside a cluster of one's own, whose ``accounts`` are those that carry
    its tier. ``likeness`` is the part of the cluster's template that was told, 0..1. It changes no tier."""

    cluster: str
    tier: int
    accounts: tuple[str, ...]
    sighted: Sighted
    likeness: float

    def to_json(self) -> dict[str, Any]:
        """What the ledger and --json are told."""
        return {
            "cluster": self.cluster,
            "tier": self.tier,
            "provider": self.sighted.provider,
            "campaign": self.sighted.campaign,
            "confidence": self.sighted.confidence,
            "valid_until": self.sighted.valid_until.isoformat(),
            "tlp": self.sighted.tlp,
            "likeness": round(self.likeness, 3),
            "accounts": list(self.accounts[:_MOST_NAMED]),
            "more_accounts": max(0, len(self.accounts) - _MOST_NAMED),
        }


def findings(judgement: Judgement, memory: Memory) -> list[Finding]:
    """The clusters at tier 2 or more that have a template, as they are told to others: of those of one kind
    whose template has the same name the first, which is the largest."""
    found: dict[tuple[str, int], Finding] = {}
    for each in _findings(judgement, memory):
        found.setdefault((each.kind, each.pieces[0]), each)
    return list(found.values())


def _findings(judgement: Judgement, memory: Memory) -> list[Finding]:
    return [
        Finding(
            cluster.id,
            cluster.kind,
            _time(min(memory.accounts[name].first for name in cluster.members)),
            _time(max(memory.accounts[name].last for name in cluster.members)),
            len(cluster.members),
            sum(memory.accounts[name].requests for name in cluster.members),
            cluster.families,
            _CONFIDENCE,
            pieces,
        )
        for cluster in judgement.clusters
        if cluster.tier >= TOLD and len(cluster.members) >= _FEWEST and (pieces := pieces_of(cluster, memory))
    ]


def matches(told: Sequence[Sighted], judgement: Judgement, memory: Memory, key: SharedKey) -> list[Match]:
    """Every cluster past tier 0 beside every sighting that resembles it, the likest first."""
    found = []
    for cluster in judgement.clusters:
        mine = tokens(pieces_of(cluster, memory), key)
        found += [
            Match(cluster.id, cluster.tier, cluster.members, each, likeness)
            for each in told
            if (likeness := each.likeness(mine)) > 0
        ]
    return sorted(found, key=lambda match: (-match.likeness, match.cluster, match.sighted.provider))


def pieces_of(cluster: Cluster, memory: Memory) -> tuple[int, ...]:
    """The hot pieces that most of the parties sent which sent any: what the members' texts have in common."""
    parties = np.unique(np.array([memory.accounts[name].party for name in cluster.members], dtype=np.uint64))
    hot = templates.hot(memory.pairs).keys
    pairs = memory.pairs[np.isin(memory.pairs["key"], hot) & np.isin(memory.pairs["party"], parties)]
    keys, counts = np.unique(pairs["key"], return_counts=True)
    if not len(keys):
        return ()
    common = keys[2 * counts >= counts.max()]
    ranked = sorted(common.tolist(), key=lambda piece: piece & 0xFFFFFFFF)
    return tuple(ranked[:_MOST_PIECES])


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
