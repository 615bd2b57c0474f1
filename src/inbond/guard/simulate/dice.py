"""Random numbers that are the same on every machine and in every version of Python.

SplitMix64 (Steele, Lea and Flood 2014) in whole numbers: no floating point but a division by a power of two,
no library whose ways of choosing may change. A key says which numbers, so that any request's can be had
without those before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar, final

from inbond.digest import of_bytes

_T = TypeVar("_T")
_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15


def mixed(value: int) -> int:
    """SplitMix64's finaliser: a bijection of 64 bits."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def key(*parts: int) -> int:
    """One number of 64 bits for several, whose order counts."""
    state = 0
    for part in parts:
        state = mixed((state + _STEP + part) & _MASK)
    return state


def named(name: str) -> int:
    """The number of a name, to make keys of."""
    return int(of_bytes(name.encode("utf-8"))[7:23], 16)


def cumulative(weights: Sequence[int]) -> tuple[int, ...]:
    """What ``Dice.weighted`` takes."""
    return tuple(accumulate(weights))


@final
class Dice:
    """A sequence of numbers that its key decides."""

    __slots__ = ("_state",)

    def __init__(self, *parts: int) -> None:
        self._state = key(*parts)

    def bits(self) -> int:
        """64 of them."""
        self._state = state = (self._state + _STEP) & _MASK
        return mixed(state)

    def below(self, n: int) -> int:
        """0 to n - 1, for n far below 2**64: the bias is n / 2**64."""
        return (self.bits() * n) >> 64

    def unit(self) -> float:
        """[0, 1), a multiple of 2**-53."""
        return (self.bits() >> 11) / 9007199254740992.0

    def chance(self, share: float) -> bool:
        """True for that share; draws a number whatever the share is."""
        return self.unit() < share

    def pick(self, items: Sequence[_T]) -> _T:
        """One of them, each alike."""
        return items[(self.bits() * len(items)) >> 64]

    def weighted(self, sums: Sequence[int]) -> int:
        """A place in the list whose running sums are given, by its weight."""
        return bisect_right(sums, self.below(sums[-1]))
