"""Many accounts in few numbers: what the report of the guard is made from, counted and said. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, final

from inbond.guard.appeals import Appeal, Case, Ceiling, said_of
from inbond.guard.detect.judge import Cluster
from inbond.guard.detect.memory import Memory
from inbond.guard.overview.evidence import NAMES
from inbond.report.guard_view import Tenant
from inbond.report.wording import plural


@final
@dataclass(frozen=True)
class Sources:
    """``standing``: what the state keeps of an account (``observe.from_bytes``), by its name; ``judged`` the
    bodies of ``guard.judged`` events, in order, of the accounts that ``chosen`` names; ``sighted`` the times
    and bodies of ``guard.sighted`` events; ``only`` the one account that is asked about."""

    now: datetime
    memory: Memory
    standing: Mapping[str, Mapping[str, Any]]
    clusters: Sequence[Cluster] = ()
    cases: Mapping[str, Case] = field(default_factory=dict)
    judged: Sequence[Mapping[str, Any]] = ()
    sighted: Sequence[tuple[str, Mapping[str, Any]]] = ()
    only: str | None = None

    def tier(self, account: str) -> int:
        """An account's tier, 0 where nothing is kept."""
        found = self.standing.get(account, {}).get("tier", 0)
        return int(found) if found in range(len(NAMES)) else 0

    def suspended(self, account: str) -> bool:
        """Whether a person's signature shuts it out now."""
        case = self.cases.get(account)
        return case is not None and case.suspended(self.now)

    def ceiling(self, account: str) -> Ceiling | None:
        """What a person lifted it to, while that lasts."""
        case = self.cases.get(account)
        return None if case is None else case.ceiling(self.now)

    def matters(self, account: str) -> bool:
        """Whether a person decided something of it that is in force, or has to."""
        case = self.cases.get(account)
        return case is not None and case.matters(self.now)


def _names(sources: Sources) -> Iterable[str]:
    return {*sources.memory.accounts, *sources.standing, *sources.cases}


def counted(sources: Sources, tenants: int) -> dict[str, int]:
    """Accounts by how they stand. ``only_people``: a person's decision is in force, or an appeal open, though
    the evidence is gone by now."""
    tiers = [sources.tier(name) for name in sources.standing]
    cases = sources.cases
    return {
        "accounts": len(set(_names(sources))),
        "tenants": tenants,
        "watched": tiers.count(1),
        "restricted": tiers.count(2),
        "proposed": tiers.count(3),
        "suspended": sum(sources.suspended(name) for name in cases),
        "lifted": sum(sources.ceiling(name) is not None for name in cases),
        "only_people": sum(sources.matters(name) and not sources.tier(name) for name in cases),
        "open_appeals": sum(each.is_open(sources.now) for case in cases.values() for each in case.appeals),
    }


def summary(sources: Sources, counts: Mapping[str, int], appeals: Sequence[Appeal]) -> str:
    """All in one sentence, with the time that is left for the first of the open appeals."""
    if not counts["accounts"]:
        return "No request was judged yet."
    waiting = [each.due for each in appeals if each.is_open(sources.now)]
    return f"{_standing(sources, counts)}. {_waiting(waiting, sources.now)}"


def _standing(sources: Sources, counts: Mapping[str, int]) -> str:
    if sources.only is not None:
        tier = sources.tier(sources.only)
        signed = ", and is suspended by a person's signature" if sources.suspended(sources.only) else ""
        ceiling = sources.ceiling(sources.only)
        lifted = f", {said_of(ceiling)}" if ceiling is not None else ""
        return f"{sources.only} stands at tier {tier}, {NAMES[tier]}{signed}{lifted}"
    lifted = f", {counts['lifted']:,} lifted" if counts["lifted"] else ""
    return (
        f"Of {plural(counts['accounts'], 'account')}, {counts['watched']:,} are watched, "
        f"{counts['restricted']:,} restricted and {counts['proposed']:,} proposed for suspension; "
        f"{counts['suspended']:,} are suspended by a person's signature{lifted}"
    )


def _waiting(dues: Sequence[datetime], now: datetime) -> str:
    if not dues:
        return "No appeal is open."
    first = "the first to be" if len(dues) > 1 else "to be"
    verb = "is" if len(dues) == 1 else "are"
    return f"{plural(len(dues), 'appeal')} {verb} open, {first} answered within {time_left(min(dues), now)}."


def tenants_of(sources: Sources) -> list[Tenant]:
    """The highest tiers first, then the most requests."""
    by: dict[str, list[str]] = {}
    wanted = sources.only and tenant_of(sources.only)
    for name in _names(sources):
        if not wanted or tenant_of(name) == wanted:
            by.setdefault(tenant_of(name), []).append(name)
    found = [_tenant(sources, tenant, names) for tenant, names in by.items()]
    return sorted(found, key=lambda each: (-each.suspended, -each.tier, -each.requests, each.name))


def _tenant(sources: Sources, tenant: str, names: Sequence[str]) -> Tenant:
    accounts = sources.memory.accounts
    tiers = [sources.tier(name) for name in names]
    since = [at for name in names if (at := since_of(sources, name)) is not None]
    return Tenant(
        tenant,
        len(names),
        sum(accounts[name].requests for name in names if name in accounts),
        max(tiers),
        sum(tier > 0 for tier in tiers),
        sum(sources.suspended(name) for name in names),
        time_of(min(since)) if since else "–",
    )


def tenant_of(account: str) -> str:
    """The tenant in an account's name, TENANT/ACCOUNT."""
    return account.partition("/")[0]


def since_of(sources: Sources, name: str) -> int | None:
    """The second since 1970 since when an account stands at tier 2 or more; None: it does not."""
    since = sources.standing.get(name, {}).get("since")
    return since if isinstance(since, int) and since > 0 and sources.tier(name) >= 2 else None


def time_left(due: datetime, now: datetime) -> str:
    """``23 h 10 min``, rounded down."""
    minutes = max(0, int((due - now).total_seconds() // 60))
    return f"{minutes // 60} h {minutes % 60} min"


def time_of(at: int) -> str:
    """A second since 1970 as a person reads it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
