"""``inbond guard``: serve a model API without leaking it, and without hurting lawful customers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import sys
from pathlib import Path
from typing import Annotated

import typer

from inbond.cli.guard_appeal import appeal
from inbond.cli.guard_evaluate import evaluate
from inbond.cli.guard_key import key
from inbond.cli.guard_people import lift, suspend
from inbond.cli.guard_register import issuer, register
from inbond.cli.guard_report import report
from inbond.cli.guard_share import share
from inbond.cli.guard_simulate import simulate
from inbond.cli.guard_state import state
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace, printable
from inbond.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Serve a model API without leaking it; judge its traffic.")
app.command()(evaluate)
app.command()(simulate)
app.command()(report)
app.command()(register)
app.command()(issuer)
app.command()(share)
app.command()(suspend)
app.command()(lift)
app.command()(appeal)
app.command()(key)
app.command()(state)


@app.command()
def serve(
    config: Annotated[
        Path | None,
        typer.Option(help="guard.yaml: who may call, models, policies.", show_default=False),
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="The model server behind, instead of the one in the file.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8089,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Serve an OpenAI-compatible API in front of another: keys, budgets, evidence.

    Logs one JSON line a request to stderr, without a word of it. Ctrl-C or SIGTERM lets what began come to
    an end.

    Example: inbond guard serve --upstream http://localhost:8000 --config guard.yaml
    """
    from inbond.guard.callers_file import CallersFile
    from inbond.guard.config import people_in, read_config
    from inbond.guard.logs import Faults, Lines
    from inbond.guard.receipts import open_issuer
    from inbond.guard.serve import Place, Voice, serve
    from inbond.ledger.attest import KeyStore
    from inbond.ledger.ledger import Ledger

    if config is None or not config.exists():
        raise InputError(
            expected="--config with the guard's file" if config is None else f"the guard's file at {config}",
            found="none",
            fix=f"inbond guard key --config {config or 'guard.yaml'} makes a first one, and a key",
        )
    settings = read_config(config)
    settings = settings.model_copy(update={"upstream": settings.upstream.at(upstream)})
    out = Output(as_json, quiet)
    workspace = open_workspace(home)
    folder = workspace.guard

    _open_many_files()
    lines = Lines(sys.stderr)
    logging.basicConfig(handlers=[Faults(lines)], level=logging.WARNING)

    def wrong(text: str) -> None:
        lines.wrong(printable(text.split("\n")))

    def said(text: str) -> None:
        if not quiet:
            lines.said(printable(text.split("\n")))

    def ready(address: str) -> None:
        out.result({"address": address, "upstream": settings.upstream.url}, f"The guard listens at {address}")
        sys.stdout.flush()

    people = people_in(config, settings)
    if not people.exists():
        raise InputError(
            expected=f"who may call: tenants in {config}, or {people}",
            found="neither",
            fix="docs/guard.md shows both; inbond guard key prints a key and the hash that goes there",
        )
    callers = CallersFile(people, wrong, said, within=settings.callers is None)
    signing = open_issuer(settings, config.parent, folder)
    place = Place(host, port, folder)
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        if settings.state is not None and not ledger.shared:
            said(
                "the state is shared and the ledger is not: a suspension signed here is heeded by no guard "
                "with another ledger; INBOND_LEDGER names one for all"
            )
        voice = Voice(lines.seen, ready, wrong, said)
        asyncio.run(serve(settings, callers, place, os.environ, voice, ledger, signing))
    return 0


def _open_many_files() -> None:
    """A connection is a file to the system, which allows few unless one asks."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
