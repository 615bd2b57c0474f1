"""From what the state and the ledger hold to what the report is made from. Pure: reading is the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from inbond.guard import observe
from inbond.guard.appeals import Case
from inbond.guard.detect.judge import Judgement, judge
from inbond.guard.detect.memory import Memory
from inbond.guard.overview.accounts import chosen
from inbond.guard.overview.numbers import Sources
from inbond.guard.sighted import SIGHTED
from inbond.guard.standing import JUDGED
from inbond.ledger.events import Event


def sources_of(
    now: datetime,
    memory: Memory,
    standing: Mapping[str, Mapping[str, Any]],
    cases: Mapping[str, Case],
    only: str | None,
) -> Sources:
    """All but what the ledger tells of verdicts and sightings, about all accounts or the ``only`` one."""
    found = judge(memory)
    sources = Sources(now, memory, standing, found.clusters, cases)
    return sources if only is None else about(only, sources, found)


def about(only: str, sources: Sources, found: Judgement) -> Sources:
    """The sources of a report about one account, which is looked at anew where nothing is kept of it, as of
    those at tier 0."""
    standing = sources.standing
    if only in sources.memory.accounts and only not in standing:
        looked = observe.to_bytes(found.accounts[only], found.window)
        standing = {**standing, only: observe.from_bytes(looked)}
    return replace(sources, standing=standing, only=only)


def with_events(sources: Sources, events: Iterable[Event]) -> Sources:
    """With what a ledger's events tell of the accounts that get a line. Raises as ``accounts.chosen``."""
    names = set(chosen(sources))
    judged: list[Mapping[str, Any]] = []
    sighted: list[tuple[str, Mapping[str, Any]]] = []
    for each in events:
        if each.kind == JUDGED and str(each.body.get("account")) in names:
            judged.append(each.body)
        elif each.kind == SIGHTED:
            sighted.append((each.at, each.body))
    return replace(sources, judged=tuple(judged), sighted=tuple(sighted))
