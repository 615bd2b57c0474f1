"""Many accounts in few numbers: what the report of the guard is made from, counted and said. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, final

from inbond.guard.actions import TIERS, Tier
from inbond.guard.appeals import Appeal, Case, Ceiling, case_of, said_of
from inbond.guard.detect.judge import Cluster
from inbond.guard.detect.memory import Memory
from inbond.guard.overview.evidence import NAMES
from inbond.guard.overview.times import by_when, time_of
from inbond.report.guard_view import Tenant
from inbond.report.wording import plural


@final
@dataclass(frozen=True)
class Sources:
    """``standing``: what the state keeps of an account (``observe.from_bytes``), by its name; ``cases`` what
    people decided, by account; ``judged`` the bodies of ``guard.judged`` events, in order, of the accounts
    that ``chosen`` names; ``sighted`` the times and bodies of ``guard.sighted`` events; ``only`` the one
    account that is asked about; ``options`` what the command was given that says where to look, and other
    commands need too."""

    now: datetime
    memory: Memory
    standing: Mapping[str, Mapping[str, Any]]
    clusters: Sequence[Cluster] = ()
    cases: Mapping[str, Case] = field(default_factory=dict)
    judged: Sequence[Mapping[str, Any]] = ()
    sighted: Sequence[tuple[str, Mapping[str, Any]]] = ()
    only: str | None = None
    options: Sequence[str] = ()

    def tier(self, account: str) -> Tier:
        """An account's tier by its evidence, 0 where nothing is kept."""
        found = self.standing.get(account, {}).get("tier", 0)
        return next((tier for tier in TIERS if tier == found), 0)

    def enforced(self, account: str) -> Tier:
        """The tier that has consequences: less than ``tier`` where a person lifted it."""
        return case_of(self.cases, account).enforced(self.tier(account), self.now)

    def suspended(self, account: str) -> bool:
        """Whether a person's signature shuts it out now."""
        return case_of(self.cases, account).suspended(self.now)

    def ceiling(self, account: str) -> Ceiling | None:
        """What a person lifted it to, while that lasts."""
        return case_of(self.cases, account).ceiling(self.now)

    def matters(self, account: str) -> bool:
        """Whether there is anything to say of it: evidence, or what a person decided or has to."""
        return bool(self.tier(account)) or case_of(self.cases, account).matters(self.now)

    def proposed(self, account: str) -> bool:
        """Whether a person may sign its suspension now."""
        return self.enforced(account) == 3 and not self.suspended(account)

    def held_back(self, account: str) -> bool:
        """Whether anything is enforced of it that a person may lift: a restriction, or a suspension."""
        return self.enforced(account) >= 2 or self.suspended(account)

    def command(self, words: str) -> str:
        """A command that looks where this one did."""
        return f"inbond guard {words}{self.called_with}"

    @property
    def called_with(self) -> str:
        """The options, to stand behind a command."""
        return f" {shlex.join(self.options)}" if self.options else ""


def _names(sources: Sources) -> Iterable[str]:
    return {*sources.memory.accounts, *sources.standing, *sources.cases}


def counted(sources: Sources, tenants: int) -> dict[str, int]:
    """Accounts by how they stand, each counted once: as suspended, or by the tier that is enforced.
    ``lifted`` are among them; ``told`` are all that there is anything to say of."""
    named = [name for name in {*sources.standing, *sources.cases} if sources.matters(name)]
    tiers = [sources.enforced(name) for name in named if not sources.suspended(name)]
    appeals = (each for case in sources.cases.values() for each in case.appeals)
    return {
        "accounts": len(set(_names(sources))),
        "tenants": tenants,
        "watched": tiers.count(1),
        "restricted": tiers.count(2),
        "proposed": tiers.count(3),
        "suspended": len(named) - len(tiers),
        "lifted": sum(sources.ceiling(name) is not None for name in sources.cases),
        "told": len(named),
        "open_appeals": sum(each.is_open(sources.now) for each in appeals),
    }


def summary(sources: Sources, counts: Mapping[str, int], appeals: Sequence[Appeal]) -> str:
    """All in one sentence, with the time that is left for the first of the open appeals."""
    if not counts["accounts"]:
        return "No request was judged yet."
    waiting = [each.due for each in appeals if each.is_open(sources.now)]
    return f"{_standing(sources, counts)}. {_waiting(waiting, sources.now)}"


def _standing(sources: Sources, counts: Mapping[str, int]) -> str:
    if sources.only is not None:
        return f"{sources.only} stands at {standing_of(sources, sources.only)}"
    held = f"; {counts['lifted']:,} are lifted by a person" if counts["lifted"] else ""
    return (
        f"Of {plural(counts['accounts'], 'account')}, {counts['suspended']:,} are suspended by a person's "
        f"signature; of the others {counts['proposed']:,} are proposed for suspension, "
        f"{counts['restricted']:,} restricted and {counts['watched']:,} watched{held}"
    )


def standing_of(sources: Sources, name: str) -> str:
    """An account's tier in words, and what a person made of it."""
    tier, ceiling = sources.tier(name), sources.ceiling(name)
    parts = [f"tier {tier}, {NAMES[tier]}"]
    if sources.suspended(name):
        parts.append("suspended by a person's signature")
    if ceiling is not None:
        parts.append(said_of(ceiling))
    return "; ".join(parts)


def _waiting(dues: Sequence[datetime], now: datetime) -> str:
    if not dues:
        return "No appeal is open."
    first = "the first to be" if len(dues) > 1 else "to be"
    verb = "is" if len(dues) == 1 else "are"
    return f"{plural(len(dues), 'appeal')} {verb} open, {first} answered {by_when(min(dues), now)}."


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
