"""Which texts are of one template, when nobody says so: pieces that some parties send and few others. Pure.

A piece is one number of a sketch. It is remembered with the parties that sent it in their even windows. It is
*hot* when three parties that signed up within 30 days of the middle of them sent it, and *public* when more
than a few others did: what people found over time (an app's prompt, a phrase of the language, a text that
went round) is nobody's campaign. When sign-ups are unknown it is public: a doubt counts for the callers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inbond.guard.detect.capital import DAY_S
from inbond.guard.detect.columns import Columns, runs
from inbond.guard.detect.memory import ENVELOPE, PAIR, Pairs
from inbond.guard.sketch import EMPTY, SYSTEM_BINS, USER_BINS

Keys = npt.NDArray[np.uint64]
HOT: Final = 3
"""Parties of one age that make a piece hot, parties of another that make it public, and hot pieces that make
a request one of a template."""
_FAR_DAYS: Final = 30
_MOST_PARTIES: Final = 64
_MOST_PAIRS: Final = 2**19
_LONE_S: Final = DAY_S
_SHARED_S: Final = 14 * DAY_S
_PLACES: Final = np.arange(SYSTEM_BINS + USER_BINS, dtype=np.uint64) << np.uint64(32)


@final
@dataclass(frozen=True)
class Hot:
    """Hot pieces that are not public: ``keys`` in order, how many parties are remembered for each, and the
    middle of the days they signed up."""

    keys: Keys
    parties: npt.NDArray[np.int64]
    days: npt.NDArray[np.int64]


def pieces(columns: Columns) -> Keys:
    """(requests, pieces): place and number of every part of the sketches; 0 where a part is empty, the party
    is unknown or the request is under a registration."""
    keys = columns.sketches | _PLACES + (np.uint64(1) << np.uint64(40))
    keys[(columns.sketches == EMPTY) | ((columns.party == 0) | columns.registered)[:, None]] = 0
    return keys


def remembered(pairs: Pairs, columns: Columns, keys: Keys, even: npt.NDArray[np.bool_], window: int) -> Pairs:
    """The pairs with those of a window's even requests, and of all envelopes that are not the caller's; the
    old, the lone and what is too many let go."""
    marks = columns.marks[even]
    new = np.zeros((len(marks), keys.shape[1]), dtype=PAIR)
    new["key"] = keys[even]
    new["party"] = marks["party"][:, None]
    new["created"] = marks["created"][:, None]
    new["last"] = window
    return _bounded(_once(np.concatenate([pairs, new[new["key"] != 0], _handed(columns, window)])), window)


def _handed(columns: Columns, window: int) -> Pairs:
    envelopes = columns.marks["envelopes"]
    of, place = np.nonzero((envelopes != 0) & (columns.party != 0)[:, None])
    found = np.zeros(len(of), dtype=PAIR)
    found["key"] = envelopes[of, place] | np.uint64(ENVELOPE)
    found["party"], found["last"] = columns.party[of], window
    return found


def public(pairs: Pairs, envelopes: Keys) -> npt.NDArray[np.bool_]:
    """Whether an envelope was handed back by so many parties that it went round."""
    keys = pairs["key"][pairs["key"] >= np.uint64(ENVELOPE)]
    starts, sizes = runs(keys)
    found: npt.NDArray[np.bool_] = np.isin(envelopes | np.uint64(ENVELOPE), keys[starts][sizes >= HOT])
    return found


def _once(pairs: Pairs) -> Pairs:
    """Each (piece, party) once, as last seen; in order."""
    order = np.lexsort((pairs["created"], pairs["last"], pairs["party"], pairs["key"]))
    pairs = pairs[order]
    later = (pairs["key"][1:] == pairs["key"][:-1]) & (pairs["party"][1:] == pairs["party"][:-1])
    kept: Pairs = pairs[np.append(~later, True)] if len(pairs) else pairs
    return kept


def _bounded(pairs: Pairs, window: int) -> Pairs:
    starts, sizes = runs(pairs["key"])
    rank = np.arange(len(pairs)) - np.repeat(starts, sizes)
    shared = np.repeat(sizes > 1, sizes) | (pairs["key"] >= np.uint64(ENVELOPE))
    age = window - pairs["last"].astype(np.int64)
    kept: Pairs = pairs[(rank < _MOST_PARTIES) & (age <= np.where(shared, _SHARED_S, _LONE_S))]
    if len(kept) <= _MOST_PAIRS:
        return kept
    # What goes is chosen by the piece and not by who sent it: pieces with small numbers stay for everybody,
    # so that a template with many pieces is still met by some of them.
    small = np.sort(kept["key"] & np.uint64(EMPTY))[_MOST_PAIRS // 2]
    few: Pairs = kept[(kept["key"] & np.uint64(EMPTY)) < small]
    return few


def hot(pairs: Pairs) -> Hot:
    """The pieces that tell a template."""
    pairs = pairs[pairs["key"] < np.uint64(ENVELOPE)]
    by_day = pairs[np.lexsort((pairs["created"], pairs["key"]))]
    starts, sizes = runs(by_day["key"])
    if not len(starts):
        none = np.zeros(0, dtype=np.int64)
        return Hot(none.astype(np.uint64), none, none)
    days = by_day["created"].astype(np.int64)
    known = np.add.reduceat((days > 0).astype(np.int64), starts)
    middle = days[starts + sizes - 1 - known // 2]
    far = (days > 0) & (np.abs(days - np.repeat(middle, sizes)) > _FAR_DAYS)
    far_ones = np.add.reduceat(far.astype(np.int64), starts)
    near_ones = known - far_ones
    one_age = (near_ones >= HOT) & (far_ones < HOT) & (4 * far_ones <= near_ones)
    telling = one_age & (2 * known >= sizes)
    return Hot(by_day["key"][starts][telling], sizes[telling], middle[telling])


def leaders(keys: Keys, created: npt.NDArray[np.int64], found: Hot) -> Keys:
    """(requests): the piece by which a request's template is called, 0 for a request of none. Of its hot
    pieces whose senders are of the caller's age, and which about as many parties sent as any, it is the one
    with the smallest number: that one fillings of the same template most surely have in common."""
    if not len(found.keys) or not len(keys):
        return np.zeros(len(keys), dtype=np.uint64)
    at = np.minimum(np.searchsorted(found.keys, keys), len(found.keys) - 1)
    is_hot = (found.keys[at] == keys) & (np.abs(found.days[at] - created[:, None]) <= _FAR_DAYS)
    parties = np.where(is_hot, found.parties[at], 0)
    wide = is_hot & (2 * parties >= parties.max(axis=1, keepdims=True))
    number = np.where(wide, keys & np.uint64(EMPTY), np.uint64(EMPTY))
    best = np.argmin(number, axis=1)
    chosen: Keys = keys[np.arange(len(keys)), best]
    return np.where(is_hot.sum(axis=1) >= HOT, chosen, np.uint64(0))
