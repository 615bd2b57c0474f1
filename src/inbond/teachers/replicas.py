"""Which of several servers of one model is asked next: pure rules, no clock and no I/O of their own.

The one with the fewest requests in flight, so that a fast one gets more. One that fails rests, twice as
long each time in a row, and its requests go to the others. Seconds are of any monotonic clock, handed in.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import final

REST_S, MOST_REST_S = 2.0, 60.0


@final
@dataclass
class Replica:
    """One server. ``model`` is what it called itself in its first answer, empty before that."""

    name: str
    in_flight: int = 0
    asked: int = 0
    failures: int = 0
    until_s: float = 0.0
    model: str = ""

    def failed(self, now_s: float, rest_s: float | None = None) -> None:
        """It rests, at least as long as it asked for itself."""
        self.failures += 1
        wait_s = min(MOST_REST_S, REST_S * 2.0 ** min(self.failures - 1, 10))
        self.until_s = max(self.until_s, now_s + max(wait_s, rest_s or 0.0))

    def answered(self) -> None:
        """It serves."""
        self.failures, self.until_s = 0, 0.0


@final
class Replicas:
    """All servers of one model. A single one is never rested: its caller's own policy waits for it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        assert names, "a host is its own first replica"
        self.all = tuple(Replica(name) for name in names)

    def next(self, now_s: float, tried: Container[str] = ()) -> Replica | None:
        """Whom to ask, of those not ``tried``; None when there is nobody left.

        When all of them rest, the one that is due first, unless others were tried: then they have failed
        together, and waiting is the caller's business.
        """
        left = [replica for replica in self.all if replica.name not in tried]
        awake = [replica for replica in left if replica.until_s <= now_s]
        if awake:
            return min(awake, key=lambda replica: (replica.in_flight, replica.asked))
        if left and len(left) == len(self.all):
            return min(left, key=lambda replica: replica.until_s)
        return None

    def other_model(self, replica: Replica, said: str) -> Replica | None:
        """Notes what ``replica`` calls its model; the one that called it otherwise, where one did."""
        replica.model = replica.model or said
        if not replica.model:
            return None
        return next((each for each in self.all if each.model and each.model != replica.model), None)
