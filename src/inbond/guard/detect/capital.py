"""What the bets on an account or a group have won: sums of logarithms, which add up in any order. Pure.

A row is opened by the first hit, and bets from the next trial on: who never hit has no row, and that no bet
was made yet is known beforehand, so it is a fair game from there on. Two clocks run, windows and days: a day
sees a burst between quiet windows. Two spans remember, 4 days and 32: of each a row holds the sum since the
span before the present one began, and the sum since the present one did. Where a span ends the younger takes
the older's place, so that nothing older than two spans counts, and who turned is met as soon as who came.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from inbond.guard.detect.columns import Hashes, Numbers
from inbond.guard.detect.families import FAMILIES, GRID, PAYMENT, WHOLE, bets, logarithm
from inbond.guard.sketch import mixed

DAY_S: Final = 86_400
SPANS_S: Final = (4 * DAY_S, 32 * DAY_S)
ACCOUNT: Final = 0
"""The kind of accounts; groups are numbered from 1, as in ``clusters.KINDS``."""
MOST: Final = (2**16, 2**14, 2**14, 2**14, 2**14)
"""Rows that are kept of each kind, apart: names of clients cost nothing, accounts do."""
_KIND: Final = np.uint64(7)
_HIGHEST: Final = 2**30
"""Some 16,000 natural logarithms; a capital that is cut is none too large."""
IDLE_S: Final = 60 * DAY_S
Clock = Literal[0, 1]
WINDOWS: Final[Clock] = 0
DAYS: Final[Clock] = 1
OLDER, YOUNGER = range(2)
_CLOCKS: Final = 2
PARTS: Final = _CLOCKS * len(SPANS_S) * len(GRID)
"""Over how many capitals an e-value is the mean."""
CAPITAL: Final = np.dtype(
    [
        ("id", "<u8"),
        ("opened", "<u4"),
        ("last", "<u4"),
        ("trials", "<u4", (_CLOCKS, len(SPANS_S), 2)),
        ("hits", "<u4", (_CLOCKS, len(SPANS_S), 2)),
        ("sums", "<i4", (_CLOCKS, len(SPANS_S), 2, len(GRID))),
    ]
)
"""In order of ``id``. ``trials``, ``hits`` (256ths) and ``sums`` are by clock and span, older and younger;
``opened`` and ``last`` are windows."""
Capital = npt.NDArray[Any]


def none() -> Capital:
    """Nobody's."""
    return np.zeros(0, dtype=CAPITAL)


def ids(keys: Hashes, kind: int, family: int) -> Hashes:
    """The numbers of rows of things of a kind that are known by ``keys``; their last bits are the kind."""
    number = mixed(keys ^ np.uint64((kind * len(FAMILIES) + family + 1) << 55))
    return number & ~_KIND | np.uint64(kind)


def aged(kept: Capital, before: int, window: int) -> Capital:
    """As of a window, in place: spans that ended are let go. Returns what is left without rows that were idle
    for long."""
    stays = window - kept["last"].astype(np.int64) <= IDLE_S
    fresh = kept if stays.all() else kept[stays]
    for at, span in enumerate(SPANS_S):
        for _ in range(min(2, window // span - before // span)):
            for name in ("trials", "hits", "sums"):
                fresh[name][:, :, at, OLDER] = fresh[name][:, :, at, YOUNGER]
                fresh[name][:, :, at, YOUNGER] = 0
    return fresh


def bet(kept: Capital, family: int, clock: Clock, found: Hashes, shares: Numbers, window: int) -> Hashes:
    """Counts trials of rows, each id once, in place; ``window`` is where the trial began. A day in which its
    row was opened is left out. Returns the ids of those that hit and have no row: ``opened`` makes one."""
    at, known = places(kept, found)
    if clock == DAYS and len(kept):
        known &= kept["opened"][at] < window
    rows, won = at[known], shares[known]
    sums = kept["sums"][rows, clock] + bets(family)[:, won].T[:, None, None, :].astype(np.int64)
    kept["sums"][rows, clock] = np.minimum(sums, _HIGHEST)
    kept["trials"][rows, clock] += np.uint32(1)
    kept["hits"][rows, clock] += won.astype(np.uint32)[:, None, None]
    if clock == WINDOWS:
        kept["last"][rows] = window
        fresh: Hashes = found[~known & (shares > 0)]
        return fresh
    return np.zeros(0, dtype=np.uint64)


def opened(kept: Capital, new: Sequence[Hashes], window: int) -> Capital:
    """With rows for those ids that have none yet."""
    fresh = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *new]))
    if not len(fresh):
        return kept
    rows = np.zeros(len(fresh), dtype=CAPITAL)
    rows["id"], rows["opened"], rows["last"] = fresh, window, window
    both = np.concatenate([kept, rows])
    return both[np.argsort(both["id"], kind="stable")]


