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
from inbond.guard.share import Finding, Sighted

TOLD: Final = TIERS[2]
"""The tier from which a cluster is told of."""
_CONFIDENCE: Final = {2: 70, 3: 85}
_MOST_PIECES: Final = 64


@final
@dataclass(frozen=True)
class Match:
    """A sighting of another provider beside a cluster of one's own. ``likeness`` is the part of the cluster's
    template that was told, 0..1. It changes no tier."""

    cluster: str
    tier: int
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
        }


def findings(judgement: Judgement, memory: Memory) -> list[Finding]:
    """The clusters at tier 2 or more that have a template, as they are told to others."""
    return [
        Finding(
            cluster.id,
            _time(min(memory.accounts[name].first for name in cluster.members)),
            _time(max(memory.accounts[name].last for name in cluster.members)),
            len(cluster.members),
            sum(memory.accounts[name].requests for name in cluster.members),
            _families(cluster),
            _CONFIDENCE[cluster.tier],
            pieces,
        )
        for cluster in judgement.clusters
        if cluster.tier >= TOLD and cluster.members and (pieces := pieces_of(cluster, memory))
    ]


def matches(told: Sequence[Sighted], judgement: Judgement, memory: Memory, key: bytes) -> list[Match]:
    """Every cluster past tier 0 beside every sighting that shares some of its template, the likest first."""
    found = []
    for cluster in judgement.clusters:
        pieces = pieces_of(cluster, memory)
        likenesses = ((sighted, sighted.likeness(pieces, key)) for sighted in told)
        found += [
            Match(cluster.id, cluster.tier, each, likeness) for each, likeness in likenesses if likeness
        ]
    alike = (match for match in found if match.likeness > 0)
    return sorted(alike, key=lambda match: (-match.likeness, match.cluster, match.sighted.provider))


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


def _families(cluster: Cluster) -> tuple[str, ...]:
    """The kinds of evidence that were seen."""
    return tuple(reason.rule for reason in cluster.verdict.reasons if reason.detail.get("seen"))


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
