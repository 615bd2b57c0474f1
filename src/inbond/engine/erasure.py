"""Erases the text of runs, of a roundtable's sessions, of judgings and of briefings: from the journal, and
from the files that were made of it.

Digests, lineage, token counts and costs stay, so that the ledger still verifies. The ledger is told
before a file goes: a kill in between leaves a file that is to be erased, never a loss unexplained.

A session goes as a whole: its transcript is chained line to line, and a part of it would prove nothing. So
does a briefing, which is nothing but text, and with it each day's page on which it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from inbond.engine.journal import Journal
from inbond.errors import InputError
from inbond.ledger.events import TEXT_ERASED
from inbond.ledger.records import TEXT
from inbond.workspace import Workspace, sync_folder, writing

TOKENS = "remote-tokens.json"
"""The teacher's answers as tokens, beside targets that a served teacher's host gave."""
ALTERNATIVES = "alternatives.jsonl"
"""All answers of which a mark chose one, beside the records."""
TEXT_FILES = (TEXT, "samples.json", "report.html", TOKENS, ALTERNATIVES)
"""Files of a run that hold text of prompts or answers; the report is made again without samples."""
JUDGING: Final = "judging-"
"""How the journal names what a batch's judges were asked: this, the batch's id, a dash, the judge's name."""
BRIEFING: Final = "briefing:"
"""How the journal names what was asked for a briefing: this and its id."""
DAYS: Final = "days"
"""Among the folders of briefings that of their days, which hold titles, sentences and key points."""
Kind = Literal["runs", "sessions", "judgings", "briefings"]
_ONE: Final[Mapping[Kind, str]] = {
    "runs": "run",
    "sessions": "session",
    "judgings": "judging",
    "briefings": "briefing",
}
_FIGURES: Final = "result.json"
"""The one file of a judging that holds no text."""


class Records(Protocol):
    """The ledger, as far as erasing needs it."""

    def record(self, kind: str, body: Mapping[str, Any]) -> object: ...


@dataclass(frozen=True)
class Erasure:
    """What is to go. ``files`` are relative to the workspace; ``entries`` counts journal entries, those of
    the names in ``journal`` (None: of all)."""

    older_than: float | None
    files: tuple[Path, ...]
    entries: int
    journal: tuple[str, ...] | None


def plan(workspace: Workspace, *, name: str | None, older_than: float | None) -> Erasure:
    """Looks, and changes nothing. ``name`` is that of a run, a session, a judging or a briefing, or
    ``runs/NAME`` and so on where it is more than one of them; None: everything. ``older_than`` is in seconds
    since 1970: journal entries by their time, a run's files by that of their last change, those of the others
    by that of the last of them. Raises InputError for a name that nothing has."""
    asked = _asked(workspace)
    wanted = None if name is None else _named(workspace, name, asked)
    of = _folders(workspace) if wanted is None else [wanted]
    journal = None if wanted is None else _journal_names(*wanted, asked)
    files = (path for kind, each in of for path in _files(workspace, kind, each, older_than))
    relative = tuple(path.relative_to(workspace.home) for path in dict.fromkeys(files))
    return Erasure(older_than, relative, _entries(workspace, journal, older_than), journal)


def erase(workspace: Workspace, planned: Erasure, ledger: Records) -> int:
    """Erases what was planned; returns how many journal entries lost their text.

    Raises UnwritableError, and InputError while another process uses the journal; calling again
    goes on from there.
    """
    for relative in planned.files:
        path = workspace.home / relative
        kind, name = whose(relative)
        body = {_ONE[kind]: name, "folder": relative.parent.as_posix(), "files": [relative.name]}
        ledger.record(TEXT_ERASED, body)
        with writing(path):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
    if not workspace.journal.exists():
        return 0
    with Journal.open(workspace.journal) as journal:
        runs: Iterable[str | None] = (None,) if planned.journal is None else planned.journal
        return sum(journal.erase(run=run, older_than=planned.older_than) for run in runs)


def whose(relative: Path) -> tuple[Kind, str]:
    """What a planned file belongs to: the kind, and the name of the run, session, judging or briefing."""
    kind = next(kind for kind in _ONE if kind == relative.parts[0])
    return kind, relative.parts[1]


