"""Erases the text of runs: from the journal, and from the record sets that were made of it.

Digests, lineage, token counts and costs stay, so that the ledger still verifies. The ledger is told
before a file goes: a kill in between leaves a file that is to be erased, never a loss unexplained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from inbond.engine.journal import Journal
from inbond.errors import InputError
from inbond.ledger.events import TEXT_ERASED
from inbond.ledger.records import TEXT
from inbond.workspace import Workspace, sync_folder, writing

TOKENS = "remote-tokens.json"
"""The teacher's answers as tokens, beside targets that a served teacher's host gave."""
TEXT_FILES = (TEXT, "samples.json", "report.html", TOKENS)
"""Files of a run that hold text of prompts or answers; the report is made again without samples."""


class Records(Protocol):
    """The ledger, as far as erasing needs it."""

    def record(self, kind: str, body: Mapping[str, Any]) -> object: ...


@dataclass(frozen=True)
class Erasure:
    """What is to go. ``files`` are relative to the workspace; ``entries`` counts journal entries."""

    run: str | None
    older_than: float | None
    files: tuple[Path, ...]
    entries: int


def plan(workspace: Workspace, *, run: str | None, older_than: float | None) -> Erasure:
    """Looks, and changes nothing. ``older_than`` is in seconds since 1970: journal entries by their
    time, files by that of their last change. Raises InputError for a run that nothing knows."""
    runs: Sequence[str] = []
    entries = 0
    if workspace.journal.exists():
        with Journal.open(workspace.journal) as journal:
            runs = journal.runs()
            entries = journal.erasable(run=run, older_than=older_than)
    known = {*runs, *(path.name for path in workspace.runs.glob("*") if path.is_dir())}
    if run is not None and run not in known:
        raise InputError(
            expected=f"a run of the workspace {workspace.home}"
            + (f": {', '.join(sorted(known))}" if known else ", which has none"),
            found=repr(run),
            fix="name one of them, or another workspace with --home" if known else "use --home FOLDER",
        )
    top = workspace.runs if run is None else workspace.run(run)
    named = sorted(path for name in TEXT_FILES for path in top.rglob(name))
    found = (path for path in named if path.is_file() and not path.is_symlink())
    files = [path for path in found if older_than is None or path.stat().st_mtime < older_than]
    return Erasure(run, older_than, tuple(path.relative_to(workspace.home) for path in files), entries)


def erase(workspace: Workspace, planned: Erasure, ledger: Records) -> int:
    """Erases what was planned; returns how many journal entries lost their text.

    Raises UnwritableError, and InputError while another process uses the journal; calling again
    goes on from there.
    """
    for relative in planned.files:
        path = workspace.home / relative
        body = {"run": _run_of(relative), "folder": relative.parent.as_posix(), "files": [relative.name]}
        ledger.record(TEXT_ERASED, body)
        with writing(path):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
    if not workspace.journal.exists():
        return 0
    with Journal.open(workspace.journal) as journal:
        return journal.erase(run=planned.run, older_than=planned.older_than)


def _run_of(relative: Path) -> str:
    """``runs/NAME/...``: the second part."""
    return relative.parts[1]
