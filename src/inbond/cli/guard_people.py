"""``inbond guard suspend``, ``lift`` and ``appeal``: what a person decides, signed into the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError

if TYPE_CHECKING:
    from inbond.guard.appeals import Appeal, Suspension
    from inbond.workspace import Workspace

AccountArgument = Annotated[str, typer.Argument(metavar="TENANT/ACCOUNT", help="The account.")]
ByOption = Annotated[str, typer.Option("--by", help="Who decides: a name that stands in the ledger.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="guard.yaml, where replicas share their state.", show_default=False),
]


def suspend(
    account: AccountArgument,
    by: ByOption,
    reason: ReasonOption,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Sign a suspension that the guard proposed (tier 3). Nothing but a person's signature suspends.

    A running guard heeds it within seconds. The account may appeal, and is let in again when nobody answers
    within 24 hours.

    Example: inbond guard suspend acme/batch --by Ben --reason "replay across 40 accounts, read twice"
    """
    from inbond.guard import appeals

    workspace = open_workspace(home)
    tier, verdict = _standing(workspace, account, config)
    body = appeals.suspend(account, tier, verdict, by, reason)
    event = _record(workspace, appeals.SUSPENDED, body)
    text = f"{account} is suspended. To take it back: inbond guard lift {account} --by NAME --reason WHY"
    Output(as_json, quiet).result({**body, "event": event}, text)
    return 0


def lift(
    account: AccountArgument,
    by: ByOption,
    reason: ReasonOption,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Take a suspension back. A running guard heeds it within seconds.

    Example: inbond guard lift acme/batch --by Chie --reason "their two companies are one, as they showed"
    """
    from inbond.guard import appeals

    workspace = open_workspace(home)
    if account not in _suspensions(workspace):
        raise InputError(
            expected="an account that is suspended",
            found=account,
            fix="inbond guard appeal lists them; name it as TENANT/ACCOUNT",
        )
    body = appeals.lift(account, by, reason)
    event = _record(workspace, appeals.LIFTED, body)
    Output(as_json, quiet).result({**body, "event": event}, f"{account} is let in again.")
    return 0


def appeal(
    account: Annotated[
        str | None,
        typer.Argument(metavar="[TENANT/ACCOUNT|ID]", help="Who objects, or the appeal to answer."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="What the account says.")] = None,
    decide: Annotated[
        str | None, typer.Option("--decide", help="upheld or lifted: the answer to an appeal.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who answers.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """List suspensions and appeals; enter an appeal, or answer one.

    An appeal has an id and 24 hours: a suspension that nobody answers for ends by itself.

    Examples: inbond guard appeal; inbond guard appeal acme/batch --text "We are two schools."; inbond guard
    appeal 4f0c2a --decide lifted --by Chie --reason "they are"
    """
    workspace, out = open_workspace(home), Output(as_json, quiet)
    if account is None:
        held = _suspensions(workspace).values()
        out.result({"suspensions": [_json(each) for each in held]}, _list(held))
    elif (text is None) == (decide is None):
        raise InputError(
            expected="either --text (to appeal) or --decide (to answer)",
            found="both" if text else "neither",
            fix='inbond guard appeal TENANT/ACCOUNT --text "..."',
        )
    elif text is not None:
        out.result(*_enter(workspace, account, text))
    else:
        out.result(*_answer(workspace, account, str(decide), by, reason))
    return 0


def _enter(workspace: Workspace, account: str, text: str) -> tuple[dict[str, Any], str]:
    from inbond.guard import appeals

    at = datetime.now(UTC)
    body = appeals.appeal(_suspensions(workspace).get(account), account, text, at.isoformat())
    event = _record(workspace, appeals.APPEALED, body)
    due = at + appeals.CLOCK
    until = f"{due:%Y-%m-%d %H:%M} UTC"
    said = f"Appeal {body['id']} of {account} is entered: answered by {until}, or granted."
    return {**body, "due": due.isoformat(), "event": event}, said


def _answer(workspace: Workspace, id_: str, outcome: str, by: str, reason: str) -> tuple[dict[str, Any], str]:
    from inbond.guard import appeals

    known: dict[str, appeals.Outcome] = {"upheld": "upheld", "lifted": "lifted"}
    if outcome not in known:
        raise InputError(expected="--decide upheld or lifted", found=repr(outcome), fix="choose one of them")
    body = appeals.answer(_suspensions(workspace), id_, known[outcome], by, reason)
    event = _record(workspace, appeals.ANSWERED, body)
    said = "the suspension stays" if outcome == "upheld" else "the account is let in again"
    return {**body, "event": event}, f"Appeal {id_} is answered: {said}."


def _standing(workspace: Workspace, account: str, config: Path | None) -> tuple[int, str]:
    """An account's tier and the digest of the facts it rests on, as the guard's state has them."""
    from inbond.guard import observe
    from inbond.guard.serve import ask_state

    found = ask_state(config, workspace.guard, lambda state: state.tier(account))
    if found is None:
        return 0, ""
    kept = observe.from_bytes(found)
    return int(kept["tier"]), str(kept["verdict"]["facts"])


def _suspensions(workspace: Workspace) -> dict[str, Suspension]:
    from inbond.guard import appeals
    from inbond.ledger import membership

    return appeals.suspensions(membership.events_in(workspace, os.environ))


def _record(workspace: Workspace, kind: str, body: dict[str, Any]) -> str:
    """Signs an event into the ledger; its digest."""
    from inbond.ledger.attest import KeyStore
    from inbond.ledger.ledger import Ledger

    with Ledger.open(workspace, KeyStore.default()) as ledger:
        return ledger.record(kind, body).digest


def _list(suspensions: Iterable[Suspension]) -> str:
    now = datetime.now(UTC)
    lines = []
    for held in suspensions:
        state = "suspended" if held.stands(now) else "let in again by an appeal"
        lines.append(
            f"{held.account}: {state}, signed by {held.by} on {held.at:%Y-%m-%d %H:%M}: {held.reason}"
        )
        lines += [f"  appeal {each.id}: {_told(each, now)}" for each in held.appeals]
    return "\n".join(lines) or "Nobody is suspended."


def _told(appeal: Appeal, now: datetime) -> str:
    if appeal.outcome is not None:
        return f"{appeal.outcome} by {appeal.by}: {appeal.answer}"
    left = appeal.due - now
    if left.total_seconds() <= 0:
        return f"granted, as nobody answered by {appeal.due:%Y-%m-%d %H:%M}"
    return f"open, {left.total_seconds() / 3600:.1f} hours left: {appeal.text}"


def _json(held: Suspension) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "account": held.account,
        "stands": held.stands(now),
        "verdict": held.verdict,
        "by": held.by,
        "reason": held.reason,
        "at": held.at.isoformat(),
        "appeals": [
            {
                "id": each.id,
                "text": each.text,
                "at": each.at.isoformat(),
                "due": each.due.isoformat(),
                "outcome": each.outcome,
                "answer": each.answer,
                "by": each.by,
            }
            for each in held.appeals
        ],
    }
