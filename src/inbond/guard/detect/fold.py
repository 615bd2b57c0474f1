"""A closed window's marks into memory. Pure: the marks are a multiset, and are put in order first.

A trial is what one account did in one window, as a share of its requests there, and a window of an account is
even or odd by its hash: templates are found in even ones and tested in odd ones. So a thousand times the
requests make no share larger, and repeating what was said not one trial more: volume alone is no evidence.
Who breaks a bound is met the sooner, the more windows there are of it.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from inbond.guard.detect import once, templates, trials
from inbond.guard.detect.capital import DAY_S, IDLE_S, Capital, aged, bounded
from inbond.guard.detect.clusters import PLAIN_KINDS, joined
from inbond.guard.detect.columns import Columns, Flags, Hashes, columns
from inbond.guard.detect.judge import RESTRICTED, weighed
from inbond.guard.detect.memory import (
    MOST_LEADERS,
    ROW,
    WINDOW_S,
    Accounts,
    Memory,
    Pairs,
    Table,
    number_of,
)
from inbond.guard.detect.once import Once
from inbond.guard.detect.trials import Said
from inbond.guard.elicitation import PLAIN
from inbond.guard.marks import Mark

_OF_DAY: Final = ("day_said", "day_elicited", "day_replayed", "day_judged", "day_template")


def window_of(ts_ms: int) -> int:
    """The window of a mark: the second it begins with."""
    return ts_ms // (1_000 * WINDOW_S) * WINDOW_S


def fold(memory: Memory, window: int, marks: Iterable[Mark]) -> Memory:
    """What is remembered after a window, with everybody's tier as of then. Windows come in order; an empty
    one may be left out."""
    return fold_kept(memory, window, [mark.to_bytes() for mark in marks])


def fold_kept(memory: Memory, window: int, marks: Sequence[bytes]) -> Memory:
    """As ``fold``, of marks as bytes. Raises ValueError for what are none. Lets go of the memory that it was
    given as soon as it is copied: where nobody else holds it, it is not there twice."""
    assert window > memory.window, "windows are folded once, and in order"
    before, pairs, counted, pushed_out = memory.window, memory.pairs, memory.once, memory.pushed_out
    capital = memory.capital.copy()
    seen = columns(marks) if marks else None
    accounts = _with(memory.accounts, seen.names if seen else ())
    del memory, marks
    _end_day(accounts.table, capital, before, window)  # of the span that the day was in: before that ends
    capital = aged(capital, before, window)
    if seen:
        pairs, capital, counted = _taken(accounts, pairs, capital, counted, seen, window)
    pushed_out, capital = pushed_out + len(capital), bounded(capital)
    pushed_out -= len(capital)
    return _standing(Memory(window, _kept(accounts, window), pairs, capital, counted, pushed_out))


def _taken(
    accounts: Accounts, pairs: Pairs, capital: Capital, counted: Once, seen: Columns, window: int
) -> tuple[Pairs, Capital, Once]:
    """Counts a window's marks, in place; what they are tested for was known before it."""
    is_odd = np.array([odd(name, window) for name in seen.names], dtype=np.bool_)
    keys = templates.pieces(seen)
    after = templates.remembered(pairs, seen, keys, ~is_odd[seen.of], window)
    led = templates.leaders(keys, seen.marks["created"].astype(np.int64), templates.hot(pairs))
    at = np.array([accounts.row(name) for name in seen.names], dtype=np.int64)
    rows = accounts.table[at]
    told = _Told.of(rows, seen)
    said = _said(told, counted, seen, led, is_odd, after)
    capital = trials.of_window(capital, rows, seen, said, window)
    _tell(rows, seen, window)
    _count(rows, seen, said)
    _lead(rows, seen, said)
    accounts.table[at] = rows
    return after, capital, _remembered(told, counted, seen, said, window)


def odd(account: str, window: int) -> bool:
    """Whether a window of an account is one to test in."""
    return bool(zlib.crc32(f"{window} {account}".encode("utf-8", "surrogatepass")) & 1)


def _with(accounts: Accounts, names: tuple[str, ...]) -> Accounts:
    """A copy that has a row for each of the names."""
    new = [name for name in names if name not in accounts]
    if not new:
        return Accounts(accounts.names, accounts.table.copy())
    new.sort()
    at = [bisect_left(accounts.names, name) + i for i, name in enumerate(new)]
    table = np.zeros(len(accounts) + len(new), dtype=ROW)  # large, and so made once
    table["id"][at] = [number_of(name) for name in new]
    stays = np.ones(len(table), dtype=np.bool_)
    stays[at] = False
    table[stays] = accounts.table
    return Accounts(tuple(sorted((*accounts.names, *new))), table)


