"""``inbond guard suspend`` and ``lift``: what a person decides of accounts, signed into the ledger."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

import typer

from inbond.cli.guard_state import ConfigOption, kept, repeated, standings
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace, printable
from inbond.digest import Digest
from inbond.errors import InputError

if TYPE_CHECKING:
    from inbond.guard.appeals import Case
    from inbond.ledger.events import Event
    from inbond.workspace import Workspace

AccountsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TENANT/ACCOUNT]...", help="The accounts.", show_default=False),
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option(
        "--group", metavar="ID", help="Of the members of a group that the report names.", show_default=False
    ),
]
ByOption = Annotated[str, typer.Option("--by", help="Who decides: a name that stands in the ledger.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")]
Decided = Mapping[str, dict[str, Any] | InputError]
"""By account: the body of what is signed, or why nothing is."""


def suspend(
    accounts: AccountsArgument = None,
    *,
    by: ByOption,
    reason: ReasonOption,
    group: GroupOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Sign suspensions that the guard proposed (tier 3). Nothing but a person's signature suspends.

    A running guard heeds it within seconds. An account may appeal, and is let in again when nobody answers
    within 24 hours. While an account is lifted, it cannot be suspended. Of each account it is said whether
    it is suspended or why not; all are signed at once. Exits 2 where one that was named is not. --group
    leaves members as they are whose suspension is not proposed.

    Examples: inbond guard suspend acme/batch --by Ben --reason "replay across 40 accounts, read twice";
    inbond guard suspend --group payment:8367cd66fdd136bb --by Ben --reason "one card, 40 accounts"
    """
    from inbond.guard import appeals

    workspace, now = open_workspace(home), datetime.now(UTC)
    asked = _asked(workspace, config, accounts, group)
    found = read_cases(workspace, config)
    stand = standings(workspace, asked.names, config)

    def body(name: str) -> dict[str, Any]:
        return appeals.suspend(appeals.case_of(found, name), *stand[name], by, reason, now)

    decided = _decided(asked, body)
    signed = _sign(workspace, appeals.SUSPENDED, decided, config)
    again = f"{shlex.join(signed)} --by NAME --reason WHY{repeated(config, home)}"
    text = [*(f"{name} is suspended." for name in signed), f"To take it back: inbond guard lift {again}"]
    shown = {name: {"event": event.digest} for name, event in signed.items()}
    return _tell(Output(as_json, quiet), asked, decided, shown, text)


