"""Follows a workspace's ledger: what was read stays read, and only what is new is asked for.

A ledger that is shorter than it was, or has another event where the last one stood, is read anew. Of a ledger
that is shared, and of one of an unknown kind, all is read anew after each change: which events count there
depends on others. Nothing is checked that ``verify`` checks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import final

from inbond.digest import Digest
from inbond.ledger import events, membership
from inbond.ledger.membership import Reading
from inbond.ledger.told import KINDS, Told, kind_of
from inbond.workspace import Workspace

Mark = tuple[int, Digest]
"""Where a ledger ends: the last event's place and digest."""
_EVERY = 5_000


def mark_of(workspace: Workspace) -> Mark | None:
    """Where the ledger ends by now; None without events. Raises as ``membership.open_to_read``."""
    if not membership.begun(workspace):
        return None
    reading = membership.open_to_read(workspace, os.environ)
    with closing(reading.store):
        return _end(reading)


def _end(reading: Reading) -> Mark | None:
    last = reading.store.last()
    return None if last is None else (last.position, last.digest)


@final
class Following:
    """What one workspace's ledger tells of lineage. For one thread at a time."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._told = Told()
        self.mark: Mark | None = None
        self.fresh = 0
        """How many events of lineage the last reading brought."""

    def read_on(self, seen: Callable[[int, int], None]) -> Told:
        """What is told by now, as a copy. ``seen`` hears how many of how many events were looked at.

        Raises as ``membership.events_in``; the next time it begins anew then.
        """
        if not membership.begun(self._workspace):
            self._begin_anew()
            return Told()
        reading = membership.open_to_read(self._workspace, os.environ)
        with closing(reading.store):
            end = _end(reading)
            if end == self.mark:
                self.fresh = 0
                return self._told.copy()
            if reading.workspace is not None or not self._stands(reading):
                self._begin_anew()
            try:
                self._take(reading, end, seen)
            except BaseException:
                self._begin_anew()
                raise
        return self._told.copy()

    def _begin_anew(self) -> None:
        self._told, self.mark, self.fresh = Told(), None, 0

    def _stands(self, reading: Reading) -> bool:
        """Whether what was read last is still there."""
        if self.mark is None:
            return True
        found = next(reading.store.read(self.mark[0]), None)
        return found is not None and (found.position, found.digest) == self.mark

    def _take(self, reading: Reading, end: Mark | None, seen: Callable[[int, int], None]) -> None:
        self.fresh, size = 0, 0 if end is None else end[0] + 1
        if reading.workspace is not None:
            for event in reading.events():
                self._told.add(event)
                self.fresh += 1
            self.mark = end
            return
        start = 0 if self.mark is None else self.mark[0] + 1
        last = None
        for entry in reading.store.read(start):
            if kind_of(entry) in KINDS:
                self._told.add(events.decode(entry.text))
                self.fresh += 1
            last = entry
            if entry.position % _EVERY == 0:
                seen(entry.position, size)
        if last is not None:
            self.mark = (last.position, last.digest)
            self._told.at = events.decode(last.text).at
