"""Tests by order alone: exact under exchangeability, whatever the numbers' distribution. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inbond.forensics.bounds import log10_mean_gain, log10_orders

Floats = npt.NDArray[np.float64]

LEAST = -300.0
"""Smaller chances are no numbers any more."""
SURE = 1e-7
"""What a bound must reach to do without shuffles."""
ENOUGH = 1000
"""As large shuffles after which no more are made: p is then known within some 3% of itself."""
SHUFFLES = 999_999
"""By default: a p-value of 1e-6 can be reached without a bound, in a minute for some thousand numbers."""
_BLOCK = 1_000_000
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
    """What a permutation test found, valid whatever the number of shuffles: see ``log10_p_of``."""

    statistic: float
    log10_p: float
    shuffles: int
    """How many were made, 0 where a bound told enough."""

    @property
    def p(self) -> float:
        return float(10**self.log10_p)


Draw = Callable[[np.random.Generator, int], npt.NDArray[np.bool_]]
"""(generator, how many) -> for each of so many shuffles, whether its statistic is as large as what was
found."""


def log10_p_of(
    log10_bound: float, draw: Draw, *, shuffles: int, seed: int, at_once: int
) -> tuple[float, int]:
    """(log10 p of a permutation test, shuffles made).

    ``log10_bound``, which bounds the chance over all permutations, is p where it is at most ``SURE``; nothing
    is shuffled then. Else p is (1 + as large) / (1 + shuffles), or, once ``ENOUGH`` were as large, their
    share until then (Besag and Clifford, Biometrika 78, 1991); and ``SURE`` is added, so that both ways
    together are below no alpha more often than in alpha of all cases.
    """
    if 10**log10_bound <= SURE:
        return max(LEAST, log10_bound), 0
    generator, done, count = np.random.default_rng(seed), 0, 0
    while done < shuffles:
        large = draw(generator, min(at_once, shuffles - done))
        if count + large.sum() >= ENOUGH:
            done += int(np.flatnonzero(large)[ENOUGH - count - 1]) + 1
            return math.log10(min(1.0, ENOUGH / done + SURE)), done
        count, done = count + int(large.sum()), done + len(large)
    return math.log10(min(1.0, (1 + count) / (1 + shuffles) + SURE)), done


def mean_gain(members: Floats, others: Floats, *, shuffles: int, seed: int) -> Shuffled:
    """Whether ``members`` are larger than ``others`` on average, if which is which was drawn by lot."""
    assert len(members), "at least one member"
    assert len(others), "at least one that is none"
    every = np.concatenate([members, others])
    every -= every.mean()
    needed = every[: len(members)].sum()

    def draw(generator: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
        sums = generator.permuted(np.tile(every, (count, 1)), axis=1)[:, : len(members)].sum(1)
        large: npt.NDArray[np.bool_] = sums >= needed - 1e-9 * np.abs(every).sum()
        return large

    bound = log10_mean_gain(members, others)
    log10_p, done = log10_p_of(bound, draw, shuffles=shuffles, seed=seed, at_once=rows_for(len(every)))
    return Shuffled(float(members.mean() - others.mean()), log10_p, done)


def rank_correlation(order: Floats, values: Floats, *, shuffles: int, seed: int) -> Shuffled:
    """Spearman's correlation, and how often one at least as large comes about if the order was drawn by
    lot."""
    assert len(order) == len(values), "a value for each place"
    one, other = centred(order), centred(values)
    scale = math.sqrt(float(one @ one) * float(other @ other))
    if not scale:
        return Shuffled(0.0, 0.0, 0)
    found = float(one @ other)

    def draw(generator: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
        large: npt.NDArray[np.bool_] = (
            generator.permuted(np.tile(one, (count, 1)), axis=1) @ other >= found - 1e-9 * scale
        )
        return large

    bound = log10_orders([(one, other)])
    log10_p, done = log10_p_of(bound, draw, shuffles=shuffles, seed=seed, at_once=rows_for(len(one)))
    return Shuffled(found / scale, log10_p, done)


def correlation(one: Floats, other: Floats) -> float:
    """Spearman's, 0 where either is all the same."""
    ranks, others = centred(one), centred(other)
    scale = math.sqrt(float(ranks @ ranks) * float(others @ others))
    return float(ranks @ others) / scale if scale else 0.0


def rows_for(size: int) -> int:
    """How many shuffles of so many numbers are made at once."""
    return max(1, _BLOCK // size)


def centred(values: Floats) -> Floats:
    """Ranks about their mean; what is equal shares the mean of its ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2)[place.reshape(-1)]
    centred: Floats = ranks - ranks.mean()
    return centred
