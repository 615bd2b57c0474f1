"""E-values: that they are ones, that nothing is a float, and what e-BH lets speak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.guard.detect.capital import (
    DAY_S,
    DAYS,
    PARTS,
    SPANS_S,
    WINDOWS,
    aged,
    bet,
    counted,
    log_e,
    none,
    of_cards,
    opened,
    strongest,
)
from inbond.guard.detect.e_values import (
    capacity,
    decimals,
    one_family,
    selected,
    threshold,
    two_families,
    two_means,
)
from inbond.guard.detect.families import FAMILIES, GRID, SCALE, WHOLE, bets
from inbond.guard.detect.memory import WINDOW_S

FAMILY = range(len(FAMILIES))
ID = np.array([7], dtype=np.uint64)


def won(family: int, shares: Sequence[int], windows_apart: int = 1) -> float:
    """The natural logarithm of the e-value after trials of so many 256ths, whatever the first one was."""
    kept = opened(none(), [ID], WINDOW_S)
    for number, share in enumerate(shares):
        window = WINDOW_S * (2 + number * windows_apart)
        kept = aged(kept, window - WINDOW_S * windows_apart, window)
        bet(kept, family, WINDOWS, ID, np.array([share]), window)
    return int(log_e(kept, ID)[0]) / 2**SCALE


@pytest.mark.parametrize("family", FAMILY)
@pytest.mark.parametrize("trials", [1, 5, 40, 120])
def test_under_the_bound_the_expected_e_value_is_at_most_one(family: int, trials: int) -> None:
    """Exactly, over all outcomes of trials that hit with just the bound's probability."""
    p = float(FAMILIES[family].bound)
    chances = [
        math.log(math.comb(trials, k)) + k * math.log(p) + (trials - k) * math.log1p(-p)
        for k in range(trials + 1)
    ]
    mean = sum(
        math.exp(chance + won(family, [WHOLE] * k + [0] * (trials - k))) for k, chance in enumerate(chances)
    )
    assert 0 < mean <= 1


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FAMILY), st.lists(st.integers(0, WHOLE), min_size=1, max_size=60))
def test_an_e_value_is_never_more_than_the_mean_of_the_capitals(family: int, shares: list[int]) -> None:
    p = float(FAMILIES[family].bound)
    capital = [math.prod(1 + float(c) / p * (x / WHOLE - p) for x in shares) for c in GRID]
    assert won(family, shares) <= math.log(sum([*capital, *(1.0 for _ in GRID)]) / (2 * len(GRID))) + 1e-4


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FAMILY), st.lists(st.integers(1, WHOLE), min_size=1, max_size=40), st.integers(0, 39))
def test_a_larger_share_says_more_and_a_quiet_window_less(family: int, shares: list[int], at: int) -> None:
    at %= len(shares)
    less = [*shares[:at], shares[at] - 1, *shares[at + 1 :]]
    assert won(family, less) <= won(family, shares)
    assert won(family, [*shares, 0]) <= won(family, shares)


def test_the_order_of_trials_within_a_span_is_the_same_to_the_bit() -> None:
    shares = [0, 256, 3, 77, 0, 0, 128]
    assert won(0, shares) == won(0, shares[::-1])


def test_a_martingale_that_is_watched_all_the_time_seldom_gets_far() -> None:
    """Ville: under the bound, the chance of ever passing 20 is at most 1 in 20."""
    rng = np.random.default_rng(1)
    runs, passed = 300, np.zeros(300, dtype=np.bool_)
    found = np.sort(np.arange(1, runs + 1, dtype=np.uint64) * np.uint64(2**40))
    kept = opened(none(), [found], WINDOW_S)
    for number in range(500):
        bet(kept, 0, WINDOWS, found, (rng.random(runs) < 0.02) * WHOLE, WINDOW_S * (2 + number))
        passed |= log_e(kept, found) >= math.log(20) * 2**SCALE
    assert kept["hits"].sum() > 0
    assert passed.mean() <= 0.05


def test_what_is_older_than_two_spans_is_let_go_and_who_turns_is_met_soon() -> None:
    lawful_year = [0] * 365
    assert won(0, [*lawful_year, *[WHOLE] * 6], 144) > math.log(1e5)
    assert won(0, [*[WHOLE] * 6, *[0] * 70], 144) < 1, "after two spans nothing is left of it"