def bounded(kept: Capital) -> Capital:
    """Without rows that are too many of their kind: those that won least go first, of several those that
    nobody bet on for longest. They may begin anew."""
    stays = np.ones(len(kept), dtype=np.bool_)
    for kind, most in enumerate(MOST):
        rows = np.flatnonzero(kept["id"] & _KIND == kind)
        if len(rows) > most:
            won = of_sums(kept["sums"][rows][:, :, :, OLDER])
            stays[rows[np.lexsort((kept["id"][rows], kept["last"][rows], won))[: len(rows) - most]]] = False
    return kept if stays.all() else kept[stays]


def places(kept: Capital, found: Hashes) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Where ids stand, and whether they do."""
    if not len(kept):
        return np.zeros(len(found), dtype=np.int64), np.zeros(len(found), dtype=np.bool_)
    at = np.minimum(np.searchsorted(kept["id"], found), len(kept) - 1)
    return at, kept["id"][at] == found


def log_e(kept: Capital, found: Hashes) -> Numbers:
    """The logarithms of the e-values of ids; 0 where no bet was made."""
    out = np.zeros(len(found), dtype=np.int64)
    at, known = places(kept, found)
    out[known] = of_sums(kept["sums"][at[known]][:, :, :, OLDER])
    return out


def counted(kept: Capital, found: Hashes) -> tuple[Numbers, Numbers]:
    """Of each id (ids, clocks, spans): the trials since the span before the present one began, and the hits
    among them in 256ths; zeros where no bet was made."""
    out = np.zeros((2, len(found), _CLOCKS, len(SPANS_S)), dtype=np.int64)
    at, known = places(kept, found)
    for each, name in zip(out, ("trials", "hits"), strict=True):
        each[known] = kept[name][at[known]][..., OLDER]
    return out[0], out[1]


def strongest(sums: npt.NDArray[Any]) -> tuple[Clock, int]:
    """The clock and the place in SPANS_S whose bets won most, of sums as ``of_sums`` reads them, of one row:
    in whose trials and hits the e-value is best seen. The first of several."""
    best = int(np.argmax(sums.reshape(PARTS))) // len(GRID)
    clock, span = divmod(best, len(SPANS_S))
    return (DAYS if clock else WINDOWS), span


def of_sums(sums: npt.NDArray[Any]) -> Numbers:
    """(rows, clocks, spans, bets) -> rows: the largest of m times the m-th largest, over how many there are:
    no more than their mean, and needs no exponential."""
    flat = np.sort(sums.reshape(len(sums), PARTS).astype(np.int64), axis=1)
    found: Numbers = (flat + _parts()).max(axis=1)
    return found


def _parts() -> Numbers:
    """(PARTS,): for the smallest of n that are as large or larger, first of all of them, the logarithm of
    n over PARTS."""
    return np.array([logarithm(Decimal(n) / PARTS) for n in range(PARTS, 0, -1)], dtype=np.int64)


def of_cards(cards: Numbers, shared: Numbers) -> Numbers:
    """The logarithm of the e-value of so many means of payment, of which so many are shared."""
    table = bets(PAYMENT).astype(np.int64)
    won = shared * table[:, WHOLE, None] + (cards - shared) * table[:, 0, None]
    found: Numbers = won.max(axis=0) + logarithm(Decimal(1) / len(GRID))
    return np.where(cards > 0, found, 0)
