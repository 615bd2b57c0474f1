"""How much a test needs to see an effect, by the normal approximation: a little too few for small numbers.
Pure."""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()
POWER = 0.9
_OF_RANKS = 1.06
"""The variance of Spearman's correlation, after Fisher's transformation, beside that of Pearson's (Fieller,
Hartley and Pearson, Biometrika 44, 1957)."""


def steps_for(alpha: float, power: float = POWER) -> float:
    """How many standard errors an effect must be so that a one-sided test at ``alpha`` sees it with
    ``power``."""
    return _NORMAL.inv_cdf(1 - alpha) + _NORMAL.inv_cdf(power)


def needed_for_gain(effect: float, share: float, alpha: float, power: float = POWER) -> int | None:
    """Things of both kinds, a ``share`` of them members, so that a difference of means of ``effect`` standard
    deviations is seen. None where the share is 0 or 1: no number is enough."""
    if not 0 < share < 1:
        return None
    return math.ceil((steps_for(alpha, power) / effect) ** 2 / (share * (1 - share)))


def needed_for_correlation(correlation: float, alpha: float, power: float = POWER) -> int:
    """Pairs, so that such a rank correlation is seen."""
    return math.ceil(_OF_RANKS * (steps_for(alpha, power) / math.atanh(correlation)) ** 2) + 3
