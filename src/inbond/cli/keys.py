"""``inbond keys``: the key that signs the ledger."""

from __future__ import annotations

import typer

from inbond.cli.output import HomeOption, JsonOption, Output
from inbond.ledger.attest import ALGORITHM, KeyStore

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
    output = Output(as_json, quiet=False)
    public = KeyStore.default().signer().public
    output.result(
        {"key": public.id, "algorithm": ALGORITHM, "public_key": public.to_pem()}, public.to_pem().rstrip()
    )
    if not as_json:
        output.say(f"key id: {public.id}")
