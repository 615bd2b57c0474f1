"""Tests by order alone: exact under exchangeability, whatever the numbers' distribution. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST = -300.0
"""Smaller chances are no numbers any more."""
_BLOCK = 4_000_000
"""Numbers shuffled at once."""


def log10_low_ranks(ranks: Sequence[int], size: int) -> float:
    """log10 of the chance that so many independent ranks, each even over 1..``size``, add up to no more than
    these do. Counted whole, by adding one rank after another; 0 for no ranks, never below ``LEAST``."""
    assert all(1 <= rank <= size for rank in ranks), "ranks count from 1"
    if not ranks:
        return 0.0
    chances, lost = np.ones(1), 0.0
    for _ in ranks:
        total = np.cumsum(np.concatenate([chances, np.zeros(size - 1)]))
        chances = total / size
        chances[size:] -= total[:-size] / size
        most = chances.max()
        chances, lost = chances / most, lost + math.log10(most)
    below = chances[: sum(ranks) - len(ranks) + 1].sum()
    return max(LEAST, min(0.0, lost + math.log10(below))) if below > 0 else LEAST


@dataclass(frozen=True)
class Shuffled:
    """What a permutation test found: ``p`` is (1 + as large) / (1 + shuffles), which is exact whatever the
    number of shuffles, and never below 1 / (1 + shuffles)."""

    statistic: float
    p: float
    shuffles: int


def mean_gain(members: Floats, others: Floats, *, shuffles: int, seed: int) -> Shuffled:
    """Whether ``members`` are larger than ``others`` on average, if which is which was drawn by lot."""
    assert len(members), "at least one member"
    assert len(others), "at least one that is none"
    every = np.concatenate([members, others])
    found = float(members.mean() - others.mean())
    share = len(members) * len(others) / len(every)
    needed = found * share + every.sum() * len(members) / len(every)
    draw, count = np.random.default_rng(seed), 0
    for first in range(0, shuffles, rows := max(1, _BLOCK // len(every))):
        part = np.tile(every, (min(rows, shuffles - first), 1))
        sums = draw.permuted(part, axis=1)[:, : len(members)].sum(1)
        count += int((sums >= needed - 1e-9 * abs(needed)).sum())
    return Shuffled(found, (1 + count) / (1 + shuffles), shuffles)


def rank_correlation(order: Floats, values: Floats, *, shuffles: int, seed: int) -> Shuffled:
    """Spearman's correlation, and how often one at least as large comes about if the order was drawn by
    lot."""
    assert len(order) == len(values), "a value for each place"
    one, other = _centred(order), _centred(values)
    scale = math.sqrt(float(one @ one) * float(other @ other))
    if not scale:
        return Shuffled(0.0, 1.0, shuffles)
    found = float(one @ other)
    draw, count = np.random.default_rng(seed), 0
    for first in range(0, shuffles, rows := max(1, _BLOCK // len(one))):
        part = draw.permuted(np.tile(one, (min(rows, shuffles - first), 1)), axis=1)
        count += int((part @ other >= found - 1e-9 * abs(found)).sum())
    return Shuffled(found / scale, (1 + count) / (1 + shuffles), shuffles)


def _centred(values: Floats) -> Floats:
    """Ranks about their mean; what is equal shares the mean of its ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2)[place.reshape(-1)]
    centred: Floats = ranks - ranks.mean()
    return centred
