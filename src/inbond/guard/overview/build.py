"""From what the guard remembers, judged and recorded to what its page shows. Pure.

No prompt can be shown: none is kept. Bounded for any number of accounts; what is left out is counted.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from inbond.errors import InputError
from inbond.guard import actions
from inbond.guard.appeals import Appeal, Case, said_at, said_of
from inbond.guard.detect.families import FAMILIES
from inbond.guard.detect.judge import FDR, Cluster
from inbond.guard.detect.memory import WINDOW_S, Account
from inbond.guard.overview.evidence import NAMES, TONES, Moment, apart, curves, moment, reasons_of, said
from inbond.guard.overview.numbers import (
    Sources,
    counted,
    since_of,
    summary,
    tenants_of,
    time_left,
    time_of,
)
from inbond.guard.overview.sightings import MOST_SIGHTINGS, drawn, resembling
from inbond.report.guard_pictures import MOST_DRAWN
from inbond.report.guard_view import Drawn, Entry, Node, Objection, View
from inbond.report.picture import Tone
from inbond.report.wording import count

MOST_ACCOUNTS: Final = 24
MOST_CLUSTERS: Final = 8
MOST_APPEALS: Final = 20
MOST_MOMENTS: Final = 60
"""Changes of one account's tier that are drawn, the latest."""
KINDS: Final[Mapping[str, str]] = {
    "payment": "one means of payment",
    "cohort": "one client, signed up within three days",
    "template": "texts of one template",
}


def chosen(sources: Sources) -> list[str]:
    """The accounts that get an entry: open appeals first, then the suspended, then the highest tiers. Raises
    InputError when the one that is asked about is not known."""
    known = {*sources.standing, *sources.cases}
    if sources.only is not None:
        if sources.only not in known and sources.only not in sources.memory.accounts:
            raise InputError(
                expected="an account that the guard has seen, as TENANT/ACCOUNT",
                found=sources.only,
                fix="inbond guard report --json lists those past tier 0",
            )
        return [sources.only]
    past = [name for name in known if sources.tier(name) or sources.matters(name)]
    return sorted(past, key=lambda name: _weight(sources, name))[:MOST_ACCOUNTS]


def _weight(sources: Sources, name: str) -> tuple[bool, bool, int, str]:
    case = sources.cases.get(name)
    waits = case is not None and any(each.is_open(sources.now) for each in case.appeals)
    return not waits, not sources.suspended(name), -sources.tier(name), name


def view(sources: Sources) -> View:
    """What to show. Raises as ``chosen``."""
    names = chosen(sources)
    anchors = {name: f"account-{number}" for number, name in enumerate(names, start=1)}
    history: dict[str, list[Moment]] = {}
    for body in sources.judged:
        name, found = body.get("account"), moment(body)
        if isinstance(name, str) and name in anchors and found is not None:
            history.setdefault(name, []).append(found)
    tenants = tenants_of(sources)
    counts = counted(sources, len(tenants))
    appeals = _appeals(sources)
    groups = [each for each in sources.clusters if sources.only is None or sources.only in each.members]
    told = resembling(sources.sighted, sources.now, sources.only)
    past = counts["watched"] + counts["restricted"] + counts["proposed"] + counts["only_people"]
    return View(
        summary(sources, counts, appeals),
        time_of(sources.memory.window + WINDOW_S) if sources.memory.window else "",
        counts,
        tuple(_objection(each, sources.now) for each in appeals[:MOST_APPEALS]),
        max(0, len(appeals) - MOST_APPEALS),
        tuple(tenants),
        tuple(_entry(sources, name, anchors[name], history.get(name, [])) for name in names),
        0 if sources.only else past - len(names),
        tuple(_drawn(each, sources, anchors) for each in sorted(groups, key=_order)[:MOST_CLUSTERS]),
        max(0, len(groups) - MOST_CLUSTERS),
        tuple(drawn(each, anchors) for each in told[:MOST_SIGHTINGS]),
        max(0, len(told) - MOST_SIGHTINGS),
        sources.only,
        NAMES,
        tuple((family.name, f"{Decimal(family.bound):.1%} of trials at most") for family in FAMILIES),
        f"{FDR:.0%}",
    )


# One account ----------------------------------------------------------------------------------------


def _entry(sources: Sources, name: str, anchor: str, history: Sequence[Moment]) -> Entry:
    kept = sources.standing.get(name, {})
    tier, now = sources.tier(name), moment(kept)
    account = sources.memory.accounts.get(name)
    moments = [*history[-MOST_MOMENTS:], *([now] if now is not None else [])]
    began = account.first if account is not None else min((each.at for each in moments), default=0)
    case, ceiling = sources.cases.get(name, Case(name)), sources.ceiling(name)
    enforced = case.enforced(actions.TIERS[tier], sources.now)
    words = f"tier {tier}, {NAMES[tier]}" + (f", {said_of(ceiling)}" if ceiling is not None else "")
    suspended = sources.suspended(name)
    return Entry(
        anchor,
        name,
        "bad" if suspended else TONES[enforced],
        f"suspended; {words}" if suspended else words,
        tuple(_facts(account, since_of(sources, name), kept, case, sources.now)),
        *apart(now.reasons if now is not None else ()),
        actions.steps(enforced).words,
        curves(began, moments),
        tuple((time_of(each.at), _change(each)) for each in reversed(history[-MOST_MOMENTS:])),
        tuple(_commands(name, tier, case, sources.now)),
    )


