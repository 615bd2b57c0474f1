"""``inbond guard appeal``: who objects, what is answered, and all that people decided."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inbond.cli.guard_people import read_cases, record
from inbond.cli.guard_state import ConfigOption, standing
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError

if TYPE_CHECKING:
    from inbond.workspace import Workspace


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
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """List what people decided; enter an appeal of a restricted or suspended account, or answer one.

    An appeal has an id and 24 hours. One that is granted, by an answer or because nobody gave any, ends a
    suspension, and for 30 days nothing beyond tier 1 is enforced.

    Examples: inbond guard appeal; inbond guard appeal acme/batch --text "We are two schools."; inbond guard
    appeal 4f0c2a91d3b7 --decide lifted --by Chie --reason "they are"
    """
    from inbond.guard.overview.cases import case_json, case_lines

    workspace, out = open_workspace(home), Output(as_json, quiet)
    if account is None and text is None and decide is None:
        now = datetime.now(UTC)
        found = [case for case in read_cases(workspace, config).values() if case.matters(now) or case.appeals]
        value = {"accounts": [case_json(case, now) for case in found]}
        told = [line for case in found for line in case_lines(case, now)]
        out.result(value, "\n".join(told or ["Nobody is suspended, and nobody appealed."]))
    elif account is None or (text is None) == (decide is None):
        raise InputError(
            expected="an account with --text (to appeal), or an id with --decide (to answer)",
            found="neither account nor id" if account is None else "both" if text else "neither",
            fix='inbond guard appeal TENANT/ACCOUNT --text "..."',
        )
    elif text is not None:
        out.result(*_enter(workspace, account, text, config))
    else:
        out.result(*_answer(workspace, account, str(decide), (by, reason), config))
    return 0


def _enter(workspace: Workspace, account: str, text: str, config: Path | None) -> tuple[dict[str, Any], str]:
    from inbond.guard import appeals

    case = appeals.case_of(read_cases(workspace, config), account)
    now = datetime.now(UTC)
    tier = 0 if case.suspended(now) else standing(workspace, account, config)[0]
    body = appeals.appeal(case, tier, text, now)
    event = record(workspace, appeals.APPEALED, body, config)
    due = datetime.fromisoformat(event.at) + appeals.CLOCK
    said = f"Appeal {body['id']} of {account} is entered: answered by {appeals.said_at(due)}, or granted."
    return {**body, "due": due.isoformat(), "event": event.digest}, said


def _answer(
    workspace: Workspace, id_: str, outcome: str, signed: tuple[str, str], config: Path | None
) -> tuple[dict[str, Any], str]:
    from inbond.guard import appeals

    known: dict[str, appeals.Outcome] = {"upheld": "upheld", "lifted": "lifted"}
    if outcome not in known:
        raise InputError(expected="--decide upheld or lifted", found=repr(outcome), fix="choose one of them")
    body = appeals.answer(read_cases(workspace, config), id_, known[outcome], *signed, datetime.now(UTC))
    event = record(workspace, appeals.ANSWERED, body, config)
    granted = f"for {appeals.DAYS} days nothing beyond tier 1 is enforced"
    said = "everything stays as it is" if outcome == "upheld" else granted
    return {**body, "event": event.digest}, f"Appeal {id_} is answered: {said}."
