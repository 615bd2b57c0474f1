"""What people decide of an account: who signed, who objects, and by when somebody has to answer. Pure.

Every step is an event of the ledger; a ``Case`` says what follows from the events so far, at a given time. A
person may suspend what the guard proposed, and may lift what it did: for some days it then enforces no more
than tier 1, whatever detection shows. Whoever is restricted or suspended may appeal. An appeal that nobody
answers within its clock is granted: silence is never the provider's gain. What is signed too late, or against
a decision that is in force, counts for nothing when the ledger is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, final

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.guard import actions
from inbond.guard.actions import TIERS, Tier
from inbond.ledger.events import Event

SUSPENDED: Final = "guard.suspended"
LIFTED: Final = "guard.lifted"
APPEALED: Final = "guard.appealed"
ANSWERED: Final = "guard.answered"
CLOCK: Final = timedelta(hours=24)
DAYS: Final = 30
"""How long the guard holds back after an appeal was granted, or where a person lifts and says no number."""
MOST_DAYS: Final = 365
CEILING: Final[Tier] = 1
"""The most that is enforced of an account meanwhile."""
Outcome = Literal["upheld", "lifted"]


@final
@dataclass(frozen=True)
class Appeal:
    """``due`` is when it has to be answered. ``outcome`` is None without an answer; ``answer`` is the reason,
    ``answered`` when it was given."""

    id: str
    account: str
    text: str
    at: datetime
    due: datetime
    outcome: Outcome | None = None
    answer: str = ""
    by: str = ""
    answered: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether somebody still has to answer."""
        return self.outcome is None and now < self.due

    def granted(self, now: datetime) -> datetime | None:
        """When it was granted, by a person or because nobody answered; None: it was not, so far."""
        if self.outcome == "lifted":
            return self.answered
        return self.due if self.outcome is None and now >= self.due else None


@final
@dataclass(frozen=True)
class Suspension:
    """``verdict`` is the digest of the facts on which a person signed it, ``by`` who."""

    account: str
    verdict: str
    by: str
    reason: str
    at: datetime


@final
@dataclass(frozen=True)
class Ceiling:
    """From ``at`` to ``until`` no more than tier 1 is enforced. ``by`` is "" where nobody answered."""

    at: datetime
    until: datetime
    by: str
    reason: str


@final
@dataclass(frozen=True)
class Case:
    """All that people decided of one account and that still matters. ``lifted``: as a person lifted it."""

    account: str
    suspension: Suspension | None = None
    appeals: tuple[Appeal, ...] = ()
    lifted: Ceiling | None = None

    def suspended(self, now: datetime) -> bool:
        """Whether the account is shut out: not once an appeal was granted, or was left without an answer."""
        return self.suspension is not None and not any(each.granted(now) for each in self.appeals)

    def ceiling(self, now: datetime) -> Ceiling | None:
        """What holds the guard back now: the latest decision in the account's favour, while it lasts."""
        found = [self.lifted] if self.lifted is not None else []
        for each in self.appeals:
            if (at := each.granted(now)) is not None:
                reason = each.answer or f"nobody answered appeal {each.id} in time"
                found.append(Ceiling(at, at + timedelta(days=DAYS), each.by, reason))
        latest = max(found, key=lambda each: each.at, default=None)
        return latest if latest is not None and latest.at <= now < latest.until else None

    def enforced(self, tier: Tier, now: datetime) -> Tier:
        """What is left of a tier."""
        return tier if self.ceiling(now) is None else TIERS[min(tier, CEILING)]

    def matters(self, now: datetime) -> bool:
        """Whether a decision is in force, or one has to be made."""
        waits = any(each.is_open(now) for each in self.appeals)
        return waits or self.suspended(now) or self.ceiling(now) is not None


def cases(events: Iterable[Event]) -> dict[str, Case]:
    """What follows for each account of which people decided anything. ``events`` are a whole ledger's, in
    order."""
    found: dict[str, Case] = {}
    accounts: dict[str, str] = {}
    for event in events:
        body, at = event.body, _time(event.at) if event.kind in KINDS else None
        if at is None:
            continue
        name = accounts.get(body["id"]) if event.kind == ANSWERED else body["account"]
        if name is None:
            continue
        if event.kind == APPEALED:
            accounts.setdefault(body["id"], name)
        found[name] = _after(found.get(name, Case(name)), event.kind, body, at)
    return found


KINDS: Final = frozenset((SUSPENDED, LIFTED, APPEALED, ANSWERED))
"""The events of decisions. Who may make them is for ``ledger.heeding`` to say."""


def case_of(found: Mapping[str, Case], account: str) -> Case:
    """An account's case; an empty one where nobody decided anything."""
    return found.get(account, Case(account))


def _after(case: Case, kind: str, body: Mapping[str, Any], at: datetime) -> Case:
    match kind:
        case "guard.suspended":
            if case.suspended(at) or case.ceiling(at) is not None:
                return case
            signed = Suspension(case.account, body["verdict"], body["by"], body["reason"], at)
            # An appeal against what the guard did before goes on; old decisions have had their time.
            return Case(case.account, signed, tuple(each for each in case.appeals if each.is_open(at)))
        case "guard.lifted":
            told = (body["by"], body["reason"])
            granted = (_answered(each, "lifted", *told, at) for each in case.appeals)
            return Case(case.account, None, tuple(granted), Ceiling(at, at + _days(body), *told))
        case "guard.appealed":
            made = Appeal(body["id"], case.account, body["text"], at, at + CLOCK)
            return replace(case, appeals=(*case.appeals, made))
    answer = (body["outcome"], body["by"], body["reason"], at)
    given = (_answered(each, *answer) if each.id == body["id"] else each for each in case.appeals)
    return replace(case, appeals=tuple(given))