def _facts(
    account: Account | None, since: int | None, kept: Mapping[str, Any], case: Case, now: datetime
) -> Iterable[tuple[str, str]]:
    if account is not None:
        seen = f"{time_of(account.first)} to {time_of(account.last + WINDOW_S)}"
        yield "Requests", f"{count(account.requests)}, from {seen}"
    if since is not None:
        yield "Tier 2 or more since", time_of(since)
    verdict = kept.get("verdict")
    if isinstance(verdict, Mapping):
        yield "Verdict rests on", f"facts {verdict.get('facts')}, by {verdict.get('decider')}"
    if (signed := case.suspension) is not None:
        yield "Suspended", f"by {signed.by}, {said_at(signed.at)}: {signed.reason}"
        if isinstance(verdict, Mapping) and verdict.get("facts") != signed.verdict:
            yield "Signed on", f"an earlier verdict, of facts {signed.verdict}"
    if (ceiling := case.ceiling(now)) is not None:
        yield "Lifted", f"by {ceiling.by or 'nobody'}, {said_at(ceiling.at)}: {ceiling.reason}"
        yield "Nothing beyond tier 1 until", said_at(ceiling.until)


def _change(each: Moment) -> str:
    before = f"from {NAMES[each.was]} " if each.was is not None else ""
    return f"{before}to {NAMES[each.tier]}"


def _commands(name: str, tier: int, case: Case, now: datetime) -> Iterable[tuple[str, str]]:
    quoted = shlex.quote(name)
    lift = f"inbond guard lift {quoted} --by NAME --reason WHY"
    suspended = case.suspended(now)
    restricted = tier >= 2 and case.ceiling(now) is None
    if suspended:
        yield "Take the suspension back", lift
    elif restricted:
        if tier == 3:
            yield (
                "Sign the suspension, if you agree",
                f"inbond guard suspend {quoted} --by NAME --reason WHY",
            )
        yield "Lift the restriction for 30 days", lift
    if (suspended or restricted) and not any(each.is_open(now) for each in case.appeals):
        yield "Enter its appeal", f"inbond guard appeal {quoted} --text TEXT"
    yield "All of this account as data", f"inbond guard report --account {quoted} --json"


# Appeals and groups ---------------------------------------------------------------------------------


def _appeals(sources: Sources) -> list[Appeal]:
    """The open ones first, by when they end; then the latest."""
    cases = [sources.cases.get(sources.only)] if sources.only else sources.cases.values()
    found = [each for case in cases if case is not None for each in case.appeals]
    return sorted(
        found, key=lambda each: (not each.is_open(sources.now), abs(each.due - sources.now), each.id)
    )


def _objection(appeal: Appeal, now: datetime) -> Objection:
    tone: Tone = "plain"
    command = ""
    if appeal.is_open(now):
        tone, state = "care", f"open, {time_left(appeal.due, now)} left"
        command = (
            f"inbond guard appeal {shlex.quote(appeal.id)} --decide upheld|lifted --by NAME --reason WHY"
        )
    elif appeal.outcome is None:
        state = f"granted: nobody answered by {said_at(appeal.due)}"
    else:
        state = f"{appeal.outcome} by {appeal.by}: {appeal.answer}"
    at = said_at(appeal.at)
    return Objection(appeal.id, appeal.account, appeal.text, tone, state, at, command)


def _order(cluster: Cluster) -> tuple[int, int, int, str]:
    """By tier, then by kind, so that those of one kind stand together; the largest first."""
    kinds = list(KINDS)
    return -cluster.tier, kinds.index(cluster.kind), -cluster.size, cluster.id


def _drawn(cluster: Cluster, sources: Sources, anchors: Mapping[str, str]) -> Drawn:
    order = sorted(cluster.members, key=lambda name: (name not in anchors, -sources.tier(name), name))
    nodes = tuple(Node(name, sources.tier(name), anchors.get(name, "")) for name in order[:MOST_DRAWN])
    return Drawn(
        cluster.id, KINDS[cluster.kind], TONES[cluster.tier],
        f"tier {cluster.tier}, {NAMES[cluster.tier]}", nodes,
        len(cluster.members) - len(nodes), cluster.size - len(cluster.members),
        said(reasons_of(cluster.verdict.to_json())),
    )  # fmt: skip
