"""How verbs speak: results on stdout (one JSON object with --json), prose and progress on stderr."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterable
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
        self.console.print(printable(text.split("\n")), markup=False)

    def result(self, value: dict[str, Any], text: str) -> None:
        """The verb's answer: ``value`` with --json, else ``text``; both on stdout."""
        if self.as_json:
            typer.echo(_json(value))
        elif not self.quiet:
            typer.echo(printable(text.split("\n")))


def printable(lines: Iterable[str]) -> str:
    """Lines for a terminal. What they quote (file names, texts of a ledger) may come from anybody, and must
    neither steer it, nor turn the order of its letters round, nor pass for a line of ours."""
    return "\n".join(map(_clean, lines))


def _clean(line: str) -> str:
    return "".join(c if _is_harmless(c) else " " if c in "\n\t" else "\ufffd" for c in line)


def _is_harmless(letter: str) -> bool:
    """Not so controls and what turns the order of letters round; spaces and joiners of any script are."""
    return (
        letter.isprintable()
        or letter in "\u200c\u200d"
        or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )


def _json(value: Any) -> str:
    """One line, in which what is not printable is written as JSON's escapes."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def print_error(error: InbondError, *, as_json: bool) -> None:
    """JSON on stdout with --json; otherwise three short lines on stderr."""
    if as_json:
        typer.echo(_json({"error": error.to_json()}))
        return
    lines = (f"error: expected {error.expected}", f"  found: {error.found}", f"  fix:   {error.fix}")
    typer.echo(printable(lines), err=True)


def open_workspace(home: Path | None) -> Workspace:
    """The workspace that ``--home`` and the environment name; touches nothing on disk."""
    return Workspace(find_home(home, os.environ))


def check_place(option: str, place: Path, workspace: Workspace, *read: Path) -> None:
    """Raises InputError for a folder, for a place in the workspace, since what lies there is recorded, and
    for one that is, or lies in, what the verb was told to ``read``."""
    real = place.resolve()
    for kept in read:
        if real.is_relative_to(kept.resolve()):
            raise InputError(
                expected=f"{option} with a file of its own, which is written anew",
                found=f"{place}, which {'is' if real == kept.resolve() else 'lies in'} {kept}",
                fix="name another file",
            )
    inside = real.is_relative_to(workspace.home.resolve())
    if inside or place.is_dir():
        raise InputError(
            expected=f"{option} with a file outside the workspace, which holds what the ledger speaks of",
            found=f"{place}, which is {'in ' + str(workspace.home) if inside else 'a folder'}",
            fix="name another file",
        )
