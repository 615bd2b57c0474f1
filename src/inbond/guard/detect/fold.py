"""A closed window's marks into memory. Pure: the marks are a multiset, and are put in order first.

A trial is what one account did in one window, as a share of its requests there, and a window of an account is
even or odd by its hash: templates are found in even ones and tested in odd ones. So a thousand times the
requests make not one trial more, and no share larger: volume alone is no evidence.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from inbond.guard.detect import synchrony, templates
from inbond.guard.detect.columns import Columns, Flags, Hashes, Numbers, columns
from inbond.guard.detect.families import WHOLE
from inbond.guard.detect.judge import RESTRICTED, standing
from inbond.guard.detect.memory import (
    DAY_S,
    MOST_CONVERSATIONS,
    MOST_LEADERS,
    ROW,
    WINDOW_S,
    Accounts,
    Memory,
    Table,
    shortened,
)
from inbond.guard.elicitation import PLAIN
from inbond.guard.marks import Mark

_IDLE_S: Final = 60 * DAY_S


def window_of(ts_ms: int) -> int:
    """The window of a mark: the second it begins with."""
    return ts_ms // (1_000 * WINDOW_S) * WINDOW_S


def fold(memory: Memory, window: int, marks: Iterable[Mark]) -> Memory:
    """What is remembered after a window, with everybody's tier as of then. Windows come in order; an empty
    one may be left out."""
    return fold_kept(memory, window, [mark.to_bytes() for mark in marks])


def fold_kept(memory: Memory, window: int, marks: Sequence[bytes]) -> Memory:
    """As ``fold``, of marks as bytes. Raises ValueError for what are none."""
    assert window > memory.window, "windows are folded once, and in order"
    if not marks:
        return _standing(Memory(window, _with(memory.accounts, ()), memory.pairs))
    seen = columns(marks)
    is_odd = np.array([odd(name, window) for name in seen.names], dtype=np.bool_)
    keys = templates.pieces(seen.sketches, seen.registered)
    pairs = templates.remembered(memory.pairs, seen, keys, ~is_odd[seen.of], window)
    led = templates.leaders(keys, seen.marks["created"].astype(np.int64), templates.hot(pairs))
    accounts = _with(memory.accounts, seen.names)
    at = np.array([accounts.row(name) for name in seen.names], dtype=np.int64)
    rows = accounts.table[at]
    _tell(rows, seen, window)
    _count(rows, seen, led, is_odd)
    _lead(rows, seen, led, is_odd)
    accounts.table[at] = rows
    return _standing(Memory(window, _kept(accounts, window), pairs))


def odd(account: str, window: int) -> bool:
    """Whether a window of an account is one to test in."""
    return bool(zlib.crc32(f"{window} {account}".encode("utf-8", "surrogatepass")) & 1)


def _with(accounts: Accounts, names: tuple[str, ...]) -> Accounts:
    """A copy that has a row for each of the names."""
    new = [name for name in names if name not in accounts]
    if not new:
        return Accounts(accounts.names, accounts.table.copy())
    both = [*accounts.names, *new]
    order = sorted(range(len(both)), key=both.__getitem__)
    table = np.concatenate([accounts.table, np.zeros(len(new), dtype=ROW)])[order]
    return Accounts(tuple(both[i] for i in order), table)


def _tell(rows: Table, seen: Columns, window: int) -> None:
    """What is known of the accounts, as they said it last, and what is only shown."""
    last = seen.marks[seen.lasts]
    rows["first"] = np.where(rows["windows"] == 0, window, rows["first"])
    rows["last"] = window
    rows["party"], rows["registered"] = last["party"], last["registered"] != 0
    for name in ("payment", "client", "created"):
        rows[name] = np.where(last[name] != 0, last[name], rows[name])
    rows["requests"] += seen.summed(np.ones(len(seen.marks), dtype=np.int64))
    rows["output_tokens"] += seen.summed(seen.marks["output_tokens"])
    rows["refused"] += seen.summed(seen.marks["refused"])
    rows["asked_plainly"] += seen.summed(seen.marks["elicitation"] == PLAIN)
    rows["windows"] += 1


def _count(rows: Table, seen: Columns, led: Hashes, is_odd: Flags) -> None:
    """The trials of a window and their shares."""
    new = ~_known(rows, seen)
    elicits, foreign, inside = seen.elicits & new, seen.foreign & new, led != 0
    everything = np.ones(len(inside), dtype=np.bool_)
    rows["eliciting_requests"] += seen.summed(elicits)
    rows["foreign_requests"] += seen.summed(foreign)
    for name, hits in (("elicited", elicits), ("replayed", foreign)):
        share = _share(seen, hits, everything)
        rows[name] += share
        rows[f"{name}_odd"] += share * is_odd
        rows[f"{name}_in_template"] += _share(seen, hits & inside, inside) * is_odd
    within = seen.summed(inside) > 0
    rows["odd"] += is_odd
    rows["template_windows"] += within
    rows["in_template"] += within & is_odd
    rows["template_odd"] += _share(seen, inside, everything) * is_odd
    paired, in_step = synchrony.trials(seen)
    rows["paired"] += paired
    rows["in_step"] += in_step
    _converse(rows, seen, elicits | foreign)


def _known(rows: Table, seen: Columns) -> Flags:
    """A conversation brings its history along: what was counted in an earlier window is not again."""
    out = np.zeros(len(seen.marks), dtype=np.bool_)
    talks = seen.marks["conversation"]
    told = np.flatnonzero((talks != 0) & (seen.elicits | seen.foreign))
    short = shortened(talks[told])
    out[told] = (rows["conversations"][seen.of[told]] == short[:, None]).any(axis=1)
    return out


def _share(seen: Columns, hits: Flags, among: Flags) -> Numbers:
    """Of each account's marks, in 256ths, rounded down; 0 of none."""
    found: Numbers = seen.summed(hits) * WHOLE // np.maximum(seen.summed(among), 1)
    return found


