"""How sure a measured number is: bootstrap intervals with records (or prompts) as the units drawn.

Everything a gate compares is a mean per token (a sum over records divided by their tokens) or a ratio of
two such means. Tokens of one record are alike, so whole records are drawn; what was measured on the same
records is drawn together (paired), what was not is drawn apart. The percentile interval is widened for
few records as Hesterberg does ("What Teachers Should Know About the Bootstrap", 2015, section 5.3): the
plain one is too narrow by sqrt((n-1)/n) and takes normal for t quantiles. Pure numpy, seeded: the same
numbers always give the same interval. Legend: D draws, R records.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

DRAWS = 10_000
LEVEL = 0.95
LEAST_RECORDS = 8
"""Below this many units an interval promises more than it can keep; gates then cannot tell."""
SMALLEST = 1e-9
"""A mean at or below this (nats a token, or a share) counts as this: float32 cannot tell it from 0."""

Floats = npt.NDArray[np.float64]
_NORMAL = NormalDist()


@dataclass(frozen=True)
class RecordSums:
    """What was found on each record, in the order the records were given: the sum of KL in nats, the
    number of label tokens where the likeliest token is the same, the number of label tokens."""

    kl: tuple[float, ...]
    agreed: tuple[int, ...]
    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        assert len(self.kl) == len(self.agreed) == len(self.tokens), "one sum each a record"

    def __len__(self) -> int:
        return len(self.kl)

    @property
    def mean_kl(self) -> float:
        """Nats a label token over all records."""
        return sum(self.kl) / sum(self.tokens)

    @property
    def agreement(self) -> float:
        """Share of label tokens with the same likeliest token."""
        return sum(self.agreed) / sum(self.tokens)

    def take(self, rows: Sequence[int]) -> RecordSums:
        """Some of the records, by their places."""
        return RecordSums(
            tuple(self.kl[row] for row in rows),
            tuple(self.agreed[row] for row in rows),
            tuple(self.tokens[row] for row in rows),
        )

    def to_json(self) -> dict[str, Any]:
        return {"kl": list(self.kl), "agreed": list(self.agreed), "tokens": list(self.tokens)}


@dataclass(frozen=True)
class Estimate:
    """A number with the distribution of what other draws of records would have given.

    ``records`` is the number of units behind it (the smaller group's, when two were drawn apart).
    """

    value: float
    records: int
    sorted_D: Floats = field(repr=False, compare=False)

    def end(self, tail: float) -> float:
        """The value below which the truth lies with probability ``tail`` (an end of an interval)."""
        probability = _NORMAL.cdf(_widening(self.records) * t_quantile(tail, self.records - 1))
        return float(np.quantile(self.sorted_D, probability))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """(low, high): both tails have the same probability, (1 - level) / 2."""
        return self.end((1 - level) / 2), self.end((1 + level) / 2)

    def p_not_below(self, bound: float) -> float:
        """One-sided p-value of "the truth is at least ``bound``": small when it is clearly below."""
        share = (1 + np.count_nonzero(self.sorted_D >= bound)) / (len(self.sorted_D) + 2)
        return _t_probability(_NORMAL.inv_cdf(float(share)) / _widening(self.records), self.records - 1)

    def p_not_above(self, bound: float) -> float:
        """One-sided p-value of "the truth is at most ``bound``": small when it is clearly above."""
        share = (1 + np.count_nonzero(self.sorted_D <= bound)) / (len(self.sorted_D) + 2)
        return _t_probability(_NORMAL.inv_cdf(float(share)) / _widening(self.records), self.records - 1)

    def needed(self, bound: float) -> str:
        """In words, how many prompts would bring the 95% interval's nearer end to ``bound``, were nothing
        else to change: its width goes with the square root of their number."""
        low, high = self.interval()
        half, off = self.value - low if self.value >= bound else high - self.value, abs(self.value - bound)
        prompts = self.records * (half / off) ** 2 if off > 0 else math.inf
        if prompts > 1000:
            return "It is so near the limit that not even 1,000 prompts would be likely to decide."
        return f"Roughly {max(math.ceil(prompts), self.records + 1)} prompts would decide, if it stays so."

    def words(self) -> str:
        """The value with its 95% interval."""
        low, high = self.interval()
        return f"{self.value:.3g} (95% interval {low:.3g} to {high:.3g})"

    def to_json(self) -> dict[str, float]:
        low, high = self.interval()
        return {"value": self.value, "low": low, "high": high}


def mean(values_R: Sequence[float], tokens_R: Sequence[float], *, seed: int = 0) -> Estimate:
    """Mean a token: sum of values / sum of tokens. Needs at least two records."""
    drawn = _drawn(len(values_R), seed)
    return _estimate(_mean(values_R, tokens_R), _means(values_R, tokens_R, drawn), len(values_R))


def paired_ratio(
    over_R: Sequence[float],
    under_R: Sequence[float],
    tokens_R: Sequence[float] | None = None,
    *,
    seed: int = 0,
) -> Estimate:
    """Ratio of two means measured on the same records; their tokens then cancel. ``tokens_R`` is only
    for means that are at or below ``SMALLEST``, and may be left out for values that are means already."""
    tokens_R = [1.0] * len(over_R) if tokens_R is None else tokens_R
    assert len(over_R) == len(under_R) == len(tokens_R), "the same records"
    drawn = _drawn(len(over_R), seed)
    values = _means(over_R, tokens_R, drawn) / _means(under_R, tokens_R, drawn)
    return _estimate(_mean(over_R, tokens_R) / _mean(under_R, tokens_R), values, len(over_R))


def apart_ratio(over: RecordSums, under: RecordSums, *, seed: int = 0) -> Estimate:
    """Ratio of the mean KL on two different sets of records, each drawn on its own."""
    values = _means(over.kl, over.tokens, _drawn(len(over), seed))
    values = values / _means(under.kl, under.tokens, _drawn(len(under), seed + 1))
    value = _mean(over.kl, over.tokens) / _mean(under.kl, under.tokens)
    return _estimate(value, values, min(len(over), len(under)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the given order: rejecting those at or below a keeps the chance of
    any false rejection at or below a, however the tests depend on each other (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, worst = [0.0] * len(p_values), 0.0
    for done, place in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - done) * p_values[place]))
        adjusted[place] = worst
    return adjusted


def t_quantile(probability: float, freedom: int) -> float:
    """Student's t quantile by the Cornish-Fisher series (Abramowitz and Stegun 26.7.5): within 1% from
    7 degrees of freedom on, for probabilities from .001 to .999; wide enough below that."""
    z, v = _NORMAL.inv_cdf(probability), float(max(freedom, 1))
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * v**4)
    )


def _t_probability(t: float, freedom: int) -> float:
    """Inverse of ``t_quantile``, by bisection."""
    low, high = 1e-12, 1 - 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_quantile(middle, freedom) < t else (low, middle)
    return high


def _widening(records: int) -> float:
    return math.sqrt(records / (records - 1))


def _drawn(records: int, seed: int) -> Floats:
    """How often each record is in each draw, [D, R]."""
    assert records >= 2, "one record says nothing of others"
    counts = np.random.default_rng(seed).multinomial(records, [1 / records] * records, size=DRAWS)
    return counts.astype(np.float64)


def _mean(values_R: Sequence[float], tokens_R: Sequence[float]) -> float:
    return max(sum(values_R) / sum(tokens_R), SMALLEST)


def _means(values_R: Sequence[float], tokens_R: Sequence[float], drawn_DR: Floats) -> Floats:
    sums_D, counts_D = drawn_DR @ np.asarray(values_R, float), drawn_DR @ np.asarray(tokens_R, float)
    means_D: Floats = np.maximum(sums_D / counts_D, SMALLEST)
    return means_D


def _estimate(value: float, values_D: Floats, records: int) -> Estimate:
    return Estimate(value, records, np.sort(values_D))
