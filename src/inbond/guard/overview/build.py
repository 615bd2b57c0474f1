"""From what the guard remembers, judged and recorded to what its page shows. Pure.

No prompt can be shown: none is kept. Bounded for any number of accounts; what is left out is counted.
"""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import Final

from inbond.guard.appeals import Appeal, said_at
from inbond.guard.detect.families import FAMILIES
from inbond.guard.detect.judge import FDR
from inbond.guard.detect.memory import WINDOW_S
from inbond.guard.overview import accounts, groups
from inbond.guard.overview.evidence import NAMES
from inbond.guard.overview.numbers import Sources, counted, summary, tenants_of
from inbond.guard.overview.sightings import MOST_SIGHTINGS, resembling
from inbond.guard.overview.sightings import drawn as sighting_of
from inbond.guard.overview.times import by_when, time_of
from inbond.report.guard_view import Objection, View
from inbond.report.picture import Tone

MOST_ENTRIES: Final = 24
MOST_APPEALS: Final = 20


def view(sources: Sources) -> View:
    """What to show. Raises as ``accounts.chosen``."""
    names = accounts.chosen(sources)
    history = accounts.history_of(sources, names)
    clusters = groups.of_interest(sources)
    shown = list(enumerate(clusters[: groups.MOST_GROUPS], start=1))
    links = {each.id: groups.link(number, each) for number, each in shown}
    sighted = resembling(sources.sighted, sources.now, sources.only)
    anchors = {name: f"account-{number}" for number, name in enumerate(names[:MOST_ENTRIES], start=1)}
    told = groups.recorded(sources, names, history)
    decided = groups.decided(sources, shown)
    tenants, appeals = tenants_of(sources), _appeals(sources)
    counts = counted(sources, len(tenants))
    return View(
        summary(sources, counts, appeals),
        time_of(sources.memory.window + WINDOW_S) if sources.memory.window else "",
        said_at(sources.now),
        {name: number for name, number in counts.items() if name != "told"},
        tuple(accounts.row(sources, name, history[name]) for name in names),
        0 if sources.only else counts["told"] - len(names),
        tuple(
            accounts.entry(sources, name, history[name], links, decided.get(name, ""))
            for name in names[:MOST_ENTRIES]
        ),
        tuple(_objection(each, sources) for each in appeals[:MOST_APPEALS]),
        max(0, len(appeals) - MOST_APPEALS),
        tuple(
            groups.drawn(number, each, sources, names, told.get(each.id, {}), decided)
            for number, each in shown
        ),
        len(clusters) - len(shown),
        tuple(sighting_of(each, anchors) for each in sighted[:MOST_SIGHTINGS]),
        max(0, len(sighted) - MOST_SIGHTINGS),
        tuple(tenants),
        sources.only,
        NAMES,
        tuple((family.name, f"{Decimal(family.bound):.1%} of trials at most") for family in FAMILIES),
        f"{FDR:.0%}",
        sources.called_with,
    )


def _appeals(sources: Sources) -> list[Appeal]:
    """The open ones first, by when they end; then the latest."""
    cases = [sources.cases.get(sources.only)] if sources.only else sources.cases.values()
    found = [each for case in cases if case is not None for each in case.appeals]
    return sorted(
        found, key=lambda each: (not each.is_open(sources.now), abs(each.due - sources.now), each.id)
    )


def _objection(appeal: Appeal, sources: Sources) -> Objection:
    tone: Tone = "plain"
    command = ""
    if appeal.is_open(sources.now):
        tone, state = "care", f"open, to be answered {by_when(appeal.due, sources.now)}"
        command = sources.command(
            f"appeal {shlex.quote(appeal.id)} --decide upheld|lifted --by NAME --reason WHY"
        )
    elif appeal.outcome is None:
        state = f"granted: nobody answered by {said_at(appeal.due)}"
    else:
        state = f"{appeal.outcome} by {appeal.by}: {appeal.answer}"
    at = said_at(appeal.at)
    return Objection(appeal.id, appeal.account, appeal.text, tone, state, at, command)
