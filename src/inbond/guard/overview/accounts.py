"""Single accounts: who is told of, in one line each, and all there is to say of a few. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from inbond.errors import InputError
from inbond.guard import actions
from inbond.guard.appeals import Case, case_of, said_at, said_of
from inbond.guard.detect.memory import WINDOW_S
from inbond.guard.overview.evidence import (
    NAMES,
    OWN,
    TONES,
    Moment,
    curve,
    groups_of,
    moment,
    of_source,
    reasons_of,
    said,
    strengths,
    told,
)
from inbond.guard.overview.numbers import Sources, since_of
from inbond.guard.overview.times import time_of
from inbond.report.guard_view import Entry, Link, Row
from inbond.report.wording import count

MOST_ROWS: Final = 40
MOST_MOMENTS: Final = 60
"""Changes of one account's tier that are drawn, the latest."""
History = Mapping[str, Sequence[Moment]]


def chosen(sources: Sources) -> list[str]:
    """The accounts that get a line: open appeals first, then the suspended, then the highest tiers and the
    strongest evidence. Raises InputError when the one that is asked about is not known."""
    known = {*sources.standing, *sources.cases}
    if sources.only is not None:
        if sources.only not in known and sources.only not in sources.memory.accounts:
            raise InputError(
                expected="an account that the guard has seen, as TENANT/ACCOUNT",
                found=sources.only,
                fix=f"{sources.command('report --json')} lists those past tier 0",
            )
        return [sources.only]
    return ranked(sources)[:MOST_ROWS]


def ranked(sources: Sources) -> list[str]:
    """All accounts that there is anything to say of, in the order of ``chosen``."""
    past = [name for name in {*sources.standing, *sources.cases} if sources.matters(name)]
    return sorted(past, key=lambda name: _weight(sources, name))


def _weight(sources: Sources, name: str) -> tuple[bool, bool, int, int, str]:
    evidence = strengths(_reasons(sources, name))
    power = evidence[0].power if evidence else 0
    return not _waits(sources, name), not sources.suspended(name), -sources.enforced(name), -power, name


def _waits(sources: Sources, name: str) -> bool:
    return any(each.is_open(sources.now) for each in case_of(sources.cases, name).appeals)


def _reasons(sources: Sources, name: str) -> tuple[Mapping[str, Any], ...]:
    verdict = sources.standing.get(name, {}).get("verdict")
    return reasons_of(verdict) if isinstance(verdict, Mapping) else ()


def history_of(sources: Sources, names: Sequence[str]) -> dict[str, list[Moment]]:
    """The recorded changes of each account's tier, oldest first."""
    found: dict[str, list[Moment]] = {name: [] for name in names}
    for body in sources.judged:
        name, each = body.get("account"), moment(body)
        if isinstance(name, str) and name in found and each is not None:
            found[name].append(each)
    return found


def row(sources: Sources, name: str, history: Sequence[Moment]) -> Row:
    """An account in one line."""
    tier, enforced, ceiling = sources.tier(name), sources.enforced(name), sources.ceiling(name)
    notes = [f"tier {tier}" if enforced == tier else f"tier {tier} by its evidence"]
    if ceiling is not None:
        notes.append(said_of(ceiling))
    notes += [
        f"appeal open until {said_at(each.due)}"
        for each in case_of(sources.cases, name).appeals
        if each.is_open(sources.now)
    ]
    suspended = sources.suspended(name)
    evidence = ", ".join(told(each) for each in strengths(_reasons(sources, name)))
    stands = "suspended" if suspended else "lifted" if ceiling is not None else NAMES[tier]
    tone = "bad" if suspended else TONES[enforced]
    return Row(name, tone, stands, "; ".join(notes), evidence or "–", _since(sources, name, history))


def _since(sources: Sources, name: str, history: Sequence[Moment]) -> str:
    """Since when it stands as it does, as far as that was recorded."""
    case, ceiling = case_of(sources.cases, name), sources.ceiling(name)
    if case.suspension is not None and case.suspended(sources.now):
        return said_at(case.suspension.at)
    if ceiling is not None:
        return said_at(ceiling.at)
    if history and history[-1].tier == sources.tier(name):
        return time_of(history[-1].at)
    since = since_of(sources, name)
    return time_of(since) if since is not None else "–"


