"""What the guard of a workspace keeps and what was decided, as its report reads it; kept beside the pages.

The guard's own file is read, never a Redis that replicas share: the site is told of no guard.yaml. So
decisions by keys that only guard.yaml names do not count here either.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, final

from inbond.guard import kept
from inbond.guard.overview.accounts import MOST_MOMENTS, ranked
from inbond.guard.overview.numbers import Sources
from inbond.guard.overview.reading import sources_of
from inbond.guard.sighted import SIGHTED
from inbond.guard.standing import JUDGED
from inbond.ledger import membership
from inbond.ledger.following import mark_of
from inbond.ledger.told import kind_of
from inbond.ui.beside import Beside, Found
from inbond.workspace import Workspace

_FIRST: Final = 64
"""Of so many accounts the overview tells, at most."""


@final
@dataclass(frozen=True)
class Seen:
    """``names`` are all accounts that there is anything to say of, the weightiest first; ``judged`` the
    latest verdicts of each that the ledger has."""

    sources: Sources
    names: Sequence[str]
    judged: Mapping[str, Sequence[Mapping[str, Any]]]

    def of(self, only: str | None, now: datetime) -> Sources:
        """What the report is made from: of all, or of one account."""
        wanted = self.names[:_FIRST] if only is None else [only]
        judged = tuple(body for name in wanted for body in self.judged.get(name, ()))
        sources = replace(self.sources, now=now, judged=judged)
        if only is None:
            return sources
        one = sources_of(now, sources.memory, sources.standing, sources.cases, only)
        return replace(one, judged=judged, sighted=sources.sighted)


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
        return kept.window_in(self._workspace.guard), mark_of(self._workspace)

    def _read(self) -> tuple[object, Seen]:
        mark = self._mark()
        memory, standing = kept.standing_in(self._workspace.guard)
        cases = kept.cases_in(self._workspace)
        sources = sources_of(datetime.now(UTC), memory, standing, cases, None)
        judged, sighted = self._told({*standing, *cases})
        sources = replace(sources, sighted=tuple(sighted))
        return mark, Seen(sources, ranked(sources), judged)

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
