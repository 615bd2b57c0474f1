"""What the guard of a workspace keeps and what was decided, as its report reads it; kept beside the pages.

It is read again when there is something new, and once a window besides, since appeals end and liftings run
out by themselves. What many accounts come to is worked out then, and no page waits for it.

The guard's own file is read, never a Redis that replicas share: the site is told of no guard.yaml. So
decisions by keys that only guard.yaml names do not count here either.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, final

from inbond.guard import kept
from inbond.guard.detect.judge import Judgement, judge
from inbond.guard.detect.memory import WINDOW_S
from inbond.guard.overview.accounts import MOST_MOMENTS, MOST_ROWS, history_of, ranked, row
from inbond.guard.overview.build import view
from inbond.guard.overview.numbers import Sources
from inbond.guard.overview.reading import about
from inbond.guard.sighted import SIGHTED
from inbond.guard.standing import JUDGED
from inbond.ledger import membership
from inbond.ledger.following import mark_of
from inbond.ledger.told import kind_of
from inbond.report.guard_view import Row, View
from inbond.ui.beside import Beside, Found
from inbond.workspace import Workspace


@final
@dataclass(frozen=True)
class Seen:
    """``names`` are all accounts that there is anything to say of, the weightiest first; ``told`` the latest
    verdicts of each that the ledger has; ``overview`` what there is to say of all of them, as of when it was
    read."""

    sources: Sources
    found: Judgement
    names: Sequence[str]
    told: Mapping[str, Sequence[Mapping[str, Any]]]
    overview: View

    def account(self, name: str, now: datetime) -> View:
        """All there is to say of one account. Raises InputError for one that was never seen."""
        one = about(name, self.sources, self.found)
        return view(replace(one, now=now, judged=tuple(self.told.get(name, ()))))

    def rows(self, names: Sequence[str], now: datetime) -> Sequence[Row]:
        """One line for each of these accounts."""
        judged = tuple(body for name in names for body in self.told.get(name, ()))
        sources = replace(self.sources, now=now, judged=judged)
        history = history_of(sources, names)
        return [row(sources, name, history[name]) for name in names]


@final
class Watch:
    """The guard of one workspace. Safe to use from several threads."""

    def __init__(self, workspace: Workspace, patience_s: float) -> None:
        self._workspace = workspace
        self._beside = Beside(self._mark, self._read, patience_s)

    def serves(self) -> bool:
        """Whether a guard keeps its state in this workspace."""
        return kept.lies_in(self._workspace.guard)

    def seen(self) -> Found[Seen] | None:
        """What is known; None while it is read for the first time. Raises InputError and StateLostError."""
        return self._beside.now()

    def _mark(self) -> object:
        return kept.window_in(self._workspace.guard), mark_of(self._workspace), int(time.time()) // WINDOW_S

    def _read(self) -> tuple[object, Seen]:
        mark = self._mark()
        memory, standing = kept.standing_in(self._workspace.guard)
        cases = kept.cases_in(self._workspace)
        found = judge(memory)
        told, sighted = self._told({*standing, *cases})
        now = datetime.now(UTC)
        sources = Sources(now, memory, standing, found.clusters, cases, sighted=tuple(sighted))
        names = ranked(sources)
        first = tuple(body for name in names[:MOST_ROWS] for body in told.get(name, ()))
        return mark, Seen(sources, found, names, told, view(replace(sources, judged=first)))

    def _told(
        self, names: set[str]
    ) -> tuple[dict[str, deque[Mapping[str, Any]]], list[tuple[str, Mapping[str, Any]]]]:
        judged: dict[str, deque[Mapping[str, Any]]] = {}
        sighted: list[tuple[str, Mapping[str, Any]]] = []
        if not membership.begun(self._workspace):
            return judged, sighted
        reading = membership.open_to_read(self._workspace, os.environ)
        with closing(reading.store):
            found = (each for each in reading.store.read() if kind_of(each) in (JUDGED, SIGHTED))
            for event in membership.events_of(found, None) if reading.workspace is None else reading.events():
                account = str(event.body.get("account"))
                if event.kind == JUDGED and account in names:
                    judged.setdefault(account, deque(maxlen=MOST_MOMENTS)).append(event.body)
                elif event.kind == SIGHTED:
                    sighted.append((event.at, event.body))
        return judged, sighted