def entry(
    sources: Sources, name: str, history: Sequence[Moment], drawn: Mapping[str, Link], decided_at: str = ""
) -> Entry:
    """All there is to say of one account. ``drawn`` are the groups that are told of, by id; ``decided_at`` is
    the anchor of the one whose commands decide of it."""
    kept, account = sources.standing.get(name, {}), sources.memory.accounts.get(name)
    reasons, changes = _reasons(sources, name), history[-MOST_MOMENTS:]
    moments = known_moments(sources, name, changes)
    began = account.first if account is not None else min((each.at for each in moments), default=0)
    return Entry(
        row(sources, name, history),
        tuple(_facts(sources, name, kept)),
        said(each for each in reasons if each.get("source") == OWN),
        tuple(_links(sources, name, reasons, drawn)),
        actions.steps(sources.enforced(name)).words,
        curve("Its own requests", began, [(each.at, of_source(each.reasons, OWN)) for each in moments]),
        tuple((time_of(each.at), _change(each)) for each in reversed(changes)),
        tuple(_commands(sources, name, alone=not decided_at)),
        decided_at,
    )


def known_moments(sources: Sources, name: str, history: Sequence[Moment]) -> list[Moment]:
    """The recorded verdicts of an account, and the one that is kept."""
    now = moment(sources.standing.get(name, {}))
    before = [each for each in history if now is None or each.at < now.at]
    return [*before, *([now] if now is not None else [])]


def _facts(sources: Sources, name: str, kept: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    account, since = sources.memory.accounts.get(name), since_of(sources, name)
    if account is not None:
        seen = f"{time_of(account.first)} to {time_of(account.last + WINDOW_S)}"
        yield "Requests", f"{count(account.requests)}, from {seen}"
    if since is not None:
        yield "Tier 2 or more since", time_of(since)
    verdict = kept.get("verdict")
    facts = verdict.get("facts") if isinstance(verdict, Mapping) else None
    if isinstance(verdict, Mapping):
        yield "Verdict rests on", f"facts {facts}, by {verdict.get('decider')}"
    yield from _decided(sources, case_of(sources.cases, name), facts)


def _decided(sources: Sources, case: Case, facts: object) -> Iterable[tuple[str, str]]:
    if (signed := case.suspension) is not None:
        yield "Suspended", f"by {signed.by}, {said_at(signed.at)}: {signed.reason}"
        if facts is not None and facts != signed.verdict:
            yield "Signed on", f"an earlier verdict, of facts {signed.verdict}"
    if (ceiling := case.ceiling(sources.now)) is not None:
        yield "Lifted", f"by {ceiling.by or 'nobody'}, {said_at(ceiling.at)}: {ceiling.reason}"
        yield "Nothing beyond tier 1 until", said_at(ceiling.until)


def _links(
    sources: Sources, name: str, reasons: Sequence[Mapping[str, Any]], drawn: Mapping[str, Link]
) -> Iterable[Link]:
    """Its groups: those that its verdict names, and those that it stands in by now."""
    of_now = [each.id for each in sources.clusters if each.id in drawn and name in each.members]
    for group in dict.fromkeys([*groups_of(reasons), *of_now]):
        seen = ", ".join(told(each).removesuffix(" (group)") for each in strengths(of_source(reasons, group)))
        yield drawn.get(group, Link("", f"{group}, not drawn here; seen: {seen or 'nothing'}"))


def _change(each: Moment) -> str:
    before = f"from {NAMES[each.was]} " if each.was is not None else ""
    return f"{before}to {NAMES[each.tier]}"


def _commands(sources: Sources, name: str, *, alone: bool) -> Iterable[tuple[str, str]]:
    quoted, signed = shlex.quote(name), "--by NAME --reason WHY"
    lift = sources.command(f"lift {quoted} {signed}")
    if alone and sources.suspended(name):
        yield "Take the suspension back", lift
    elif alone and sources.held_back(name):
        if sources.proposed(name):
            yield "Sign the suspension, if you agree", sources.command(f"suspend {quoted} {signed}")
        yield "Lift the restriction for 30 days", lift
    if sources.held_back(name) and not _waits(sources, name):
        yield "Enter its appeal", sources.command(f"appeal {quoted} --text TEXT")
    yield "All of this account as data", sources.command(f"report --account {quoted} --json")