def test_a_day_in_which_a_row_was_opened_is_no_trial_of_it() -> None:
    kept = opened(none(), [ID], 10 * DAY_S + 600)
    bet(kept, 0, DAYS, ID, np.array([WHOLE]), 10 * DAY_S)
    assert not kept["sums"].any()
    bet(kept, 0, DAYS, ID, np.array([WHOLE]), 11 * DAY_S)
    assert (kept["sums"][0, DAYS] > 0).all()
    assert not kept["sums"][0, WINDOWS].any()


def test_each_clock_and_span_counts_its_own_trials_and_hits() -> None:
    start = 64 * DAY_S
    kept = opened(none(), [ID], start)
    for day in range(6):
        began = start + day * DAY_S
        kept = aged(kept, max(start, began - DAY_S), began)
        bet(kept, 0, WINDOWS, ID, np.array([WHOLE // 2]), began)
        bet(kept, 0, DAYS, ID, np.array([WHOLE]), began)
    trials, hits = counted(kept, np.array([1, ID[0]], dtype=np.uint64))
    assert trials[0].tolist() == hits[0].tolist() == [[0, 0], [0, 0]], "nobody"
    assert trials[1].tolist() == [[6, 6], [5, 5]], "the day in which the row was opened is none"
    assert hits[1].tolist() == [[6 * WHOLE // 2] * 2, [5 * WHOLE] * 2]
    kept = aged(kept, start + 5 * DAY_S, start + 8 * DAY_S)
    assert counted(kept, ID)[0].tolist() == [[[2, 6], [2, 5]]], "of the last span of 4 days"


def test_the_clock_and_the_span_that_won_most_are_named() -> None:
    sums = np.zeros((1, PARTS), dtype=np.int64)
    assert strongest(sums) == (WINDOWS, 0)
    for at, place in ((5, (WINDOWS, 1)), (8, (DAYS, 0)), (15, (DAYS, 1))):
        sums[0, at] = at
        assert strongest(sums) == place


def test_capital_has_a_ceiling_and_no_overflow() -> None:
    kept = opened(none(), [ID], WINDOW_S)
    for _ in range(12_000):
        bet(kept, 1, WINDOWS, ID, np.array([WHOLE]), 2 * WINDOW_S)
    assert 2**29 < kept["sums"].max() <= 2**30


def test_one_card_says_little_and_several_much() -> None:
    cards, shared = np.array([0, 1, 1, 8, 60]), np.array([0, 0, 1, 8, 1])
    found = of_cards(cards, shared) / 2**SCALE
    assert found[0] == 0
    assert found[1] < 0
    assert found[2] < math.log(25), "one card alone carries nothing"
    assert found[3] > math.log(1e12)
    assert found[4] < math.log(3)


def test_bets_are_whole_numbers_and_stay_as_they_are() -> None:
    assert bets(0)[:, 0].tolist() == [-2676, -10651, -45427, -150903]
    assert all(bets(family).shape == (len(GRID), WHOLE + 1) for family in FAMILY)
    longest = 2 * SPANS_S[-1] // WINDOW_S
    assert all(int(bets(family).min()) * longest > -(2**31) for family in FAMILY)


def test_one_family_alone_never_makes_two() -> None:
    logs = np.array([[2**SCALE * 500], [0], [0], [0]])
    assert one_family(logs)[0] > 400 * 2**SCALE
    assert two_families(logs)[0] < 0


def test_two_families_of_means_are_not_one_and_the_template() -> None:
    logs = np.array([[2**SCALE * 500], [0], [0], [2**SCALE * 500]])
    assert two_families(logs)[0] > 400 * 2**SCALE
    assert two_means(logs)[0] < 0


def test_any_two_families_hold_a_means_family() -> None:
    assert sum(not family.means for family in FAMILIES) == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-50, 60), min_size=1, max_size=60))
def test_e_bh_lets_speak_no_more_than_the_rule_allows(logs: list[int]) -> None:
    values = np.array([each * 2**SCALE for each in logs])
    chosen, among = selected(values, len(logs), Decimal("0.005"))
    bar, found = threshold(len(logs), Decimal("0.005"), among), int(chosen.sum())
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
