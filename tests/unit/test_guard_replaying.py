"""A verdict's JSON is enough to compute its tier and its digest again."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.guard.detect.families import ELICITATION, FAMILIES, REPLAY, TEMPLATE, logarithm
from inbond.guard.detect.judge import Judgement, judge, selection
from inbond.guard.detect.replaying import CARRIES, Look, lent, recomputed
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


LOOKS = (Look(100, 1), Look(100, 1), Look(100, 1))
MUCH = CARRIES * 10


@pytest.mark.parametrize(
    ("own", "shares", "tier", "by_means"),
    [
        ((), False, 0, False),
        ((), True, 0, False),
        (("elicitation",), False, 1, False),
        (("replay",), False, 1, False),
        (("template",), False, 1, False),
        (("template",), True, 1, False),
        (("elicitation",), True, 2, True),
        (("elicitation", "replay"), False, 2, True),
        (("elicitation", "template"), False, 2, False),
        (("elicitation", "template"), True, 2, True),
    ],
)
def test_a_group_lends_a_member_only_what_it_shows_itself(
    own: tuple[str, ...], shares: bool, tier: int, by_means: bool
) -> None:
    """The group breaks every bound there is, and by far."""
    group = np.full(len(FAMILIES), MUCH, dtype=np.int64)
    logs = np.array([[CARRIES if each.name in own else 0] for each in FAMILIES], dtype=np.int64)
    tiers, means = lent(group, logs, np.array([shares]), LOOKS)
    assert (int(tiers[0]), bool(means[0])) == (tier, by_means)


def test_a_member_shows_at_least_a_hundred_to_one() -> None:
    logs = np.full((len(FAMILIES), 1), CARRIES - 1, dtype=np.int64)
    group = np.full(len(FAMILIES), MUCH, dtype=np.int64)
    assert int(lent(group, logs, np.array([True]), LOOKS)[0][0]) == 0


def test_suspension_is_a_selection_of_its_own() -> None:
    """Sixteen thousand accounts that truly elicit by a template make no bar lower for replay."""
    two, few = np.full((4, 2**14), 0, dtype=np.int64), 18
    two[[ELICITATION, TEMPLATE]] = MUCH
    two[REPLAY, :few] = logarithm(Decimal(900))
    found = selection(two, 2**14)
    assert (found.tiers == 2).all()
    assert not found.means.any()
    two[REPLAY, :few] = MUCH
    assert int(selection(two, 2**14).means.sum()) == few
