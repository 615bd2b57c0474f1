"""What the report says to a person at a terminal: bounded, without colours. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from inbond.report.guard_view import Drawn, Entry, Row, View

_MOST: Final = 12


def lines(shown: View) -> Iterator[str]:
    """Who stands where, what was seen, and what a person may do."""
    yield shown.sentence
    if shown.as_of:
        yield f"As of {shown.as_of}; no prompt is kept, so none can be shown."
    for each in shown.objections[:_MOST]:
        yield f"appeal {each.id} of {each.account}: {each.state}"
        if each.command:
            yield f"  {each.command}"
    yield from _more(len(shown.objections) - _MOST + shown.objections_left_out, "appeals")
    for entry in shown.entries[:_MOST]:
        yield _row(entry.row)
        if shown.only is None:
            yield from (f"  {what}: {command}" for what, command in _first(entry))
        else:
            yield from (f"  {line}" for line in _long(entry))
    yield from _more(max(0, len(shown.rows) - _MOST) + shown.rows_left_out, "accounts")
    for group in shown.groups[:_MOST]:
        yield _group(group)
        yield from (f"  {what}: {command}" for what, command in group.commands[:1])
    yield from _more(shown.groups_left_out, "groups")
    for told in shown.sightings:
        yield f"sighting of a group like {told.cluster}, claimed by {told.provider}: no evidence by itself"
    yield from _more(shown.sightings_left_out, "sightings")
    yield f"False discovery rate at most {shown.rate}: so large a share of the groups, and of the accounts"
    yield "by their own evidence, is expected past tier 0 though all bounds were kept. Members whom a group"
    yield "restricts broke it themselves, as one that keeps a bound does by chance with a probability of 1%"
    yield "at most, at any one look."


def _first(entry: Entry) -> Sequence[tuple[str, str]]:
    return () if entry.decided_at else entry.commands[:1]


def _row(row: Row) -> str:
    return f"{row.name}: {row.stands}; {row.note}; seen: {row.evidence}"


def _long(entry: Entry) -> Iterator[str]:
    yield from (*entry.said.seen, *entry.said.unseen, *entry.said.shown)
    yield from (f"group: {each.words}" for each in entry.groups)
    yield from entry.steps
    yield from (f"{at}: {what}" for at, what in entry.moments)
    yield from (f"{what}: {command}" for what, command in entry.commands)


def _group(group: Drawn) -> str:
    own = len(group.nodes) + group.more
    return f"{group.id}: {group.size:,} {group.shared}; {group.standing}; {own:,} show it themselves"


def _more(number: int, what: str) -> Iterator[str]:
    if number > 0:
        yield f"... and {number:,} {what} more; --page shows more, --json all"
