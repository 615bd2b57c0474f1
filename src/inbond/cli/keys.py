"""``inbond keys``: the key that signs the ledger, shown and changed."""

from __future__ import annotations

import contextlib

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InbondError
from inbond.ledger import membership
from inbond.ledger.attest import ALGORITHM, KeyStore, Rotation
from inbond.ledger.events import Event
from inbond.ledger.ledger import Ledger

app = typer.Typer(help="The key that signs your ledgers.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """The key that signs your ledgers."""


@app.command()
def show(_home: HomeOption = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Print your public key (PEM) on stdout and its id on stderr; the key is made now if there is none.

    Keys belong to you and not to a workspace, so --home changes nothing here.

    Example: inbond keys show > key.pem, then give key.pem to whoever shall run inbond verify --key key.pem
    """
    output, keys = Output(as_json, quiet), KeyStore.default()
    is_new = not keys.public_keys()
    public = keys.signer().public
    if as_json:
        output.result({"key": public.id, "algorithm": ALGORITHM, "public_key": public.to_pem()}, "")
        return
    typer.echo(public.to_pem().rstrip())  # what was asked for is no prose that --quiet would hide
    output.say(f"key id: {public.id}")
    if is_new:
        output.say(
            "it was made just now; if you had one before, put its file back, or see docs/keys.md on lost keys"
        )


@app.command()
def rotate(home: HomeOption = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Change your signing key for a new one, which the old one introduces into your ledgers.

    The ledger of this workspace hears of it now, any other with its next event. The old private key is kept
    for that; once all your ledgers have the new one, you may delete its file. A ledger that has not heard of
    the last change yet is told of that, and no other key is made: run it again for one.

    Example: inbond keys rotate --home bond, then inbond keys show > new-key.pem for those who verify
    """
    workspace, output, keys = open_workspace(home), Output(as_json, quiet), KeyStore.default()
    with contextlib.ExitStack() as opened:
        ledger, introduced = None, None
        if membership.begun(workspace) and keys.public_keys():
            # Whether it can be written is asked before anything changes.
            ledger = opened.enter_context(Ledger.open(workspace, keys))
            ledger.check_writable()
            introduced = ledger.introduce()
        before = keys.last_rotation() if introduced else None
        changed = before or keys.rotate()
        if ledger is not None and before is None:
            introduced = _introduce(ledger, changed)
    where = None if introduced is None else str(membership.place(workspace))
    output.result(
        {
            "old": changed.old.id,
            "new": changed.new.id,
            "kept": str(changed.kept),
            "introduced": where,
            "changed": before is None,
        },
        f"{'new key' if before is None else 'no new key; the one in use'}: {changed.new.id}\n"
        f"old key: {changed.old.id}, kept in {changed.kept}\n"
        + (f"introduced into {where}: {introduced.name}" if introduced else "introduced into no ledger yet")
        + "\nother ledgers get to know it with their next event, as long as that file is there"
        + ("" if before is None else "\nrun the same again to change the key once more"),
    )


def _introduce(ledger: Ledger, changed: Rotation) -> Event | None:
    try:
        return ledger.introduce()
    except InbondError as error:
        raise type(error)(
            expected=error.expected,
            found=f"{error.found}; the key was changed before that: {changed.new.id} took over from "
            f"{changed.old.id}, which is kept in {changed.kept}",
            fix=f"{error.fix}; then run the same again, which introduces the new key and makes no other",
        ) from error
