"""``inbond erase``: the text goes, the evidence stays."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Annotated

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.engine import erasure
from inbond.errors import InputError
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace, alone

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def erase(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="The run, session, judging or briefing (its id) whose text goes. Without it: all.",
            show_default=False,
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Only text older than this: 45m, 12h, 30d, 8w."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Erase prompts and answers: of runs, of a roundtable's sessions and of judgings, from journal and files.

    Digests, lineage, token counts and costs stay, so inbond verify still passes. There is no way back:
    an unfinished run asks its teacher again for what was erased. A session goes as a whole.

    Examples: inbond erase demo / inbond erase --older-than 30d / inbond erase demo --dry-run
    """
    if run is None and older_than is None:
        raise InputError(
            expected="the name of a run, a session or a judging, or --older-than AGE",
            found="neither",
            fix="inbond erase demo, or inbond erase --older-than 30d; --older-than 0d is everything",
        )
    cutoff = None if older_than is None else time.time() - parse_age(older_than)
    workspace, output = open_workspace(home), Output(as_json, quiet)
    planned = erasure.plan(workspace, name=run, older_than=cutoff)
    entries = planned.entries
    if not dry_run and (planned.files or planned.entries):
        with contextlib.ExitStack() as held:
            _hold(planned, workspace, held)
            ledger = held.enter_context(Ledger.open(workspace, KeyStore.default()))
            entries = erasure.erase(workspace, planned, ledger)
    files = [path.as_posix() for path in planned.files]
    verb = "would erase" if dry_run else "erased"
    output.result(
        {"run": run, "dry_run": dry_run, "journal_entries": entries, "files": files},
        f"{verb} the text of {entries} journal entries and {len(files)} files"
        + "".join(f"\n  {name}" for name in files),
    )


def _hold(planned: erasure.Erasure, workspace: Workspace, held: contextlib.ExitStack) -> None:
    """Whoever is at work on any of it keeps all of it."""
    from inbond.roundtable import transcript

    for name in sorted({path.parts[1] for path in planned.files if path.parts[0] == workspace.runs.name}):
        held.enter_context(alone(workspace, name))
    for path in planned.files:
        if path.name == transcript.NAME:
            held.enter_context(transcript.alone(workspace.home / path))


def parse_age(text: str) -> float:
    """Seconds. Raises InputError for anything but a number and one of m, h, d, w."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([mhdw])", text.strip())
    if match is None:
        raise InputError(
            expected="an age such as 45m, 12h, 30d or 8w", found=repr(text), fix="write --older-than 30d"
        )
    return float(match[1]) * _UNITS[match[2]]
