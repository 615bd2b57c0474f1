"""Exact p-values, and how much text a test needs. Pure; nothing here is an approximation unless it says so.

Tails are summed in logarithms, so that 1e-300 is a number and not 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

_NORMAL = NormalDist()
_HALVINGS = 60
_TERMS = 40
"""Of a series whose terms fall as 1/n!."""


def log10_upper_tail(successes: int, trials: int, chance: float) -> float:
    """log10 P(X >= successes) for X ~ Binomial(trials, chance), 0 < chance < 1, summed term by term."""
    assert 0 <= successes <= trials, (successes, trials)
    assert 0 < chance < 1, chance
    if successes == 0:
        return 0.0
    first = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(chance)
        + (trials - successes) * math.log1p(-chance)
    )
    more = np.arange(successes, trials, dtype=np.float64)
    steps = np.log((trials - more) / (more + 1)) + math.log(chance) - math.log1p(-chance)
    logs = first + np.concatenate([[0.0], np.cumsum(steps)])
    most = logs.max()
    return float(min(0.0, most + math.log(np.exp(logs - most).sum())) / math.log(10))


def upper_tail(successes: int, trials: int, chance: float) -> float:
    """P(X >= successes); 0.0 where that is below 1e-308. See ``log10_upper_tail``."""
    return float(10 ** log10_upper_tail(successes, trials, chance))


def interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Bounds of the chance behind so many successes (Clopper and Pearson, Biometrika 26, 1934): they hold it
    in at least ``level`` of all cases. (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    side = (1 - level) / 2
    low = _where(lambda chance: upper_tail(successes, trials, chance) >= side) if successes else 0.0
    failures = trials - successes
    high = 1 - _where(lambda chance: upper_tail(failures, trials, chance) >= side) if failures else 1.0
    return low, high


def _where(reached: Callable[[float], bool]) -> float:
    """The least number within (0, 1) at which what grows with it is reached."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def rank_p(statistic: float, null: Sequence[float]) -> float:
    """(1 + those of the null at least as large) / (1 + their number): exact where the statistic is as likely
    to stand at any rank among them (exchangeable), and never below 1 / (len(null) + 1)."""
    return (1 + sum(other >= statistic for other in null)) / (1 + len(null))


def holm(log10_ps: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm, Scandinavian Journal of Statistics 6, 1979) as log10, in the order given: the
    chance that any test of a true null falls below alpha is at most alpha, however the tests depend."""
    order = sorted(range(len(log10_ps)), key=lambda place: log10_ps[place])
    adjusted, running = [0.0] * len(log10_ps), -math.inf
    for done, place in enumerate(order):
        running = max(running, min(0.0, math.log10(len(log10_ps) - done) + log10_ps[place]))
        adjusted[place] = running
    return adjusted


def trials_needed(chance: float, found: float, alpha: float, power: float = 0.9) -> int:
    """How many trials a binomial test of ``chance`` at ``alpha`` needs so that it rejects with ``power``
    where the truth is ``found`` > chance. By the normal approximation: a little too few for small numbers."""
    assert 0 < chance < found < 1, (chance, found)
    reach = _NORMAL.inv_cdf(1 - alpha) * math.sqrt(chance * (1 - chance))
    spare = _NORMAL.inv_cdf(power) * math.sqrt(found * (1 - found))
    return math.ceil(((reach + spare) / (found - chance)) ** 2)


def log10_fixed_points(fixed: int, size: int) -> float:
    """log10 of the chance that a permutation of ``size`` things, drawn evenly, leaves at least ``fixed`` in
    place."""
    assert 0 <= fixed <= size, (fixed, size)
    if fixed == 0:
        return 0.0
    # Of those that leave exactly k in place there are size! / k! * (1 - 1/1! + 1/2! - ... up to size - k).
    logs = []
    for kept in range(fixed, min(size, fixed + _TERMS) + 1):
        rest = math.fsum((-1) ** i / math.factorial(i) for i in range(min(size - kept, _TERMS) + 1))
        if rest > 0:
            logs.append(math.log(rest) - math.lgamma(kept + 1))
    most = max(logs)
    return min(0.0, most + math.log(math.fsum(math.exp(one - most) for one in logs))) / math.log(10)


def log10_fisher(log10_ps: Sequence[float]) -> float:
    """log10 p of so many independent p-values together (Fisher, 1932): -2 times the sum of their logarithms
    is chi-squared with twice as many degrees of freedom, whose tail is a finite sum."""
    if not log10_ps:
        return 0.0
    half = -math.fsum(log10_ps) * math.log(10)
    if half == 0:
        return 0.0
    logs = [k * math.log(half) - math.lgamma(k + 1) for k in range(len(log10_ps))]
    most = max(logs)
    tail = -half + most + math.log(math.fsum(math.exp(one - most) for one in logs))
    return min(0.0, tail) / math.log(10)