def _answered(appeal: Appeal, outcome: Outcome, by: str, reason: str, at: datetime) -> Appeal:
    """With its answer; as it was when it had one, or when the time was over."""
    if not appeal.is_open(at):
        return appeal
    return replace(appeal, outcome=outcome, by=by, answer=reason, answered=at)


def _days(body: Mapping[str, Any]) -> timedelta:
    return timedelta(days=min(body.get("days", DAYS), MOST_DAYS))


# The bodies of the events ---------------------------------------------------------------------------


def suspend(case: Case, tier: Tier, verdict: str, by: str, reason: str, now: datetime) -> dict[str, Any]:
    """A person signs a proposed suspension. Raises InputError unless one is proposed, none stands, nothing
    holds the guard back, and a reason is given."""
    if tier < 3:
        raise InputError(
            expected=f"an account whose suspension is proposed (tier 3), to suspend {case.account}",
            found=f"tier {tier}",
            fix="read inbond guard report; what tier 2 restricts needs no signature",
        )
    if case.suspension is not None and case.suspended(now):
        raise InputError(
            expected=f"no suspension of {case.account} yet",
            found=f"the one that {case.suspension.by} signed on {said_at(case.suspension.at)}",
            fix="nothing is left to do; inbond guard appeal lists it",
        )
    if (ceiling := case.ceiling(now)) is not None:
        raise InputError(
            expected=f"no decision in favour of {case.account} that is in force",
            found=said_of(ceiling),
            fix="wait until then; end it sooner, in the open, with inbond guard lift --days 1; or take its "
            "keys out of callers.yaml where something is urgent",
        )
    return {"account": case.account, "verdict": verdict, **_signed(by, reason, "a suspension")}


def lift(case: Case, tier: Tier, by: str, reason: str, days: int, now: datetime) -> dict[str, Any]:
    """A person takes back a suspension or a restriction, for so many days. Raises InputError where nothing is
    to be lifted."""
    if not tier and not case.suspended(now):
        raise InputError(
            expected="an account that is watched, restricted or suspended",
            found=f"{case.account}, at tier 0",
            fix="inbond guard report lists those past tier 0; name it as TENANT/ACCOUNT",
        )
    if not 1 <= days <= MOST_DAYS:
        raise InputError(
            expected=f"1 to {MOST_DAYS} days", found=f"{days}", fix="lift it anew when they are over"
        )
    return {"account": case.account, "days": days, **_signed(by, reason, "lifting")}


def appeal(case: Case, tier: Tier, text: str, now: datetime) -> dict[str, Any]:
    """An account objects. Its id is made of what is said and when. Raises InputError where nothing is to be
    objected to, or an appeal is open already."""
    if not case.suspended(now) and case.enforced(tier, now) < 2:
        ceiling = case.ceiling(now)
        stands = f"tier {tier}, {actions.NAMES[tier]}"
        raise InputError(
            expected="an account that is restricted or suspended",
            found=f"{case.account}, at {stands if ceiling is None else f'{stands}, {said_of(ceiling)}'}",
            fix="inbond guard report lists those past tier 0; name it as TENANT/ACCOUNT",
        )
    for each in case.appeals:
        if each.is_open(now):
            raise InputError(
                expected=f"no open appeal of {case.account}",
                found=f"{each.id}, to be answered by {said_at(each.due)}",
                fix="wait for the answer: without one it is granted",
            )
    if not text.strip():
        raise InputError(expected="what the account says", found="nothing", fix="--text TEXT")
    made = {"account": case.account, "text": text.strip()}
    return {**made, "id": of_value({**made, "at": now.isoformat()}).removeprefix("sha256:")[:12]}


def answer(
    found: Mapping[str, Case], id_: str, outcome: Outcome, by: str, reason: str, now: datetime
) -> dict[str, Any]:
    """A person answers an appeal. Raises InputError for one that is unknown, answered, or was granted because
    nobody did."""
    known = [each for case in found.values() for each in case.appeals]
    named = next((each for each in known if each.id == id_), None)
    if named is None or not named.is_open(now):
        waiting = [f"{each.id} of {each.account}" for each in known if each.is_open(now)]
        raise InputError(
            expected="the id of an open appeal",
            found=f"{id_}, which {_why_closed(named)}",
            fix=f"open: {', '.join(waiting[:3])}"
            if waiting
            else "none is open; inbond guard appeal lists all",
        )
    return {"id": id_, "outcome": outcome, **_signed(by, reason, "an answer")}


def _why_closed(named: Appeal | None) -> str:
    if named is None:
        return "is not known"
    if named.outcome is not None:
        return f"was {named.outcome} by {named.by}"
    return f"was granted, as nobody answered by {said_at(named.due)}"


def _signed(by: str, reason: str, what: str) -> dict[str, str]:
    for name, value in (("by", by), ("reason", reason)):
        if not value.strip():
            raise InputError(
                expected=f"{what} with --by and --reason", found=f"no {name}", fix="say who decides, and why"
            )
    return {"by": by.strip(), "reason": reason.strip()}


def said_of(ceiling: Ceiling) -> str:
    """Who lifted it, until when."""
    return f"lifted by {ceiling.by or 'an appeal that nobody answered'} until {said_at(ceiling.until)}"


def said_at(moment: datetime) -> str:
    """A time as a person reads it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
