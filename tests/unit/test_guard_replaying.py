"""A verdict's JSON is enough to compute its tier and its digest again."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.guard.detect.judge import Judgement, judge
from inbond.guard.detect.replaying import recomputed
from tests.unit.guard_traffic import ordinary, relay, ring
from tests.unit.test_guard_detect import folded, read


def again(verdict: Any) -> tuple[int, str]:
    """As whoever holds nothing but the ledger would do it."""
    return recomputed(json.loads(json.dumps(verdict.to_json())))


def check(judgement: Judgement) -> set[int]:
    for name, each in judgement.accounts.items():
        assert again(each.verdict) == (each.tier, each.verdict.facts), name
    for cluster in judgement.clusters:
        assert again(cluster.verdict) == (cluster.tier, cluster.verdict.facts), cluster.id
    return set(judgement.accounts.tiers.values())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.floats(0.05, 1.0))
def test_every_tier_and_digest_follows_from_the_verdict_alone(seed: int, purity: float) -> None:
    rng = random.Random(seed)
    rows = [*ordinary(rng, 8, 8), *ring(rng, 12, 20, purity=purity, cards=3), *relay(rng, 12, purity=purity)]
    check(judge(folded(read(rows))))


def over_days() -> Judgement:
    rng = random.Random(14)
    rows = [*ordinary(rng, 10, days=3), *ring(rng, 15, 60, purity=0.5, days=3, cards=3)]
    for each in rows:
        if each.get("illicit") and each["tenant"] in ("ring1", "ring2", "ring3"):
            each["sealed"] = "foreign"
    return judge(folded(read(rows)))


def test_of_all_tiers() -> None:
    assert check(over_days()) >= {0, 3}


def test_who_changes_a_number_changes_the_digest_and_maybe_the_tier() -> None:
    verdict = next(each.verdict for each in over_days().accounts.values() if each.tier == 3).to_json()
    tier, facts = recomputed(verdict)
    assert tier == 3
    changed = json.loads(json.dumps(verdict))
    changed["reasons"][0]["sums"] = []
    changed["reasons"][1]["sums"] = []
    lower, other = recomputed(changed)
    assert lower < 3
    assert other != facts
    for name in ("outcome", "reasons"):
        with pytest.raises(KeyError):
            recomputed({key: value for key, value in verdict.items() if key != name})
    changed["reasons"][0]["sums"] = [1]
    with pytest.raises(ValueError, match="a verdict of another version"):
        recomputed(changed)
