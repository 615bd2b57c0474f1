"""E-values from counts, and which of many are let speak. Pure, whole numbers only.

The capital of a family is the mean over a fixed grid of bets; its largest bet over the number of bets is no
more, and needs no exponential, so that is what is used: an e-value, a little smaller than it could be. For
shares between 0 and 1 the logarithm is read off the chord between a hit and a miss, which lies below it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect.families import FAMILIES, GRID, SCALE, WHOLE, bets, logarithm

Numbers = npt.NDArray[np.int64]
NOTHING: Final = -(2**50)
"""The logarithm of an e-value that says nothing, and never will."""
_GRID_LOG: Final = -logarithm(Decimal(1) / len(GRID))
_FEWEST: Final = 1_024


def log_e(family: int, trials: Numbers, hits: Numbers) -> Numbers:
    """Of each (trials, hits in 256ths), the logarithm of the e-value, in multiples of 2^-20."""
    misses = trials * WHOLE - hits
    capital = np.full(trials.shape, NOTHING * WHOLE, dtype=np.int64)
    for hit, miss in bets(family):
        np.maximum(capital, hits * hit + misses * miss, out=capital)
    return capital // WHOLE - _GRID_LOG


def one_family(each: Numbers) -> Numbers:
    """(families, things) -> things: against "no family shows anything", the mean of them all, or less."""
    best: Numbers = np.max(each, axis=0)
    return best + logarithm(Decimal(1) / len(FAMILIES))


def two_families(each: Numbers) -> Numbers:
    """Against "at most one family shows something": whichever that is, the mean of the others is an e-value,
    and the mean without the largest is no more than it. Only one family is not of means, so two hold one."""
    second: Numbers = np.partition(each, -2, axis=0)[-2]
    return second + logarithm(Decimal(1) / (len(FAMILIES) - 1))


def capacity(things: int) -> int:
    """For how many hypotheses the rate is shared out: a power of two, so that one more changes it rarely."""
    return max(_FEWEST, 1 << max(0, things - 1).bit_length())


def threshold(things: int, rate: Decimal, found: int) -> int:
    """The logarithm that the ``found``-th largest e-value must reach under e-BH (Wang and Ramdas 2022). For
    ``found`` the power of two below stands: at most twice too strict."""
    share = Decimal(capacity(things)) / rate / (1 << (found.bit_length() - 1))
    return logarithm(share) + 1


def selected(values: Numbers, things: int, rate: Decimal) -> tuple[npt.NDArray[np.bool_], int]:
    """e-BH: which of the e-values are let speak at this false discovery rate, among ``things`` hypotheses,
    and the threshold that they passed (or that the first would have to pass)."""
    ordered = np.sort(values)[::-1]
    for found in _counts(len(ordered)):
        bar = threshold(things, rate, found)
        if ordered[found - 1] >= bar:
            return values >= bar, bar
    return np.zeros(len(values), dtype=np.bool_), threshold(things, rate, 1)


def _counts(most: int) -> list[int]:
    """Powers of two, largest first: between two of them the threshold does not change."""
    return [1 << i for i in range(most.bit_length() - 1, -1, -1)] if most else []


def decimals(log: int) -> str:
    """A logarithm as an e-value's power of ten, rounded down: "1e9"."""
    return f"1e{log * 301_030 // (693_148 << SCALE)}"
