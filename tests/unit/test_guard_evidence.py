"""E-values: that they are ones, that nothing is a float, and what e-BH lets speak."""

from __future__ import annotations

import math
import random
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.guard.detect.evidence import (
    capacity,
    decimals,
    log_e,
    one_family,
    selected,
    threshold,
    two_families,
)
from inbond.guard.detect.families import FAMILIES, GRID, SCALE, WHOLE, bets

FAMILY = range(len(FAMILIES))


def log_of(family: int, trials: int, hits: int) -> float:
    return int(log_e(family, np.array([trials]), np.array([hits]))[0]) / 2**SCALE


@pytest.mark.parametrize("family", FAMILY)
@pytest.mark.parametrize("trials", [1, 5, 40, 120])
def test_under_the_bound_the_expected_e_value_is_at_most_one(family: int, trials: int) -> None:
    """Exactly, over all outcomes of trials that hit with just the bound's probability."""
    p = float(FAMILIES[family].bound)
    chances = [
        math.log(math.comb(trials, k)) + k * math.log(p) + (trials - k) * math.log1p(-p)
        for k in range(trials + 1)
    ]
    mean = sum(math.exp(chance + log_of(family, trials, k * WHOLE)) for k, chance in enumerate(chances))
    assert 0 < mean <= 1


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FAMILY), st.lists(st.integers(0, WHOLE), min_size=1, max_size=60))
def test_the_chord_is_never_more_than_the_product_of_the_bets(family: int, shares: list[int]) -> None:
    p = float(FAMILIES[family].bound)
    capital = [math.prod(1 + float(c) / p * (x / WHOLE - p) for x in shares) for c in GRID]
    assert log_of(family, len(shares), sum(shares)) <= math.log(sum(capital) / len(GRID)) + 1e-4


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FAMILY), st.integers(1, 500), st.integers(1, 500))
def test_more_hits_say_more_and_more_misses_less(family: int, trials: int, hits: int) -> None:
    hits = min(hits, trials) * WHOLE
    assert log_of(family, trials, hits) >= log_of(family, trials, hits - WHOLE)
    assert log_of(family, trials + 1, hits) <= log_of(family, trials, hits)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(FAMILY), st.integers(1, 10**6))
def test_below_the_bound_a_thousand_times_the_trials_say_less(family: int, trials: int) -> None:
    hits = math.floor(trials * WHOLE * float(FAMILIES[family].bound))
    before, after = (log_e(family, np.array([m * trials]), np.array([m * hits]))[0] for m in (1, 1_000))
    assert after <= before


def test_a_martingale_that_is_watched_all_the_time_seldom_gets_far() -> None:
    """Ville: under the bound, the chance of ever passing 20 is at most 1 in 20."""
    rng = random.Random(1)
    bar, passed, runs = math.log(20) * 2**SCALE, 0, 400
    for _ in range(runs):
        hits = np.cumsum([rng.random() < 0.02 for _ in range(600)]) * WHOLE
        passed += bool((log_e(0, np.arange(1, 601), hits) >= bar).any())
    assert passed / runs <= 0.05


def test_bets_are_whole_numbers_and_stay_as_they_are() -> None:
    assert bets(0)[0] == (948_141, -31_939)
    assert all(isinstance(each, int) for family in FAMILY for bet in bets(family) for each in bet)


def test_one_family_alone_never_makes_two() -> None:
    logs = np.array([[2**SCALE * 500], [0], [0], [0], [0]])
    assert one_family(logs)[0] > 400 * 2**SCALE
    assert two_families(logs)[0] < 0


def test_any_two_families_hold_a_means_family() -> None:
    assert sum(not family.means for family in FAMILIES) == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-50, 60), min_size=1, max_size=60))
def test_e_bh_lets_speak_no_more_than_the_rule_allows(logs: list[int]) -> None:
    values = np.array([each * 2**SCALE for each in logs])
    chosen, bar = selected(values, len(logs), Decimal("0.005"))
    found = int(chosen.sum())
    if found:
        assert math.exp(values[chosen].min() / 2**SCALE) >= 1_024 / 0.005 / found
    assert all((value >= bar) == picked for value, picked in zip(values, chosen, strict=True))


def test_many_together_need_less_each_than_one_alone() -> None:
    lone, among = threshold(100_000, Decimal("0.01"), 1), threshold(100_000, Decimal("0.01"), 3_500)
    assert math.exp(lone / 2**SCALE) == pytest.approx(131_072 / 0.01, rel=1e-3)
    assert math.exp(among / 2**SCALE) == pytest.approx(131_072 / 0.01 / 2_048, rel=1e-3)
    values = np.full(3_500, among)
    assert selected(values, 100_000, Decimal("0.01"))[0].all()
    assert not selected(values[:1], 100_000, Decimal("0.01"))[0].any()


def test_capacity_grows_by_doubling() -> None:
    assert [capacity(n) for n in (0, 1, 1_024, 1_025, 100_000)] == [1_024, 1_024, 1_024, 2_048, 131_072]


def test_an_e_value_is_written_as_a_power_of_ten_and_not_rounded_up() -> None:
    assert decimals(int(math.log(9.9e6) * 2**SCALE)) == "1e6"
    assert decimals(0) == "1e0"
    assert decimals(-1) == "1e-1"
