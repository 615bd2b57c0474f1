"""``inbond ui``: the workspace in a browser, to be read."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError, need_extra

if TYPE_CHECKING:
    from inbond.ui.safety import Rules

_SHORTEST = 16


def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0: any free one.")] = 8765,
    host: Annotated[
        str, typer.Option(help="Whom to listen to. Another than this machine needs --token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="INBOND_UI_TOKEN",
            help="What visitors must know, at least 16 characters; it is asked for once, in the address.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Serve one local site over the workspace: runs, lineage, ledger, terms, roundtables. It only reads.

    Ctrl-C ends it. It asks nothing of any network, and answers this machine alone unless you say otherwise.

    Examples: inbond ui; inbond ui --port 9000 --home ../bond
    """
    try:
        from inbond.ui.safety import Rules
        from inbond.ui.serve import listen, serve
    except ModuleNotFoundError as error:
        raise need_extra("ui", str(error.name)) from error

    rules = Rules(host, token)
    _check(rules)
    listening = listen(host, port)
    with contextlib.closing(listening):
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
        words = f"Open {address}{'?token=...' if token else ''} in a browser. Ctrl-C ends it."
        Output(as_json, quiet).result({"address": address, "token": token is not None}, words)
        serve(open_workspace(home), rules, listening)
    return 0


def _check(rules: Rules) -> None:
    """Raises InputError where others could reach the site without a token, or guess it."""
    from inbond.ui.safety import is_loopback

    if rules.token is None and not is_loopback(rules.host):
        raise InputError(
            expected="--token where others than this machine can reach the site",
            found=f"--host {rules.host} without one",
            fix="set INBOND_UI_TOKEN to what `openssl rand -hex 16` prints, or leave --host out",
        )
    if rules.token is not None and (len(rules.token) < _SHORTEST or not rules.token.isascii()):
        raise InputError(
            expected=f"a token of at least {_SHORTEST} letters, digits and signs",
            found=f"one of {len(rules.token)} characters",
            fix="set INBOND_UI_TOKEN to what `openssl rand -hex 16` prints",
        )
