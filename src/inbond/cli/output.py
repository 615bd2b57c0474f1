"""How verbs speak: results on stdout (one JSON object with --json), prose and progress on stderr."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from inbond.errors import InbondError, InputError
from inbond.workspace import Workspace, find_home

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Workspace folder. Default: $INBOND_HOME, else ./bond.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no prose; errors only.")]


@dataclass(frozen=True)
class Output:
    """Where a verb's words go. ``console`` is stderr; it honours NO_COLOR and pipes."""

    as_json: bool
    quiet: bool

    @property
    def console(self) -> Console:
        return Console(stderr=True, quiet=self.quiet, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Prose for a person; hidden by --quiet."""
        self.console.print(text, markup=False)

    def result(self, value: dict[str, Any], text: str) -> None:
        """The verb's answer: ``value`` with --json, else ``text``; both on stdout."""
        if self.as_json:
            typer.echo(json.dumps(value, ensure_ascii=False))
        elif not self.quiet:
            typer.echo(text)


def print_error(error: InbondError, *, as_json: bool) -> None:
    """JSON on stdout with --json; otherwise three short lines on stderr."""
    if as_json:
        typer.echo(json.dumps({"error": error.to_json()}, ensure_ascii=False))
        return
    typer.echo(f"error: expected {error.expected}", err=True)
    typer.echo(f"  found: {error.found}", err=True)
    typer.echo(f"  fix:   {error.fix}", err=True)


def open_workspace(home: Path | None) -> Workspace:
    """The workspace that ``--home`` and the environment name; touches nothing on disk."""
    return Workspace(find_home(home, os.environ))


def check_place(option: str, place: Path, workspace: Workspace) -> None:
    """Raises InputError for a folder, and for a place in the workspace: what lies there is recorded."""
    inside = place.resolve().is_relative_to(workspace.home.resolve())
    if inside or place.is_dir():
        raise InputError(
            expected=f"{option} with a file outside the workspace, which holds what the ledger speaks of",
            found=f"{place}, which is {'in ' + str(workspace.home) if inside else 'a folder'}",
            fix="name another file",
        )
