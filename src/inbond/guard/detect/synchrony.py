"""Who sends the same text at the same moment as somebody it has nothing to do with. Pure.

Two strangers may send one text, and do: a class its exercise, users of one app its prompt. But when they send
it is each one's own affair: of a partner within a minute, drawn without a look at the clock, it is as likely
here as there, so that within three seconds of each other they are once in twenty times. That is the bound's
ground, and holds for any text and any number of strangers. What comes around a whole minute is on everybody's
clock (timers do that) and is not looked at.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect.columns import Columns, runs
from inbond.guard.detect.families import WHOLE
from inbond.guard.sketch import EMPTY, mixed

Numbers = npt.NDArray[np.int64]
NEAR_MS: Final = 60_000
STEP_MS: Final = 3_000
_MINUTE_MS: Final = 60_000
_CLOCK_MS: Final = 5_000


def trials(columns: Columns) -> tuple[Numbers, Numbers]:
    """(accounts of the window): whether it had a partner at all, and the share in step, in 256ths."""
    count = len(columns.names)
    out = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    eligible = _eligible(columns)
    if len(eligible) < 2:
        return out
    chosen, text = _shared(columns, eligible)
    if not len(chosen):
        return out
    partner = _partners(columns, chosen, text)
    known = columns.party[chosen] != columns.party[partner]
    step = np.abs(columns.ts_ms[chosen] - columns.ts_ms[partner]) <= STEP_MS
    of = columns.of[chosen]
    paired = np.bincount(of[known], minlength=count)
    hits = np.bincount(of[known & step], minlength=count)
    return (paired > 0).astype(np.int64), hits * WHOLE // np.maximum(paired, 1)


def _eligible(columns: Columns) -> Numbers:
    """Requests with a text, of callers that are not registered, off the whole minute; one for each moment
    of an account and text, so that a request said twice is one."""
    past = columns.ts_ms % _MINUTE_MS
    off = (past >= _CLOCK_MS) & (past < _MINUTE_MS - _CLOCK_MS)
    said = (columns.sketches != EMPTY).any(axis=1)
    kept = np.flatnonzero(off & said & ~columns.registered)
    text = texts(columns.sketches[kept])
    order = np.lexsort((columns.ts_ms[kept], columns.of[kept], text))
    kept, text = kept[order], text[order]
    if len(kept) < 2:
        return kept
    again = (
        (text[1:] == text[:-1])
        & (columns.of[kept[1:]] == columns.of[kept[:-1]])
        & (columns.ts_ms[kept[1:]] == columns.ts_ms[kept[:-1]])
    )
    fresh: Numbers = kept[np.append(True, ~again)]
    return fresh


def texts(sketches: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """(requests, parts) -> one number for each text; the same for the same text."""
    found = np.zeros(len(sketches), dtype=np.uint64)
    for part in range(sketches.shape[1]):
        found = mixed(found ^ sketches[:, part] ^ np.uint64(part << 40))
    return found


def _shared(columns: Columns, eligible: Numbers) -> tuple[Numbers, npt.NDArray[np.uint64]]:
    """Those whose text more than one party sent, in order of text and time, and their texts."""
    text = texts(columns.sketches[eligible])
    order = np.lexsort((columns.of[eligible], columns.ts_ms[eligible], text))
    chosen, text = eligible[order], text[order]
    starts, sizes = runs(text)
    party = columns.party[chosen]
    several = np.minimum.reduceat(party, starts) != np.maximum.reduceat(party, starts)
    kept = np.repeat(several, sizes)
    return chosen[kept], text[kept]


def _partners(columns: Columns, chosen: Numbers, text: npt.NDArray[np.uint64]) -> Numbers:
    """For each a request of the same text within NEAR_MS, drawn by a hash; maybe one of its own."""
    starts, sizes = runs(text)
    ts: Any = columns.ts_ms[chosen]
    # one line of time for each text, far enough from the next that nobody reaches over
    line = ts - ts.min() + np.repeat(np.arange(len(starts)), sizes) * (int(ts.max() - ts.min()) + 4 * NEAR_MS)
    low = np.searchsorted(line, line - NEAR_MS, side="left")
    high = np.searchsorted(line, line + NEAR_MS, side="right")
    draw = mixed(columns.hashes[columns.of[chosen]] ^ ts.astype(np.uint64) ^ text)
    partner: Numbers = chosen[low + (draw % (high - low).astype(np.uint64)).astype(np.int64)]
    return partner
