"""``inbond guard suspend`` and ``lift``: what a person decides of an account, signed into the ledger."""

from __future__ import annotations

import contextlib
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inbond.cli.guard_state import ConfigOption, repeated, standing
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.digest import Digest
from inbond.errors import InputError

if TYPE_CHECKING:
    from inbond.guard.appeals import Case
    from inbond.ledger.events import Event
    from inbond.workspace import Workspace

AccountArgument = Annotated[str, typer.Argument(metavar="TENANT/ACCOUNT", help="The account.")]
ByOption = Annotated[str, typer.Option("--by", help="Who decides: a name that stands in the ledger.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")]


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
    within 24 hours. While an account is lifted, it cannot be suspended.

    Example: inbond guard suspend acme/batch --by Ben --reason "replay across 40 accounts, read twice"
    """
    from inbond.guard import appeals

    workspace = open_workspace(home)
    tier, verdict = standing(workspace, account, config)
    case = appeals.case_of(read_cases(workspace, config), account)
    body = appeals.suspend(case, tier, verdict, by, reason, datetime.now(UTC))
    event = record(workspace, appeals.SUSPENDED, body, config)
    back = f"inbond guard lift {shlex.quote(account)} --by NAME --reason WHY{repeated(config, home)}"
    text = f"{account} is suspended. To take it back: {back}"
    Output(as_json, quiet).result({**body, "event": event.digest}, text)
    return 0


def lift(
    account: AccountArgument,
    by: ByOption,
    reason: ReasonOption,
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="How long.")] = 30,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Take back a suspension or a restriction: for some days nothing beyond tier 1 is enforced.

    For researchers, red teams and auditors, who do what detection looks for; and for mistakes. Detection
    goes on and is shown. A later lift takes the place of an earlier one. A running guard heeds it within
    seconds.

    Examples: inbond guard lift acme/batch --by Chie --reason "their two companies are one, as they showed";
    inbond guard lift redteam/probe --by Chie --reason "our own test, contract 12" --days 90
    """
    from datetime import timedelta

    from inbond.guard import appeals

    workspace = open_workspace(home)
    case = appeals.case_of(read_cases(workspace, config), account)
    now = datetime.now(UTC)
    tier = 0 if case.suspended(now) else standing(workspace, account, config)[0]
    body = appeals.lift(case, tier, by, reason, days, now)
    event = record(workspace, appeals.LIFTED, body, config)
    until = datetime.fromisoformat(event.at) + timedelta(days=days)
    was = "is let in again; nothing" if case.suspended(now) else "is lifted: nothing"
    text = f"{account} {was} beyond tier 1 is enforced until {appeals.said_at(until)}."
    Output(as_json, quiet).result({**body, "until": until.isoformat(), "event": event.digest}, text)
    return 0


def read_cases(workspace: Workspace, config: Path | None = None) -> dict[str, Case]:
    """What people decided of all accounts, as a guard heeds it: by keys of the ledger's own chain, and of the
    operators that ``config`` names."""
    from inbond.guard import appeals
    from inbond.ledger import membership

    if not membership.begun(workspace):
        return {}
    reading = membership.open_to_read(workspace, os.environ)
    with contextlib.closing(reading.store):
        return appeals.cases(reading.heeded(appeals.KINDS, operators_in(config)))


def operators_in(config: Path | None) -> tuple[Digest, ...]:
    """The keys of further operators, as guard.yaml names them."""
    from inbond.guard.config import read_config

    return () if config is None else tuple(map(Digest, read_config(config).operators))


def record(workspace: Workspace, kind: str, body: dict[str, Any], config: Path | None = None) -> Event:
    """Signs a decision into the ledger. Raises InputError for a key whose decisions no guard would heed."""
    from inbond.ledger.attest import KeyStore
    from inbond.ledger.ledger import Ledger

    keys = KeyStore.default()
    with Ledger.open(workspace, keys) as ledger:
        if not ledger.heeds(operators_in(config)):
            id_ = keys.signer().public.id
            raise InputError(
                expected="a key whose decisions the guard heeds: the one that began this ledger, or one "
                "that it introduced",
                found=f"yours, {id_}, which introduces itself",
                fix=f'put operators: ["{id_}"] into guard.yaml, start the guard anew, and give --config here',
            )
        return ledger.record(kind, body)
