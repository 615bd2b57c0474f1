"""Claims and amounts for tests of the guard's state."""

from __future__ import annotations

from inbond.guard.budget import Claim, Seat, bounds

AT = 1_760_000_000.0
"""In the midst of a minute, a day and a month."""


def claim(
    counter: str = "a", amount: int = 1, cap: int = 10, at: float = AT, window: str = "minute"
) -> Claim:
    begins, ends = bounds(window, at)
    return Claim(counter, "tokens", window, begins, ends, amount, cap)


def seat(counter: str = "a", cap: int = 1) -> Seat:
    return Seat(counter, cap)
