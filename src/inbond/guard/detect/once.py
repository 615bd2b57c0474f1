"""What counted already, so that it counts once: eliciting texts in their conversations, envelopes of others.
Pure.

Only what never counted enters, and what comes back is kept as long as what is new. An account that brought a
few old conversations along has done so a few times, however often and in whatever order it goes on with them.
Past MOST_EACH numbers the one that was away for longest is forgotten, and would count again: who hands back
so many of others' has broken the bound by then.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect.columns import Flags, Hashes, runs
from inbond.guard.sketch import mixed

ONCE: Final = np.dtype([("key", "<u8"), ("of", "<u8"), ("last", "<u4")])
"""In order of ``key``, a number for a thing and whose it is; ``last`` is the window in which it was seen."""
Once = npt.NDArray[Any]
MOST_EACH: Final = 64
"""Numbers of each kind that are kept for an account."""
MOST: Final = 2**17
_IDLE_S: Final = 60 * 86_400
_ENVELOPES: Final = np.uint64(0x9E3779B97F4A7C15)


def nothing() -> Once:
    """Nobody's."""
    return np.zeros(0, dtype=ONCE)


def of_envelopes(accounts: Hashes) -> Hashes:
    """Accounts' numbers as those whose envelopes are kept; texts are kept by the accounts' own."""
    return accounts ^ _ENVELOPES


def keys(of: Hashes, numbers: Hashes) -> Hashes:
    """The keys of things by whose they are."""
    return mixed(mixed(of) ^ numbers)


def known(kept: Once, found: Hashes) -> Flags:
    """Whether things counted before."""
    if not len(kept):
        return np.zeros(found.shape, dtype=np.bool_)
    at = np.minimum(np.searchsorted(kept["key"], found), len(kept) - 1)
    same: Flags = kept["key"][at] == found
    return same


def remembered(kept: Once, of: Hashes, found: Hashes, window: int) -> Once:
    """With what counted in a window or came back in it; ``found`` are its keys and ``of`` says whose."""
    rows = np.zeros(len(found), dtype=ONCE)
    rows["key"], rows["of"], rows["last"] = found, of, window
    both = np.concatenate([kept, rows])
    both = both[np.lexsort((both["of"], both["last"], both["key"]))]
    latest = np.ones(len(both), dtype=np.bool_)
    latest[:-1] = both["key"][1:] != both["key"][:-1]
    return _bounded(both[latest], window)


def _bounded(kept: Once, window: int) -> Once:
    """Without what was away for long, and what is too many: of each, then of all, the latest stay."""
    kept = kept[window - kept["last"].astype(np.int64) <= _IDLE_S]
    away = window - kept["last"].astype(np.int64)
    order = np.lexsort((kept["key"], away, kept["of"]))
    starts, sizes = runs(kept["of"][order])
    order = order[np.arange(len(order)) - np.repeat(starts, sizes) < MOST_EACH]
    latest = order[np.lexsort((kept["key"][order], away[order]))[:MOST]]
    few: Once = kept[np.sort(latest)]
    return few