def _converse(rows: Table, seen: Columns, told: Flags) -> None:
    """The last conversations that showed something."""
    talks: dict[int, dict[int, None]] = {}
    places = np.flatnonzero(told & (seen.marks["conversation"] != 0))
    short = shortened(seen.marks["conversation"][places])
    for row, talk in zip(seen.of[places].tolist(), short.tolist(), strict=True):
        talks.setdefault(row, {})[talk] = None
    for row, new in talks.items():
        old = (talk for talk in rows["conversations"][row].tolist() if talk)
        kept = tuple(dict.fromkeys([*old, *new]))[-MOST_CONVERSATIONS:]
        rows["conversations"][row, : len(kept)] = kept


def _lead(rows: Table, seen: Columns, led: Hashes, is_odd: Flags) -> None:
    """In even windows: which templates an account sends, the most often seen first."""
    found: dict[int, set[int]] = {}
    for at in np.flatnonzero((led != 0) & ~is_odd[seen.of]).tolist():
        found.setdefault(int(seen.of[at]), set()).add(int(led[at]))
    for row, pieces in found.items():
        counts = {piece: windows for piece, windows in rows["leaders"][row].tolist() if piece}
        for piece in pieces:
            counts[piece] = counts.get(piece, 0) + 1
        ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST_LEADERS]
        for i, leader in enumerate(ranked):
            rows["leaders"][row, i] = leader


def _kept(accounts: Accounts, window: int) -> Accounts:
    """Without those that were not seen for long."""
    stays = window - accounts.table["last"].astype(np.int64) <= _IDLE_S
    if stays.all():
        return accounts
    names = tuple(name for name, each in zip(accounts.names, stays.tolist(), strict=True) if each)
    return Accounts(names, accounts.table[stays])


def _standing(memory: Memory) -> Memory:
    """Writes every account's tier, and since when it stands at tier 2, into a table of one's own."""
    found = standing(memory).tiers
    table = memory.accounts.table
    began = np.where(table["since"] > 0, table["since"], memory.window)
    table["tier"] = found
    table["since"] = np.where(found >= RESTRICTED, began, 0)
    return memory
