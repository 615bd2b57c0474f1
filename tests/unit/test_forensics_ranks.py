"""Tests by order: against whole enumerations, and even under their nulls."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.forensics.ranks import log10_low_ranks, mean_gain, rank_correlation


@settings(max_examples=60)
@given(st.integers(1, 5).flatmap(lambda n: st.tuples(st.integers(1, 6), st.just(n))), st.data())
def test_sums_of_ranks_are_counted_whole(shape: tuple[int, int], data: st.DataObject) -> None:
    size, count = shape
    ranks = data.draw(st.lists(st.integers(1, size), min_size=count, max_size=count))
    every = list(product(range(1, size + 1), repeat=count))
    exact = sum(sum(one) <= sum(ranks) for one in every) / len(every)
    assert 10 ** log10_low_ranks(ranks, size) == pytest.approx(exact, rel=1e-9)


def test_the_lowest_ranks_of_many_slots_are_a_number() -> None:
    assert log10_low_ranks([1] * 40, 1000) == pytest.approx(-120)
    assert log10_low_ranks([], 10) == 0
    assert log10_low_ranks([10] * 7, 10) == pytest.approx(0, abs=1e-9)
    assert log10_low_ranks([1] * 200, 1000) == -300


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=7), st.data())
def test_a_mean_gain_is_as_rare_as_among_all_orders(values: list[int], data: st.DataObject) -> None:
    members = data.draw(st.integers(1, len(values) - 1))
    numbers = np.array(values, float)
    found = mean_gain(numbers[:members], numbers[members:], shuffles=3000, seed=0)
    every = list(permutations(values))
    exact = sum(sum(one[:members]) >= sum(values[:members]) for one in every) / len(every)
    assert found.p == pytest.approx(exact, abs=5 * math.sqrt(0.25 / 3000))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=6))
def test_a_rank_correlation_is_as_rare_as_among_all_orders(values: list[int]) -> None:
    order = np.arange(len(values), dtype=float)
    found = rank_correlation(order, np.array(values, float), shuffles=3000, seed=0)
    if len(set(values)) == 1:
        assert (found.statistic, found.p) == (0.0, 1.0)
        return

    def score(one: tuple[int, ...]) -> float:
        return sum(place * sum((v > w) + 0.5 * (v == w) for w in values) for place, v in enumerate(one))

    every = list(permutations(values))
    exact = sum(score(one) >= score(tuple(values)) - 1e-9 for one in every) / len(every)
    assert found.p == pytest.approx(exact, abs=5 * math.sqrt(0.25 / 3000))
    assert -1 - 1e-9 <= found.statistic <= 1 + 1e-9


def test_p_values_are_even_where_nothing_is_to_be_found() -> None:
    draw = np.random.default_rng(1)
    gains = [mean_gain(draw.normal(size=9), draw.normal(size=12), shuffles=199, seed=i).p for i in range(400)]
    orders = [
        rank_correlation(draw.permutation(15.0 * np.arange(15)), draw.normal(size=15), shuffles=199, seed=i).p
        for i in range(400)
    ]
    for ps in (gains, orders):
        for alpha in (0.05, 0.2, 0.5):
            assert abs(np.mean(np.array(ps) <= alpha) - alpha) < 4.5 * math.sqrt(alpha * (1 - alpha) / 400)
