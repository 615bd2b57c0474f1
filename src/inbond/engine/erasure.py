"""Erases the text of runs, from the journal and from the record sets that were made of it, and that of a
roundtable's sessions and judgings.

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
SESSION_FILES = ("transcript.jsonl", "page.html", "result.json")
JUDGING_FILES = ("judgements.jsonl", "preferences.jsonl")


class Records(Protocol):
    """The ledger, as far as erasing needs it."""

    def record(self, kind: str, body: Mapping[str, Any]) -> object: ...


@dataclass(frozen=True)
class Erasure:
    """What is to go. ``files`` are relative to the workspace; ``entries`` counts journal entries. ``run`` is
    the name that was given, of a run or a session; None: all."""

    run: str | None
    older_than: float | None
    files: tuple[Path, ...]
    entries: int


def plan(workspace: Workspace, *, run: str | None, older_than: float | None) -> Erasure:
    """Looks, and changes nothing. ``run`` may be a session's name, unless a run has it. ``older_than`` is in
    seconds since 1970: journal entries by their time, files by that of their last change. Raises InputError
    for a name that nothing has."""
    runs: Sequence[str] = []
    entries = 0
    if workspace.journal.exists():
        with Journal.open(workspace.journal) as journal:
            runs = journal.runs()
            entries = journal.erasable(run=run, older_than=older_than)
    known = {*runs, *_folders(workspace.runs)}
    sessions = {*_folders(workspace.sessions)} - known
    if run is None:
        named = [*_below(workspace.runs, TEXT_FILES), *_below(workspace.sessions, SESSION_FILES)]
        named += _below(workspace.judgings, JUDGING_FILES)
    elif run in sessions:
        named = _below(workspace.session(run), SESSION_FILES)
    else:
        _check_known(run, known, sessions, workspace)
        named = _below(workspace.run(run), TEXT_FILES)
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
        body = {_kind_of(relative): relative.parts[1], **_place_of(relative)}
        ledger.record(TEXT_ERASED, body)
        with writing(path):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
    if not workspace.journal.exists():
        return 0
    with Journal.open(workspace.journal) as journal:
        return journal.erase(run=planned.run, older_than=planned.older_than)


def _folders(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*") if path.is_dir()]


def _below(folder: Path, names: Sequence[str]) -> list[Path]:
    return sorted(path for name in names for path in folder.rglob(name))


def _check_known(name: str, runs: set[str], sessions: set[str], workspace: Workspace) -> None:
    if name in runs:
        return
    known = sorted(runs | sessions)
    raise InputError(
        expected=f"a run or a session of the workspace {workspace.home}"
        + (f": {', '.join(known)}" if known else ", which has none"),
        found=repr(name),
        fix="name one of them, or another workspace with --home" if known else "use --home FOLDER",
    )


def _kind_of(relative: Path) -> str:
    """What ``runs/NAME/...`` is one of: a run, a session, a judging."""
    return relative.parts[0].removesuffix("s")


def _place_of(relative: Path) -> dict[str, Any]:
    return {"folder": relative.parent.as_posix(), "files": [relative.name]}
