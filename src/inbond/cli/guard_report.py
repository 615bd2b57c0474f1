"""``inbond guard report``: who is watched, restricted or suspended, and why."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from inbond import __version__
from inbond.cli.guard_people import read_cases
from inbond.cli.guard_state import ConfigOption, kept
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.errors import InputError
from inbond.workspace import Workspace, write_bytes

if TYPE_CHECKING:
    from inbond.guard.overview.numbers import Sources

_PUBLIC: Final = 0o644


def report(
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE", help="Write it as a page too (HTML).", show_default=False),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account", metavar="TENANT/ACCOUNT", help="Of this account alone.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Say who is watched, restricted, proposed for suspension or suspended, and on what evidence.

    Reads what the guard keeps and the ledger, changes nothing, and shows no prompt: none is kept.
    Tiers: 0 none, 1 watched, 2 restricted, 3 suspension proposed, which a person signs or not.

    Examples: inbond guard report; inbond guard report --page guard.html; inbond guard report
    --account acme/batch
    """
    from inbond.guard.overview.build import view
    from inbond.guard.overview.data import report_json
    from inbond.guard.overview.lines import lines
    from inbond.report.guard_page import render_guard_page

    workspace, out = open_workspace(home), Output(as_json, quiet)
    if page is not None:
        _check_page(page, workspace)
    sources = replace(_read(workspace, config, account), options=_where(config, home))
    shown = view(sources)
    if page is not None:
        write_bytes(page, render_guard_page(shown, __version__).encode(), _PUBLIC)
    written = {"page": str(page)} if page is not None else {}
    told = [*lines(shown), *(f"Written: page {place}" for place in written.values())]
    out.result({**report_json(sources, shown), **written}, "\n".join(told))
    return 0


def _where(config: Path | None, home: Path | None) -> tuple[str, ...]:
    """What other commands have to be given to find the same guard."""
    given = (("--config", config), ("--home", home))
    return tuple(word for option, place in given if place is not None for word in (option, str(place)))


def _check_page(page: Path, workspace: Workspace) -> None:
    """Raises InputError for a file that cannot be written, before anything is read."""
    check_place("--page", page, workspace)
    if not page.parent.is_dir():
        raise InputError(
            expected="--page with a file in a folder that exists",
            found=f"{page}, and no folder {page.parent}",
            fix="make the folder, or name another file",
        )


def _read(workspace: Workspace, config: Path | None, account: str | None) -> Sources:
    """The state first: it says of whom the ledger is read."""
    from inbond.guard.overview.reading import sources_of, with_events
    from inbond.ledger import membership

    memory, tiers = kept(workspace, config)
    cases = read_cases(workspace, config)
    found = sources_of(datetime.now(UTC), memory, tiers, cases, only=account)
    return with_events(found, membership.events_in(workspace, os.environ))
