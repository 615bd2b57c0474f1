"""How far all judges of a batch are, put together out of what each call tells. Pure but for telling it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from inbond.engine.completions import Progress


@final
@dataclass(frozen=True)
class Standing:
    """How far the whole batch is: replies. ``seconds_left`` is the slowest judge's; None: not known yet."""

    done: int
    total: int
    failed: int
    a_second: float
    seconds_left: float | None
    cost_usd: float


@final
class Watch:
    """Puts the progress of all judges together."""

    def __init__(self, tell: Callable[[Standing], None] | None, totals: Mapping[str, int]) -> None:
        self._tell = tell
        self._totals = totals
        self._now: dict[str, Progress] = {}
        self._heard: dict[str, int] = {}

    def told(self, judge: str, heard: int, now: Progress) -> None:
        """Takes in one judge's, which had ``heard`` so many replies before this call."""
        self._now[judge], self._heard[judge] = now, heard
        if self._tell is not None:
            self._tell(self._standing())

    def _standing(self) -> Standing:
        done = sum(min(self._totals[name], self._heard[name] + now.done) for name, now in self._now.items())
        rates = [_rate(now) for now in self._now.values()]
        left = [self._left(name, now) for name, now in self._now.items()]
        known = [each for each in left if each is not None]
        return Standing(
            done,
            sum(self._totals.values()),
            sum(now.failed for now in self._now.values()),
            sum(rates),
            max(known) if len(known) == len(self._totals) else None,
            sum(now.cost_usd for now in self._now.values()),
        )

    def _left(self, name: str, now: Progress) -> float | None:
        missing = max(0, self._totals[name] - self._heard[name] - now.done)
        if not missing:
            return 0.0
        rate = _rate(now)
        return missing / rate if rate else None


def _rate(now: Progress) -> float:
    """Fresh answers a second, as far as one call tells: what it says is left, over how long that takes."""
    missing = now.total - now.done
    return missing / now.seconds_left if now.seconds_left else 0.0
