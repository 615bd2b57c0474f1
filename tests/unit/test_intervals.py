"""Intervals: they hold the truth as often as they say, and units that were measured twice are paired."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.evaluate.intervals import RecordSums, apart_ratio, holm, mean, paired_ratio, t_quantile

VALUES = st.lists(st.floats(0.01, 100), min_size=2, max_size=40)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def sums(kl: list[float], tokens: list[int] | None = None) -> RecordSums:
    return RecordSums(tuple(kl), (0,) * len(kl), tuple(tokens or [1] * len(kl)))


@given(VALUES)
def test_an_interval_holds_its_value_and_a_wider_level_is_wider(values: list[float]) -> None:
    found = mean(values, [1.0] * len(values))
    low, high = found.interval()
    assert low - 1e-9 <= found.value <= high + 1e-9
    wide_low, wide_high = found.interval(0.99)
    assert wide_low <= low
    assert high <= wide_high


@given(VALUES, st.floats(0.1, 10))
def test_a_ratio_does_not_depend_on_the_scale_and_a_constant_one_is_certain(
    values: list[float], by: float
) -> None:
    found = paired_ratio([by * value for value in values], values)
    assert found.value == pytest.approx(by)
    assert found.interval() == pytest.approx((by, by))


@given(P_VALUES)
def test_holm_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [q for _, q in ranked] == sorted(adjusted)
    assert adjusted[p_values.index(min(p_values))] == pytest.approx(min(1, len(p_values) * min(p_values)))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize(
    ("probability", "freedom", "table"),
    [(0.975, 7, 2.3646), (0.975, 11, 2.2010), (0.99, 11, 2.7181), (0.995, 23, 2.8073), (0.999, 7, 4.7853)],
)
def test_t_quantiles_are_those_of_the_tables(probability: float, freedom: int, table: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(table, rel=1e-2)
    assert t_quantile(1 - probability, freedom) == pytest.approx(-table, rel=1e-2)


def test_p_values_agree_with_the_interval_ends() -> None:
    values = np.random.default_rng(3).lognormal(0, 0.4, 20)
    found = mean(list(values), [1.0] * 20)
    low, high = found.interval(0.9)
    assert found.p_not_below(high) == pytest.approx(0.05, abs=0.005)
    assert found.p_not_above(low) == pytest.approx(0.05, abs=0.005)
    assert found.p_not_below(2 * high) < 0.01 < 0.9 < found.p_not_below(low)


def test_pairing_takes_out_what_records_have_in_common() -> None:
    generator = np.random.default_rng(0)
    hard = generator.lognormal(0, 1, 30)
    after, before = hard * generator.lognormal(-0.3, 0.05, 30), hard * generator.lognormal(0, 0.05, 30)
    low, high = paired_ratio(list(after), list(before)).interval()
    apart_low, apart_high = apart_ratio(sums(list(after)), sums(list(before))).interval()
    assert high - low < 0.2 * (apart_high - apart_low)
    assert low < np.exp(-0.3) < high


def test_records_weigh_by_their_tokens_and_repeated_tokens_prove_nothing() -> None:
    kl, tokens = [1.0, 8.0, 3.0, 2.0, 9.0, 4.0, 1.0, 2.0], [1, 4, 2, 2, 3, 2, 1, 1]
    found = mean(kl, tokens)
    assert found.value == pytest.approx(30 / 16)
    tenfold = mean([10 * value for value in kl], [10 * count for count in tokens])
    assert tenfold.interval() == pytest.approx(found.interval())


def test_the_same_numbers_give_the_same_interval() -> None:
    values = list(np.random.default_rng(1).random(25))
    assert mean(values, [1] * 25).interval() == mean(values, [1] * 25).interval()
    assert mean(values, [1] * 25, seed=1).interval() != mean(values, [1] * 25).interval()


def test_nothing_is_divided_by_zero() -> None:
    found = paired_ratio([0.0] * 9, [0.0] * 9)
    assert found.interval() == (1, 1)
    assert np.isfinite(paired_ratio([1.0] * 9, [-1e-12] * 9).interval()).all()


def test_many_records_are_drawn_in_blocks() -> None:
    values = np.random.default_rng(2).lognormal(0, 0.5, 30_000)
    low, high = mean(list(values), [1.0] * len(values)).interval()
    assert high - low == pytest.approx(2 * 1.96 * values.std() / len(values) ** 0.5, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("records", [12, 24])
@pytest.mark.parametrize("noise", [0.25, 0.5])
def test_each_end_is_wrong_about_as_often_as_it_says(records: int, noise: float) -> None:
    """2.5% are promised; 600 simulations of skewed values see at most 5.5% where truth and promise agree."""
    generator = np.random.default_rng(records)
    runs, below, above = 600, 0, 0
    for _ in range(runs):
        common = generator.normal(0, 0.3, records)
        top, bottom = (np.exp(common + generator.normal(0, noise, records)) for _ in range(2))
        low, high = paired_ratio(list(0.8 * top), list(bottom)).interval()
        below, above = below + (high < 0.8), above + (low > 0.8)
    assert max(below, above) / runs <= 0.055
    assert (below + above) / runs >= 0.01, "an interval that is never wrong is too wide"


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.integers(0, 9), st.integers(1, 9), st.integers(0, 4)), min_size=1
    ),
    st.randoms(),
)
def test_adding_by_unit_loses_nothing(
    rows: list[tuple[float, int, int, int]], shuffle: random.Random
) -> None:
    """Totals stay, a unit has the sum of its records in whatever order, names of their own change nothing."""
    kl, agreed, tokens, units = (tuple(column) for column in zip(*rows, strict=True))
    found = RecordSums(kl, agreed, tokens)
    together = found.by(units)
    assert len(together) == len(set(units))
    assert together.mean_kl == pytest.approx(found.mean_kl)
    assert sum(together.tokens) == sum(tokens)
    assert found.by(range(len(rows))) == found
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    again = found.take(order).by([units[place] for place in order])
    assert again.stderr == pytest.approx(together.stderr, abs=1e-9)
    assert sorted(again.tokens) == sorted(together.tokens)


def test_nothing_has_no_mean() -> None:
    assert RecordSums((), (), ()).means() == {"kl": None, "agreement": None}
