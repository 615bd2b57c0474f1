"""``inbond keys``: the key that signs the ledger, shown and changed."""

from __future__ import annotations

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, open_workspace
from inbond.ledger import membership
from inbond.ledger.attest import ALGORITHM, KeyStore
from inbond.ledger.ledger import Ledger

app = typer.Typer(help="The key that signs your ledgers.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """The key that signs your ledgers."""


@app.command()
def show(_home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print your public key (PEM) on stdout and its id on stderr; the key is made now if there is none.

    Keys belong to you and not to a workspace, so --home changes nothing here.

    Example: inbond keys show > key.pem, then give key.pem to whoever shall run inbond verify --key key.pem
    """
    output, keys = Output(as_json, quiet=False), KeyStore.default()
    is_new = not keys.public_keys()
    public = keys.signer().public
    output.result(
        {"key": public.id, "algorithm": ALGORITHM, "public_key": public.to_pem()}, public.to_pem().rstrip()
    )
    if as_json:
        return
    output.say(f"key id: {public.id}")
    if is_new:
        output.say(
            "it was made just now; if you had one before, put its file back, or see docs/keys.md on lost keys"
        )


@app.command()
def rotate(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Change your signing key for a new one, which the old one introduces into your ledgers.

    The ledger of this workspace hears of it now, any other with its next event. The old private key is kept
    for that; once all your ledgers have the new one, you may delete its file.

    Example: inbond keys rotate --home bond, then inbond keys show > new-key.pem for those who verify
    """
    workspace, output, keys = open_workspace(home), Output(as_json, quiet=False), KeyStore.default()
    changed = keys.rotate()
    introduced = None
    if membership.begun(workspace):
        with Ledger.open(workspace, keys) as ledger:
            introduced = ledger.introduce()
    where = None if introduced is None else str(membership.place(workspace))
    output.result(
        {"old": changed.old.id, "new": changed.new.id, "kept": str(changed.kept), "introduced": where},
        f"new key: {changed.new.id}\nold key: {changed.old.id}, kept in {changed.kept}\n"
        + (f"introduced into {where}: {introduced.name}" if introduced else "introduced into no ledger yet")
        + "\nother ledgers get to know it with their next event, as long as that file is there",
    )
