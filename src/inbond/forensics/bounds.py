"""Bounds of a permutation's chance that hold for every sample, for what shuffling would never reach. Each is
a Chernoff bound whose parameter only decides how tight it is, never whether it holds. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEPS = 60
_GRID = np.geomspace(0.02, 60.0, 40)


def log10_mean_gain(members: Floats, others: Floats) -> float:
    """An upper bound of log10 of the chance that as many things, drawn by lot out of all of these, add up to
    no less than ``members`` do."""
    every = np.concatenate([members, others])
    spread = float(every.std())
    if not spread:
        return 0.0
    values = (every - every.mean()) / spread
    count, total = len(members), float(values[: len(members)].sum())
    if total <= 0:
        return 0.0
    logs = (
        _independent(values, count, total),
        _independent(-values, len(others), total),
        _labels(values, count, total),
    )
    return min(0.0, min(logs) / math.log(10))


def _independent(values: Floats, count: int, total: float) -> float:
    """A sum drawn without putting back is no wilder than one with (Hoeffding, JASA 58, 1963, theorem 4)."""

    def log_bound(heat: float) -> float:
        return count * _log_mean_exp(heat * values) - heat * total

    return min(log_bound(heat * total / count) for heat in _GRID)


def _labels(values: Floats, count: int, total: float) -> float:
    """Who is a member, drawn for each alone, given that there are ``count``: the joint chance of that count
    and of such a sum is bounded, and divided by the known chance of the count."""
    size = len(values)
    share = count / size
    log_count = (
        (math.lgamma(size + 1) - math.lgamma(count + 1) - math.lgamma(size - count + 1))
        + count * math.log(share)
        + (size - count) * math.log1p(-share)
    )
    at = np.array([0.0, 0.0])  # the sum's heat, the count's
    best = math.inf
    rows = np.stack([values, np.ones(size)], 1)
    for _ in range(_STEPS):
        exponents = rows @ at
        logs = np.logaddexp(math.log1p(-share), math.log(share) + exponents)
        if at[0] >= 0:
            best = min(best, float(logs.sum() - at @ [total, count]))
        chances = np.exp(math.log(share) + exponents - logs)
        slope = rows.T @ chances - [total, count]
        curve = rows.T @ (rows * (chances * (1 - chances))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        at = at - step / max(1.0, float(np.abs(step).max()) / 2)
        if not np.isfinite(at).all():
            break
    return best - log_count


def log10_orders(pairs: Sequence[tuple[Floats, Floats]]) -> float:
    """An upper bound of log10 of the chance that values, each pair's in an order drawn by lot for itself,
    have so large a sum of products with their places. Each pair is (places, values), both centred.

    Shuffled values are negatively associated (Joag-Dev and Proschan, Annals of Statistics 11, 1983): the
    moments of each half of the sum, that of positive and that of negative places, are at most those of
    independent draws; the halves together by the inequality of Cauchy and Schwarz."""
    found = sum(float(places @ values) for places, values in pairs)
    width = math.sqrt(sum(float(p @ p) * float(v @ v) / max(1, len(p)) for p, v in pairs))
    if not width or found <= 0:
        return 0.0
    tables = [
        (*np.unique(places, return_counts=True), *np.unique(values, return_counts=True))
        for places, values in pairs
    ]

    def log_bound(heat: float) -> float:
        total = 0.0
        for places, counts, values, shares in tables:
            logs = _log_mean_exp_rows(2 * heat * np.outer(places, values), shares / shares.sum())
            total += float(counts @ logs) / 2
        return total - heat * found

    guess = found / (2 * width**2)
    least = min(log_bound(factor * guess) for factor in _GRID[8:32:2].tolist())
    return min(0.0, least / math.log(10))


def log10_of_sum(each: Sequence[Floats], total: float) -> float:
    """An upper bound of log10 of the chance that independent things, each of these with all its equally
    likely values, add up to no less than ``total``."""
    spread = math.sqrt(sum(float(values.var()) for values in each))
    above = total - sum(float(values.mean()) for values in each)
    if not spread or above <= 0:
        return 0.0
    guess = above / spread**2
    logs: list[float] = [
        sum(_log_mean_exp(heat * guess * values) for values in each) - heat * guess * total
        for heat in _GRID[::2]
    ]
    return min(0.0, min(logs) / math.log(10))


def _log_mean_exp(values: Floats) -> float:
    most = float(values.max())
    return most + math.log(float(np.exp(values - most).mean()))


def _log_mean_exp_rows(values: Floats, shares: Floats) -> Floats:
    most = values.max(1, keepdims=True)
    found: Floats = most[:, 0] + np.log(np.exp(values - most) @ shares)
    return found
