"""What people decided of an account, in lines and as the object that ``--json`` prints. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from inbond.guard.appeals import Appeal, Case, said_at, said_of
from inbond.guard.overview.times import by_when


def case_lines(case: Case, now: datetime) -> Iterator[str]:
    """What is in force, and each appeal."""
    signed, ceiling = case.suspension, case.ceiling(now)
    if signed is not None and case.suspended(now):
        yield f"{case.account}: suspended, signed by {signed.by} on {said_at(signed.at)}: {signed.reason}"
    elif ceiling is not None:
        yield f"{case.account}: {said_of(ceiling)}: {ceiling.reason}"
    else:
        yield f"{case.account}: no decision is in force"
    yield from (f"  appeal {each.id}: {_stands(each, now)}" for each in case.appeals)


def _stands(appeal: Appeal, now: datetime) -> str:
    if appeal.outcome is not None:
        return f"{appeal.outcome} by {appeal.by}: {appeal.answer}"
    if not appeal.is_open(now):
        return f"granted, as nobody answered by {said_at(appeal.due)}"
    return f"open, to be answered {by_when(appeal.due, now)}: {appeal.text}"


def case_json(case: Case, now: datetime) -> dict[str, Any]:
    """A case as it is now. ``suspension`` stands there though it ended; ``lifted`` only while it lasts."""
    signed, ceiling = case.suspension, case.ceiling(now)
    suspension = None if signed is None else {
        "verdict": signed.verdict, "by": signed.by, "reason": signed.reason, "at": signed.at.isoformat(),
    }  # fmt: skip
    lifted = None if ceiling is None else {
        "at": ceiling.at.isoformat(), "until": ceiling.until.isoformat(), "by": ceiling.by,
        "reason": ceiling.reason,
    }  # fmt: skip
    return {
        "account": case.account,
        "suspended": case.suspended(now),
        "suspension": suspension,
        "lifted": lifted,
        "appeals": [appeal_json(each) for each in case.appeals],
    }


def appeal_json(appeal: Appeal) -> dict[str, Any]:
    """An appeal."""
    return {
        "id": appeal.id,
        "text": appeal.text,
        "at": appeal.at.isoformat(),
        "due": appeal.due.isoformat(),
        "outcome": appeal.outcome,
        "answer": appeal.answer,
        "by": appeal.by,
    }
