"""What a window, or a day, of an account is a trial of, and of the groups that it was in before. Pure.

An account's trial is the share of what it newly said that hit; a group's is the mean of those of its members
that said anything, one trial however many they are: what a class does at once is done once. A template is
looked for in even windows of its senders and tested in odd ones, by all that they say in these: where the
template is the wording that elicits, requests of the template would elicit by the way they were chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from inbond.guard.detect.capital import ACCOUNT, DAYS, WINDOWS, Capital, Clock, bet, ids, opened
from inbond.guard.detect.clusters import KINDS, PLAIN_KINDS, Kind, joined
from inbond.guard.detect.columns import Columns, Flags, Hashes, Numbers, runs
from inbond.guard.detect.families import ELICITATION, REPLAY, TEMPLATE, WHOLE
from inbond.guard.detect.memory import MOST_LEADERS, Table


@final
@dataclass(frozen=True)
class Said:
    """Of a window's marks: ``new`` are said for the first time, ``elicits`` and ``replays`` are those of
    them that hit; ``led`` names the template of each, ``odd`` are those of windows to test in."""

    new: Flags
    elicits: Flags
    replays: Flags
    led: Hashes
    odd: Flags


@final
@dataclass(frozen=True)
class Counts:
    """Of each account: how many requests count, how many of them hit. ``judged`` are those that may be of a
    template, in odd windows."""

    said: Numbers
    elicited: Numbers
    replayed: Numbers
    judged: Numbers
    template: Numbers

    def families(self) -> Iterator[tuple[int, Numbers, Numbers]]:
        """Each family with how many may hit and how many did."""
        yield ELICITATION, self.said, self.elicited
        yield REPLAY, self.said, self.replayed
        yield TEMPLATE, self.judged, self.template


def counts(seen: Columns, said: Said) -> Counts:
    """What each account of a window did."""
    judged = said.new & seen.judged & said.odd
    return Counts(
        seen.summed(said.new),
        seen.summed(said.elicits),
        seen.summed(said.replays),
        seen.summed(judged),
        seen.summed(judged & (said.led != 0)),
    )


def of_window(kept: Capital, rows: Table, seen: Columns, said: Said, window: int) -> Capital:
    """Capital with a window's bets. ``rows`` are the accounts of ``seen`` as they were before it."""
    found = counts(seen, said)
    keys = {kind: joined(rows, kind) for kind in PLAIN_KINDS}
    new = [*_own(kept, rows, found, WINDOWS, window), *_groups(kept, keys, found, WINDOWS, window)]
    new += _templates(kept, rows, seen, said, found, window)
    return opened(kept, new, window)


def of_day(kept: Capital, table: Table, began: int) -> None:
    """A day's bets, in place; ``began`` is its first second. They are on the groups that accounts were in
    when the day began: which group one is in when it ends, what it did in that day may have chosen."""
    rows = table[table["day_said"] > 0]
    names = ("said", "elicited", "replayed", "judged", "template")
    found = Counts(*(rows[f"day_{name}"].astype(np.int64) for name in names))
    keys = {kind: rows[f"day_{kind}"] for kind in PLAIN_KINDS}
    for _ in (*_own(kept, rows, found, DAYS, began), *_groups(kept, keys, found, DAYS, began)):
        pass


def share(hits: Numbers, among: Numbers) -> Numbers:
    """In 256ths, rounded down; 0 of none."""
    found: Numbers = hits * WHOLE // np.maximum(among, 1)
    return found


def _own(kept: Capital, rows: Table, found: Counts, clock: Clock, began: int) -> Iterator[Hashes]:
    for family, among, hits in found.families():
        some = among > 0
        own = ids(rows["id"][some], ACCOUNT, family)
        yield bet(kept, family, clock, own, share(hits, among)[some], began)


def _groups(
    kept: Capital, joined_by: Mapping[Kind, Hashes], found: Counts, clock: Clock, began: int
) -> Iterator[Hashes]:
    for kind, keys in joined_by.items():
        for family, among, hits in found.families():
            if family == TEMPLATE and kind == "tenant":
                continue  # colleagues share their texts
            some = (keys != 0) & (among > 0)
            yield _bet_mean(kept, kind, family, clock, keys[some], share(hits, among)[some], began)


def _bet_mean(
    kept: Capital, kind: Kind, family: int, clock: Clock, keys: Hashes, shares: Numbers, began: int
) -> Hashes:
    """One trial for each key: the mean of its members' shares."""
    order = np.argsort(keys, kind="stable")
    starts, sizes = runs(keys[order])
    if not len(starts):
        return np.zeros(0, dtype=np.uint64)
    means = np.add.reduceat(shares[order], starts) // sizes
    return bet(kept, family, clock, ids(keys[order][starts], KINDS.index(kind) + 1, family), means, began)


def _templates(
    kept: Capital, rows: Table, seen: Columns, said: Said, found: Counts, window: int
) -> Iterator[Hashes]:
    """Groups of one template: how much of what members say in odd windows hits, and how much is of it."""
    member = (rows["grouped"] >> KINDS.index("template") & 1) != 0
    keys, shares = [], {family: [] for family in (ELICITATION, REPLAY, TEMPLATE)}  # type: ignore[var-annotated]
    judged = said.new & seen.judged & said.odd
    every = seen.summed(said.new & said.odd)
    elicited, replayed = seen.summed(said.elicits & said.odd), seen.summed(said.replays & said.odd)
    for place in range(MOST_LEADERS):
        piece = rows["leaders"]["piece"][:, place]
        of_it = seen.summed(judged & (said.led == piece[seen.of]) & (said.led != 0))
        keys.append(piece)
        for family, among, hits in (
            (ELICITATION, every, elicited),
            (REPLAY, every, replayed),
            (TEMPLATE, found.judged, of_it),
        ):
            some = member & (piece != 0) & (among > 0)
            shares[family].append(np.where(some, share(hits, among), -1))
    led = np.concatenate(keys)
    for family, each in shares.items():
        values = np.concatenate(each)
        yield _bet_mean(kept, "template", family, WINDOWS, led[values >= 0], values[values >= 0], window)
