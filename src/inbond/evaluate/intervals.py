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
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_DRAWS, LEAST_DRAWS = 10_000, 2_000
_BLOCK = 2_000_000
"""Entries of one block of draws: bounds memory and, between the two numbers above, how much is drawn."""
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
        """Nats a label token over all records; NaN where there is no token."""
        return _share(sum(self.kl), sum(self.tokens))

    @property
    def agreement(self) -> float:
        """Share of label tokens with the same likeliest token; NaN where there is no token."""
        return _share(sum(self.agreed), sum(self.tokens))

    @property
    def stderr(self) -> float:
        """Standard error of ``mean_kl`` with records as the units drawn: the linearised error of a ratio of
        two sums. 0 for a single record."""
        if len(self) < 2:
            return 0.0
        mean = self.mean_kl
        off = sum((kl - mean * tokens) ** 2 for kl, tokens in zip(self.kl, self.tokens, strict=True))
        return math.sqrt(len(self) / (len(self) - 1) * off) / sum(self.tokens)

    def by(self, units: Sequence[Hashable]) -> RecordSums:
        """The records of one unit (a prompt that was answered several times) added together, since they are
        alike: intervals then draw units. One name a record; units in the order they first come."""
        assert len(units) == len(self), "a unit for each record"
        places: dict[Hashable, list[int]] = {}
        for place, unit in enumerate(units):
            places.setdefault(unit, []).append(place)
        return RecordSums(
            tuple(math.fsum(self.kl[row] for row in rows) for rows in places.values()),
            tuple(sum(self.agreed[row] for row in rows) for rows in places.values()),
            tuple(sum(self.tokens[row] for row in rows) for rows in places.values()),
        )

    def take(self, rows: Sequence[int]) -> RecordSums:
        """Some of the records, by their places."""
        return RecordSums(
            tuple(self.kl[row] for row in rows),
            tuple(self.agreed[row] for row in rows),
            tuple(self.tokens[row] for row in rows),
        )

    def means(self) -> dict[str, float | None]:
        """Mean KL and agreement, null where there is no token: JSON has no NaN."""
        found = {"kl": self.mean_kl, "agreement": self.agreement}
        return {name: None if math.isnan(value) else value for name, value in found.items()}

    def to_json(self) -> dict[str, Any]:
        return {"kl": list(self.kl), "agreed": list(self.agreed), "tokens": list(self.tokens)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RecordSums:
        """The inverse of ``to_json``."""
        return RecordSums(tuple(value["kl"]), tuple(value["agreed"]), tuple(value["tokens"]))


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
    values_D = _means(_sums((values_R, tokens_R), seed))
    return _estimate(_mean(values_R, tokens_R), values_D, len(values_R))


def paired_ratio(
    over_R: Sequence[float],
    under_R: Sequence[float],
    tokens_R: Sequence[float] | None = None,
    *,
    seed: int = 0,
) -> Estimate:
    """Ratio of two means measured on the same records. ``tokens_R`` may be left out for values that are
    means already, each counting alike."""
    tokens_R = [1.0] * len(over_R) if tokens_R is None else tokens_R
    sums_DC = _sums((over_R, under_R, tokens_R), seed)
    values_D = _means(sums_DC[:, [0, 2]]) / _means(sums_DC[:, [1, 2]])
    return _estimate(_mean(over_R, tokens_R) / _mean(under_R, tokens_R), values_D, len(over_R))


def apart_ratio(over: RecordSums, under: RecordSums, *, seed: int = 0) -> Estimate:
    """Ratio of the mean KL on two different sets of records, each drawn on its own."""
    over_D, under_D = (
        _means(_sums((sums.kl, sums.tokens), seed + place)) for place, sums in enumerate((over, under))
    )
    draws = min(len(over_D), len(under_D))
    value = _mean(over.kl, over.tokens) / _mean(under.kl, under.tokens)
    return _estimate(value, over_D[:draws] / under_D[:draws], min(len(over), len(under)))


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


def _share(over: float, under: float) -> float:
    return over / under if under else math.nan


def _widening(records: int) -> float:
    return math.sqrt(records / (records - 1))


def _sums(columns: Sequence[Sequence[float]], seed: int) -> Floats:
    """Sums [D, C] of C columns over R records, drawn with replacement, all columns of a record together."""
    values_RC = np.array(columns, dtype=np.float64).T
    records = len(values_RC)
    assert records >= 2, "one record says nothing of others"
    draws = max(LEAST_DRAWS, min(MOST_DRAWS, _BLOCK // records))
    step = max(1, _BLOCK // records)
    generator, shares = np.random.default_rng(seed), [1 / records] * records
    blocks = [
        generator.multinomial(records, shares, size=min(step, draws - start)) @ values_RC
        for start in range(0, draws, step)
    ]
    return np.concatenate(blocks)


def _mean(values_R: Sequence[float], tokens_R: Sequence[float]) -> float:
    return max(sum(values_R) / sum(tokens_R), SMALLEST)


def _means(sums_D2: Floats) -> Floats:
    """Column 0 / column 1."""
    means_D: Floats = np.maximum(sums_D2[:, 0] / sums_D2[:, 1], SMALLEST)
    return means_D


def _estimate(value: float, values_D: Floats, records: int) -> Estimate:
    return Estimate(value, records, np.sort(values_D))
