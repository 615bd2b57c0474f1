"""Bounds of permutation chances: never below the chance over all permutations, and of use far out."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.forensics.bounds import log10_mean_gain, log10_of_sum, log10_orders
from inbond.forensics.ranks import SURE, centred, log10_p_of, mean_gain, rank_correlation

NUMBERS = st.lists(
    st.integers(-5, 5) | st.integers(-3000, 3000).map(lambda one: one / 1000), min_size=2, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, st.data())
def test_a_mean_is_never_rarer_than_its_bound(numbers: list[float], data: st.DataObject) -> None:
    values, members = np.array(numbers, float), data.draw(st.integers(1, len(numbers) - 1))
    sums = np.array([values[list(chosen)].sum() for chosen in combinations(range(len(values)), members)])
    exact = (sums >= values[:members].sum() - 1e-12).mean()
    assert 10 ** log10_mean_gain(values[:members], values[members:]) >= exact * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(NUMBERS.filter(lambda found: len(found) < 7))
def test_an_order_is_never_rarer_than_its_bound(numbers: list[float]) -> None:
    places, values = centred(np.arange(len(numbers), dtype=float)), np.array(numbers) - np.mean(numbers)
    products = np.array([places @ np.array(one) for one in permutations(values)])
    exact = (products >= places @ values - 1e-12).mean()
    assert 10 ** log10_orders([(places, values)]) >= exact * (1 - 1e-9)


def test_two_orders_together_are_never_rarer_than_their_bound() -> None:
    draw = np.random.default_rng(0)
    for _ in range(10):
        one, two = (np.sort(centred(draw.normal(size=4))) for _ in range(2))
        sums = [
            one @ np.array(a) + two @ np.array(b) for a, b in product(permutations(one), permutations(two))
        ]
        exact = (np.array(sums) >= one @ one + two @ two - 1e-12).mean()
        assert exact <= 10 ** log10_orders([(one, one), (two, two)]) < 1


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=3), st.data())
def test_a_sum_is_never_rarer_than_its_bound(each: list[list[float]], data: st.DataObject) -> None:
    values = [np.array(one, float) for one in each]
    total = sum(data.draw(st.sampled_from(one)) for one in each)
    sums = np.array([sum(chosen) for chosen in product(*values)])
    assert 10 ** log10_of_sum(values, total) >= (sums >= total - 1e-12).mean() * (1 - 1e-9)


def test_what_no_shuffle_would_reach_is_a_number() -> None:
    draw = np.random.default_rng(0)
    found = mean_gain(draw.normal(3, 1, 60), draw.normal(0, 1, 60), shuffles=99, seed=0)
    assert found.shuffles == 0
    assert -40 < found.log10_p < -10
    order = np.arange(200.0)
    near = rank_correlation(order, order + draw.normal(0, 20, 200), shuffles=99, seed=0)
    assert near.shuffles == 0
    assert near.log10_p < -15


def test_a_bound_is_not_far_from_the_chance() -> None:
    """At one in a million, by a million shuffles: at most a factor of some tens too large."""
    draw = np.random.default_rng(3)
    members, others = draw.normal(0.95, 1, 50), draw.normal(0, 1, 50)
    z = (members.mean() - others.mean()) / np.concatenate([members, others]).std() * 5
    assert 4 < z < 5
    normal = -np.log10(np.exp(-z * z / 2) / (z * np.sqrt(2 * np.pi)))
    assert 0 < log10_mean_gain(members, others) + normal < 2.5


def test_shuffles_end_where_p_is_plainly_large() -> None:
    same = np.arange(3.0)
    found = mean_gain(same, same, shuffles=10**9, seed=0)
    assert found.shuffles < 5000
    assert found.p > 0.4


@pytest.mark.parametrize(("large", "p"), [(False, 1 / 100), (True, 1.0)])
def test_p_counts_what_was_found_itself(large: bool, p: float) -> None:
    log10_p, done = log10_p_of(0.0, lambda _, count: np.full(count, large), shuffles=99, seed=0, at_once=10)
    assert (10**log10_p, done) == (pytest.approx(min(1, p + SURE), rel=1e-12), 99)