def _end_day(table: Table, capital: Capital, before: int, window: int) -> None:
    """Where a window begins another day, what was done in the last one is a trial, in place, and the groups
    that accounts are in now are those of the next one."""
    if before // DAY_S == window // DAY_S:
        return
    trials.of_day(capital, table, before // DAY_S * DAY_S)
    for name in _OF_DAY:
        table[name] = 0
    for kind in PLAIN_KINDS:
        table[f"day_{kind}"] = joined(table, kind)


@final
@dataclass(frozen=True)
class _Told:
    """What may count once only: ``talks`` (marks) are the keys of texts, ``numbers`` (marks, some) those of
    envelopes, 0 for none, and ``envelopes`` their keys; ``owners`` and ``handers`` say whose they are."""

    owners: Hashes
    talks: Hashes
    handers: Hashes
    numbers: Hashes
    envelopes: Hashes

    @staticmethod
    def of(rows: Table, seen: Columns) -> _Told:
        owners = rows["id"][seen.of]
        numbers = _envelopes(seen)
        handers = np.repeat(once.of_envelopes(owners)[:, None], numbers.shape[1], axis=1)
        return _Told(owners, once.keys(owners, seen.talks), handers, numbers, once.keys(handers, numbers))


def _said(told: _Told, counted: Once, seen: Columns, led: Hashes, is_odd: Flags, pairs: Pairs) -> Said:
    """What of a window counts: what an account said in an earlier one counts no more."""
    new = seen.fresh & ~(once.known(counted, told.talks) & seen.elicits)
    had = once.known(counted, told.envelopes)
    counts = (told.numbers != 0) & ~had & ~templates.public(pairs, told.numbers)
    replays = new & seen.foreign & counts.any(axis=1)
    return Said(new, new & seen.elicits, replays, led, is_odd[seen.of])


def _envelopes(seen: Columns) -> Hashes:
    """(marks, some): the numbers of envelopes of others; where nobody knows them, the conversation or else
    the text stands for one."""
    numbers = seen.marks["envelopes"].astype(np.uint64)
    talk = np.where(seen.marks["conversation"] != 0, seen.marks["conversation"], seen.talks)
    unknown = seen.foreign & (numbers[:, 0] == 0)
    numbers[unknown, 0] = talk[unknown] >> np.uint64(1)
    return numbers


def _tell(rows: Table, seen: Columns, window: int) -> None:
    """What is known of the accounts, as they said it last, and what is only shown."""
    last = seen.marks[seen.lasts]
    rows["first"] = np.where(rows["windows"] == 0, window, rows["first"])
    rows["last"] = window
    rows["registered"] = last["registered"] != 0
    for name in ("party", "tenant", "payment", "client", "created"):
        rows[name] = np.where(last[name] != 0, last[name], rows[name])
    rows["requests"] += seen.summed(np.ones(len(seen.marks), dtype=np.int64))
    rows["output_tokens"] += seen.summed(seen.marks["output_tokens"])
    rows["refused"] += seen.summed(seen.marks["refused"])
    rows["asked_plainly"] += seen.summed(seen.marks["elicitation"] == PLAIN)
    rows["windows"] += 1


def _count(rows: Table, seen: Columns, said: Said) -> None:
    """Adds a window's requests to the day's, and to what is shown."""
    found = trials.counts(seen, said)
    rows["eliciting_requests"] += found.elicited
    rows["foreign_requests"] += found.replayed
    for name, each in zip(_OF_DAY, vars(found).values(), strict=True):
        rows[name] += each


def _remembered(told: _Told, counted: Once, seen: Columns, said: Said, window: int) -> Once:
    """Texts that elicited, and envelopes of others, which count now or did before."""
    enters = (told.numbers != 0) & (said.replays[:, None] | once.known(counted, told.envelopes))
    of = np.concatenate([told.owners[seen.elicits], told.handers[enters]])
    keys = np.concatenate([told.talks[seen.elicits], told.envelopes[enters]])
    return once.remembered(counted, of, keys, window)


def _lead(rows: Table, seen: Columns, said: Said) -> None:
    """In even windows: which templates an account sends, the most often seen first."""
    found: dict[int, set[int]] = {}
    for at in np.flatnonzero((said.led != 0) & ~said.odd).tolist():
        found.setdefault(int(seen.of[at]), set()).add(int(said.led[at]))
    for row, pieces in found.items():
        counts = {piece: windows for piece, windows in rows["leaders"][row].tolist() if piece}
        for piece in pieces:
            counts[piece] = counts.get(piece, 0) + 1
        ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST_LEADERS]
        for i, leader in enumerate(ranked):
            rows["leaders"][row, i] = leader


def _kept(accounts: Accounts, window: int) -> Accounts:
    """Without those that were not seen for long."""
    stays = window - accounts.table["last"].astype(np.int64) <= IDLE_S
    if stays.all():
        return accounts
    names = tuple(name for name, each in zip(accounts.names, stays.tolist(), strict=True) if each)
    return Accounts(names, accounts.table[stays])


def _standing(memory: Memory) -> Memory:
    """Writes every account's tier, since when it stands there, and its groups, into a table of one's own."""
    found = weighed(memory)
    table = memory.accounts.table
    table["tier"] = found.tiers
    table["grouped"] = found.groups.bits()
    for name, stands in (("since", found.tiers >= RESTRICTED), ("means_since", found.by_means)):
        began = np.where(table[name] > 0, table[name], memory.window)
        table[name] = np.where(stands, began, 0)
    return memory
