"""When requests come and how large they are, as two production services had it (data/README.md).

``conv`` is of people in conversation, ``code`` of machines, which come in bursts. The shape is theirs; how
much and at which hour is a profile's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, final

from inbond.guard.simulate.dice import Dice, cumulative
from inbond.guard.simulate.reading import read_data

TraceName = Literal["conv", "code"]
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_BINS = 60
_BIN_MS = HOUR_MS // _BINS


@final
@dataclass(frozen=True)
class Trace:
    """``bin_sums``: running sums of the requests of each sixtieth; ``gaps_us``: the time between two
    requests, as 128 means by size; ``sizes``: pairs of (context tokens, generated tokens)."""

    bin_sums: tuple[int, ...]
    gaps_us: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]

    def within_hour_ms(self, dice: Dice, turned_by: int) -> int:
        """A moment of an hour. ``turned_by`` sixtieths: callers who know nothing of each other must not burst
        in the same minute because one trace did."""
        part = (dice.weighted(self.bin_sums) + turned_by) % _BINS
        return part * _BIN_MS + dice.below(_BIN_MS)

    def gap_ms(self, dice: Dice, stretched: float) -> int:
        """A time between two requests: the mean of a 128th of them, from 3/4 to 5/4 of it."""
        drawn = dice.bits()
        gap_us = self.gaps_us[drawn >> 57] * (0.75 + (drawn & 0xFFFFFFFF) / 2**33)
        return int(gap_us * stretched / 1_000)


@lru_cache(maxsize=1)
def read_traces() -> dict[str, Trace]:
    """Both traces, by name."""
    return {
        name: Trace(
            cumulative(found["bins"]),
            tuple(found["gaps_us"]),
            tuple((context, generated) for context, generated in found["sizes"]),
        )
        for name, found in json.loads(read_data("arrivals.json")).items()
    }
