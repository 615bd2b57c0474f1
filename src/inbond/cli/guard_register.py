"""``inbond guard register`` and ``inbond guard issuer``: what a customer signs, and what it gets signed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.errors import InputError
from inbond.ledger.attest import KeyStore
from inbond.workspace import write_bytes


def register(
    tenant: Annotated[str, typer.Option(help="Your name with the provider.")],
    purpose: Annotated[str, typer.Option(help="What you use its models for, in a sentence.")],
    model: Annotated[list[str], typer.Option(help="A model that you use for it; may be given again.")],
    budget_usd: Annotated[float, typer.Option(min=0, help="The most that it may cost, US dollars a month.")],
    out: Annotated[Path, typer.Option(help="Where to write it, for the provider.")],
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="First day; default: today (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Last day; default: none.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Say, signed with your key, what you use a provider's models for.

    Give the file to the provider, and your key's id some other way. The provider names both in callers.yaml;
    from then on lawful distilling is not held against you, the budget is a limit, and every receipt says the
    purpose.

    Example: inbond guard register --tenant acme --purpose "a help desk model" --model big --budget-usd 500
    --out acme.registration
    """
    from inbond.guard import registration

    check_place("--out", out, open_workspace(home))
    first = _day("--since", since) or datetime.now(UTC).date()
    wish = registration.Wish(tenant, purpose, tuple(model), budget_usd, first, _day("--until", until))
    signer = KeyStore.default().signer()
    write_bytes(out, registration.seal(wish, signer), mode=0o644)
    found = registration.read(str(out), out.read_bytes(), signer.public.id)
    Output(as_json, quiet).result(
        {"file": str(out), "key": found.key, "digest": found.digest},
        f"{out} says it, signed with {found.key}\nThe provider puts into callers.yaml, under {tenant}:\n"
        f"  registration: {{file: {out.name}, key: {json.dumps(found.key)}}}",
    )
    return 0


def issuer(
    rotate: Annotated[bool, typer.Option("--rotate", help="Sign with a new key from now on.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Show the public keys that this workspace's guard signs receipts with, the one in use first.

    They are what it serves at /.well-known/inbond/keys.json; customers who got them some other way need not
    believe the connection. A guard that runs takes a new key up within a second; receipts under old keys stay
    good as long as their files stay.

    Example: inbond guard issuer > issuer-keys.json
    """
    from inbond.guard.receipts import FOLDER, public_keys
    from inbond.ledger import issuer_keys

    store = KeyStore(open_workspace(home).guard / FOLDER)
    if rotate:
        store.rotate()
    else:
        store.signer()
    keys = json.loads(issuer_keys.encode(public_keys(store)))
    Output(as_json, quiet).result(keys, json.dumps(keys, indent=2))
    return 0


def _day(option: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            expected=f"{option} as a date such as 2026-12-31", found=f"{text!r:.40}", fix="correct it"
        ) from error