def lift(
    accounts: AccountsArgument = None,
    *,
    by: ByOption,
    reason: ReasonOption,
    group: GroupOption = None,
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="How long.")] = 30,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Take back suspensions or restrictions: for some days nothing beyond tier 1 is enforced.

    For researchers, red teams and auditors, who do what detection looks for; and for mistakes. Detection
    goes on and is shown. A later lift takes the place of an earlier one. A running guard heeds it within
    seconds. Of each account it is said whether it is lifted or why not; all are signed at once. Exits 2
    where one that was named is not.

    Examples: inbond guard lift acme/batch --by Chie --reason "their two companies are one, as they showed";
    inbond guard lift redteam/a redteam/b --by Chie --reason "our own test, contract 12" --days 90
    """
    from inbond.guard import appeals

    workspace, now = open_workspace(home), datetime.now(UTC)
    asked = _asked(workspace, config, accounts, group)
    found = read_cases(workspace, config)
    shut_out = {name for name in asked.names if appeals.case_of(found, name).suspended(now)}
    stand = standings(workspace, [name for name in asked.names if name not in shut_out], config)

    def body(name: str) -> dict[str, Any]:
        tier = 0 if name in shut_out else stand[name][0]
        return appeals.lift(appeals.case_of(found, name), tier, by, reason, days, now)

    decided = _decided(asked, body)
    signed = _sign(workspace, appeals.LIFTED, decided, config)
    text, shown = [], {}
    for name, event in signed.items():
        until = datetime.fromisoformat(event.at) + timedelta(days=days)
        was = "is let in again; nothing" if name in shut_out else "is lifted: nothing"
        text.append(f"{name} {was} beyond tier 1 is enforced until {appeals.said_at(until)}.")
        shown[name] = {"until": until.isoformat(), "event": event.digest}
    return _tell(Output(as_json, quiet), asked, decided, shown, text)


# Several accounts at once ---------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class _Asked:
    """Whom a decision is asked for: who was ``named``, and the members of groups."""

    named: tuple[str, ...]
    members: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys((*self.named, *self.members)))


def _asked(
    workspace: Workspace, config: Path | None, accounts: Sequence[str] | None, groups: Sequence[str] | None
) -> _Asked:
    if not accounts and not groups:
        raise InputError(
            expected="accounts as TENANT/ACCOUNT, or --group with the id of a group",
            found="neither",
            fix="inbond guard report names both",
        )
    members = _members(workspace, config, groups) if groups else ()
    return _Asked(tuple(accounts or ()), tuple(members))


def _members(workspace: Workspace, config: Path | None, groups: Sequence[str]) -> Iterable[str]:
    """Those who show themselves what their group shows: nobody else is any matter of it."""
    from inbond.guard.detect.judge import clusters

    known = {each.id: each.members for each in clusters(kept(workspace, config)[0])}
    for id_ in groups:
        if id_ not in known:
            raise InputError(
                expected="the id of a group past tier 0, as the report names it",
                found=id_,
                fix=f"inbond guard report lists {', '.join(list(known)[:3]) or 'none now'}; name accounts",
            )
        if not known[id_]:
            raise InputError(
                expected="a group of which a member shows itself what the group shows",
                found=f"{id_}, of which none does",
                fix="nobody is restricted by it; name accounts",
            )
    return [name for id_ in groups for name in known[id_]]


def _decided(asked: _Asked, body: Callable[[str], dict[str, Any]]) -> Decided:
    """Raises InputError where only one account is asked about, and it is refused."""
    found: dict[str, dict[str, Any] | InputError] = {}
    for name in asked.names:
        try:
            found[name] = body(name)
        except InputError as error:
            if len(asked.names) == 1:
                raise
            found[name] = error
    return found


def _sign(workspace: Workspace, kind: str, decided: Decided, config: Path | None) -> dict[str, Event]:
    bodies = {name: body for name, body in decided.items() if not isinstance(body, InputError)}
    return dict(zip(bodies, record_all(workspace, kind, bodies.values(), config), strict=True))


def _tell(
    out: Output, asked: _Asked, decided: Decided, shown: Mapping[str, Mapping[str, str]], text: Iterable[str]
) -> int:
    """Each account's result; ``shown`` is what a signature adds to its body. The exit code."""
    refused = {name: each for name, each in decided.items() if isinstance(each, InputError)}
    values = [
        {**each, **shown[name]}
        if not isinstance(each, InputError)
        else {"account": name, "error": each.to_json()}
        for name, each in decided.items()
    ]
    if not out.as_json:
        left = (f"{name} is left as it is: {error}" for name, error in refused.items())
        typer.echo(printable(left), err=True, nl=bool(refused))
    out.result({"accounts": values}, "\n".join(text if shown else ["Nothing was signed."]))
    return 0 if shown and refused.keys().isdisjoint(asked.named) else InputError.exit_code


# The ledger -----------------------------------------------------------------------------------------


def read_cases(workspace: Workspace, config: Path | None = None) -> dict[str, Case]:
    """What people decided of all accounts, as a guard heeds it: by keys of the ledger's own chain, and of the
    operators that ``config`` names."""
    from inbond.guard.kept import cases_in

    return cases_in(workspace, operators_in(config))


def operators_in(config: Path | None) -> tuple[Digest, ...]:
    """The keys of further operators, as guard.yaml names them."""
    from inbond.guard.config import read_config

    return () if config is None else tuple(map(Digest, read_config(config).operators))


def record(workspace: Workspace, kind: str, body: dict[str, Any], config: Path | None = None) -> Event:
    """Signs a decision into the ledger. Raises as ``record_all``."""
    return record_all(workspace, kind, [body], config)[0]


def record_all(
    workspace: Workspace, kind: str, bodies: Iterable[dict[str, Any]], config: Path | None = None
) -> list[Event]:
    """Signs decisions into the ledger, all or none. Raises InputError for a key whose decisions no guard
    would heed."""
    from inbond.ledger.attest import KeyStore
    from inbond.ledger.ledger import Ledger

    items = [(kind, body) for body in bodies]
    if not items:
        return []
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
        return ledger.record_many(items)