def part_of(run: str) -> str:
    """How the journal's names begin of what a run has asked beside its teacher's answers, of judges: that is
    erased with the run."""
    return f"runs/{run}/"


def _asked(workspace: Workspace) -> tuple[str, ...]:
    """The names under which the journal keeps what was asked."""
    if not workspace.journal.exists():
        return ()
    with Journal.open(workspace.journal) as journal:
        return tuple(journal.runs())


def _folders(workspace: Workspace) -> list[tuple[Kind, str]]:
    return [
        (kind, path.name)
        for kind in _ONE
        for path in sorted((workspace.home / kind).glob("*"))
        if path.is_dir() and not path.is_symlink()
    ]


def _named(workspace: Workspace, name: str, asked: Iterable[str]) -> tuple[Kind, str]:
    """The one run, session, judging or briefing of this name."""
    runs: list[tuple[Kind, str]] = [("runs", each) for each in asked if "/" not in each]
    briefed: list[tuple[Kind, str]] = [
        ("briefings", each.removeprefix(BRIEFING)) for _, each in runs if each.startswith(BRIEFING)
    ]
    others = [each for each in runs if not each[1].startswith(BRIEFING)]
    known = list(dict.fromkeys([*others, *briefed, *_folders(workspace)]))
    found = [(kind, each) for kind, each in known if name in (each, f"{kind}/{each}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            expected="a name that only one thing has",
            found=f"{name!r}, which is " + " and ".join(f"{kind}/{each}" for kind, each in found),
            fix=f"inbond erase {found[0][0]}/{name}",
        )
    names = sorted({each for _, each in known})
    raise InputError(
        expected=f"a run, a session, a judging or a briefing of the workspace {workspace.home}"
        + (f": {', '.join(names)}" if names else ", which has none"),
        found=repr(name),
        fix="name one of them, or another workspace with --home" if names else "use --home FOLDER",
    )


def _journal_names(kind: Kind, name: str, asked: Iterable[str]) -> tuple[str, ...]:
    """A judging's requests hold its batch's pairs, whoever judged: those of all its judges go."""
    if kind == "runs":
        return (name, *(each for each in asked if each.startswith(part_of(name))))
    if kind == "briefings":
        return (f"{BRIEFING}{name}",)
    batch = name.rpartition("-")[0]
    return tuple(each for each in asked if kind == "judgings" and each.startswith(f"{JUDGING}{batch}-"))


def _files(workspace: Workspace, kind: Kind, name: str, older_than: float | None) -> list[Path]:
    folder = workspace.home / kind / name
    if kind == "runs":
        named = sorted(path for each in TEXT_FILES for path in folder.rglob(each))
        found = [path for path in named if path.is_file() and not path.is_symlink()]
        return [path for path in found if older_than is None or path.stat().st_mtime < older_than]
    held = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    texts = [path for path in held if kind == "sessions" or path.name not in (_FIGURES, ".lock")]
    if folder == workspace.briefings / DAYS:
        return [path for path in texts if older_than is None or path.stat().st_mtime < older_than]
    last = max((path.stat().st_mtime for path in texts), default=0.0)
    if older_than is not None and last >= older_than:
        return []
    return [*_days_with(workspace, name), *texts] if kind == "briefings" else texts


def _days_with(workspace: Workspace, briefing: str) -> list[Path]:
    """The days that tell of a briefing, and the feeds of all days: ``inbond briefing day`` makes them anew.
    What says that a day tells of it comes last, so that a kill in between loses no trace."""
    folder = workspace.briefings / DAYS
    told = [each.parent for each in folder.glob("*/day.json") if briefing.encode() in each.read_bytes()]
    feeds = folder.glob("feed-*.xml") if told else ()
    held = (path for path in (*feeds, *(each for day in told for each in day.iterdir())) if path.is_file())
    return sorted(held, key=lambda path: (path.name == "day.json", path))


def _entries(workspace: Workspace, journal: tuple[str, ...] | None, older_than: float | None) -> int:
    if not workspace.journal.exists():
        return 0
    with Journal.open(workspace.journal) as kept:
        runs: Iterable[str | None] = (None,) if journal is None else journal
        return sum(kept.erasable(run=run, older_than=older_than) for run in runs)
