"""Suspensions and appeals: who signed, who objects, and by when somebody has to answer. Pure.

Every step is an event of the ledger; this says what follows from the events so far. A suspension that nobody
answers an appeal against within its clock is lifted: silence is never the provider's gain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, final

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.ledger.events import Event

SUSPENDED: Final = "guard.suspended"
LIFTED: Final = "guard.lifted"
APPEALED: Final = "guard.appealed"
ANSWERED: Final = "guard.answered"
CLOCK: Final = timedelta(hours=24)
Outcome = Literal["upheld", "lifted"]


@final
@dataclass(frozen=True)
class Appeal:
    """``due`` is when it has to be answered. ``outcome`` is None while it is open; ``answer`` the reason."""

    id: str
    account: str
    text: str
    at: datetime
    due: datetime
    outcome: Outcome | None = None
    answer: str = ""
    by: str = ""


@final
@dataclass(frozen=True)
class Suspension:
    """``verdict`` is the digest of the facts on which a person signed it, ``by`` who."""

    account: str
    verdict: str
    by: str
    reason: str
    at: datetime
    appeals: tuple[Appeal, ...] = ()

    def stands(self, now: datetime) -> bool:
        """Whether the account is shut out: not once an appeal was granted, or was left without an answer."""
        return not any(
            appeal.outcome == "lifted" or (appeal.outcome is None and now >= appeal.due)
            for appeal in self.appeals
        )


def suspensions(events: Iterable[Event]) -> dict[str, Suspension]:
    """The suspensions that were signed and not lifted, by account, with their appeals. ``events`` are a whole
    ledger's, in order."""
    found: dict[str, Suspension] = {}
    for event in events:
        body = event.body
        match event.kind:
            case "guard.suspended":
                found[body["account"]] = Suspension(
                    body["account"], body["verdict"], body["by"], body["reason"], _time(event.at)
                )
            case "guard.lifted":
                found.pop(body["account"], None)
            case "guard.appealed" if body["account"] in found:
                held = found[body["account"]]
                found[held.account] = replace(held, appeals=(*held.appeals, _appeal(body, _time(event.at))))
            case "guard.answered":
                _answer(found, body)
    return found


def _appeal(body: Mapping[str, Any], at: datetime) -> Appeal:
    return Appeal(body["id"], body["account"], body["text"], at, at + CLOCK)


def _answer(found: dict[str, Suspension], body: Mapping[str, Any]) -> None:
    for held in list(found.values()):
        appeals = tuple(
            replace(appeal, outcome=body["outcome"], answer=body["reason"], by=body["by"])
            if appeal.id == body["id"]
            else appeal
            for appeal in held.appeals
        )
        found[held.account] = replace(held, appeals=appeals)


# The bodies of the events ---------------------------------------------------------------------------


def suspend(account: str, tier: int, verdict: str, by: str, reason: str) -> dict[str, Any]:
    """A person signs a proposed suspension. Raises InputError unless one is proposed and a reason given."""
    if tier < 3:
        raise InputError(
            expected=f"an account whose suspension is proposed (tier 3), to suspend {account}",
            found=f"tier {tier}",
            fix="read inbond guard report; what tier 2 restricts needs no signature",
        )
    return {"account": account, "verdict": verdict, **_signed(by, reason, "a suspension")}


def lift(account: str, by: str, reason: str) -> dict[str, Any]:
    """A person takes a suspension back."""
    return {"account": account, **_signed(by, reason, "lifting a suspension")}


def appeal(held: Suspension | None, account: str, text: str, at: str) -> dict[str, Any]:
    """An account objects. Its id is made of what is said and when. Raises InputError where nothing is to be
    objected to, or an appeal is open already."""
    if held is None:
        raise InputError(
            expected="an account that is suspended", found=account, fix="name it as TENANT/ACCOUNT"
        )
    if any(each.outcome is None for each in held.appeals):
        raise InputError(
            expected=f"no open appeal of {account}",
            found=f"{held.appeals[-1].id}, to be answered by {held.appeals[-1].due:%Y-%m-%d %H:%M} UTC",
            fix="wait for the answer: without one the suspension ends by itself",
        )
    if not text.strip():
        raise InputError(expected="what the account says", found="nothing", fix="--text TEXT")
    made = {"account": account, "text": text.strip()}
    return {**made, "id": of_value({**made, "at": at}).removeprefix("sha256:")[:12]}


def answer(
    held: Mapping[str, Suspension], id_: str, outcome: Outcome, by: str, reason: str
) -> dict[str, Any]:
    """A person answers an appeal. Raises InputError for an unknown or answered one."""
    found = next((each for one in held.values() for each in one.appeals if each.id == id_), None)
    if found is None or found.outcome is not None:
        raise InputError(
            expected="the id of an open appeal",
            found=f"{id_}, which " + ("is not known" if found is None else f"was {found.outcome}"),
            fix="inbond guard appeal lists them",
        )
    return {"id": id_, "outcome": outcome, **_signed(by, reason, "an answer")}


def _signed(by: str, reason: str, what: str) -> dict[str, str]:
    for name, value in (("by", by), ("reason", reason)):
        if not value.strip():
            raise InputError(
                expected=f"{what} with --by and --reason", found=f"no {name}", fix="say who decides, and why"
            )
    return {"by": by.strip(), "reason": reason.strip()}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
