"""E-values from several families, and which of many are let speak. Pure, whole numbers only.

Logarithms of e-values are multiples of 2^-16. A mean of e-values is one too; the largest of n over n is no
more than their mean, needs no exponential, and is what is used.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect.families import FAMILIES, MEANS, SCALE, logarithm

Numbers = npt.NDArray[np.int64]
NOTHING: Final = -(2**40)
"""The logarithm of an e-value that says nothing, and never will."""
_FEWEST: Final = 1_024


def share_of(parts: int) -> int:
    """The logarithm of one over so many."""
    return logarithm(Decimal(1) / parts)


def one_family(each: Numbers) -> Numbers:
    """(families, things) -> things: against "every bound is kept", the mean over all families, or less."""
    best: Numbers = np.max(each, axis=0)
    return best + share_of(len(FAMILIES))


def two_families(each: Numbers) -> Numbers:
    """Against "at most one bound is broken": whichever that is, the mean of the others is an e-value, and
    the mean without the largest is no more than it. One of means has to be as large."""
    second = np.partition(each, -2, axis=0)[-2]
    means = np.max(each[list(MEANS)], axis=0)
    found: Numbers = np.minimum(second, means) + share_of(len(FAMILIES) - 1)
    return found


def two_means(each: Numbers) -> Numbers:
    """As ``two_families``, of the families of means alone."""
    second: Numbers = np.partition(each[list(MEANS)], -2, axis=0)[-2]
    return second + share_of(len(MEANS) - 1)


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
    and the power of two for which the threshold holds that they passed (or that the first would have to)."""
    ordered = np.sort(values)[::-1]
    for found in _counts(len(ordered)):
        bar = threshold(things, rate, found)
        if ordered[found - 1] >= bar:
            return values >= bar, found
    return np.zeros(len(values), dtype=np.bool_), 1


def _counts(most: int) -> list[int]:
    """Powers of two, largest first: between two of them the threshold does not change."""
    return [1 << i for i in range(most.bit_length() - 1, -1, -1)] if most else []


def decimals(log: int) -> str:
    """A logarithm as an e-value's power of ten, rounded down: "1e9"."""
    return f"1e{log * 301_030 // (693_148 << SCALE)}"
