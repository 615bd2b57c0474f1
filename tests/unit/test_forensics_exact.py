"""Exact p-values: against sums in whole numbers, against their definitions, and at the ends."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations
from math import comb, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.forensics.exact import (
    holm,
    interval,
    log10_fisher,
    log10_fixed_points,
    log10_upper_tail,
    rank_p,
    trials_needed,
    upper_tail,
)

CHANCES = st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=40)


def by_hand(successes: int, trials: int, chance: Fraction) -> Fraction:
    return sum(
        (comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(successes, trials + 1)),
        Fraction(0),
    )


@given(st.integers(0, 60), st.integers(0, 60), CHANCES)
def test_a_tail_is_the_sum_of_its_terms(one: int, other: int, chance: Fraction) -> None:
    successes, trials = min(one, other), max(one, other)
    exact = by_hand(successes, trials, chance)
    assert upper_tail(successes, trials, float(chance)) == pytest.approx(float(exact), rel=1e-9)


def test_a_tail_far_out_is_a_number() -> None:
    exact = by_hand(900, 1000, Fraction(1, 4))
    assert log10_upper_tail(900, 1000, 0.25) == pytest.approx(
        log10(exact.numerator) - log10(exact.denominator), abs=1e-6
    )
    assert log10_upper_tail(100_000, 100_000, 0.25) == pytest.approx(100_000 * log10(0.25))
    assert log10_upper_tail(0, 1_000_000, 0.25) == 0


@given(st.integers(1, 60), CHANCES, st.floats(0.5, 0.99))
def test_an_interval_holds_the_chance_as_often_as_it_says(
    trials: int, chance: Fraction, level: float
) -> None:
    holding = Fraction(0)
    for successes in range(trials + 1):
        low, high = interval(successes, trials, level)
        assert low <= successes / trials <= high
        if low <= chance <= high:
            holding += comb(trials, successes) * chance**successes * (1 - chance) ** (trials - successes)
    assert float(holding) >= level - 1e-9


def test_no_trials_say_nothing() -> None:
    assert interval(0, 0) == (0.0, 1.0)


@given(st.lists(st.floats(1e-300, 1), min_size=1, max_size=8), st.floats(1e-6, 0.999))
def test_holm_rejects_what_its_steps_reject(p_values: list[float], alpha: float) -> None:
    rejected = set()
    for done, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] * (len(p_values) - done) > alpha:
            break
        rejected.add(place)
    adjusted = [10**p for p in holm([log10(p) for p in p_values])]
    assert {place for place, p in enumerate(adjusted) if p <= alpha * (1 + 1e-12)} == rejected
    assert all(p <= q * (1 + 1e-12) for p, q in zip(p_values, adjusted, strict=True))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_ranks_of_the_exchangeable_are_never_too_small(values: list[int]) -> None:
    ps = [rank_p(value, values[:place] + values[place + 1 :]) for place, value in enumerate(values)]
    for alpha in (0.05, 0.1, 0.5):
        assert sum(p <= alpha for p in ps) <= alpha * len(values) + 1e-9


@pytest.mark.parametrize(("found", "tokens"), [(0.27, 14_600), (0.30, 2_400)])
def test_tokens_that_are_needed_are_those_that_are_published(found: float, tokens: int) -> None:
    assert trials_needed(0.25, found, 1e-5) == pytest.approx(tokens, rel=0.02)


@pytest.mark.parametrize("size", range(1, 7))
def test_fixed_points_are_counted_over_all_permutations(size: int) -> None:
    fixed = [sum(i == j for i, j in enumerate(one)) for one in permutations(range(size))]
    for least in range(size + 1):
        exact = sum(one >= least for one in fixed) / len(fixed)
        if exact > 0:
            assert 10 ** log10_fixed_points(least, size) == pytest.approx(exact, rel=1e-9)


def test_many_fixed_points_are_a_number() -> None:
    assert log10_fixed_points(1536, 1536) == pytest.approx(-math.lgamma(1537) / math.log(10))


@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=6))
def test_fisher_is_the_tail_of_its_sum(p_values: list[float]) -> None:
    """Integrated numerically: the density of a sum of exponentials."""
    half = -sum(math.log(p) for p in p_values)
    count = len(p_values)
    grid = np.linspace(half, half + 200, 400_001)
    density = np.exp((count - 1) * np.log(np.maximum(grid, 1e-300)) - grid - math.lgamma(count))
    tail = float(np.trapezoid(density, grid))
    assert 10 ** log10_fisher([math.log10(p) for p in p_values]) == pytest.approx(tail, rel=1e-3, abs=1e-60)
