"""The roundtables that a workspace holds, by their folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from inbond.ui.reading import Unreadable, read_object
from inbond.workspace import Workspace

PAGE: Final = "page.html"
MOST: Final = 200


@final
@dataclass(frozen=True)
class Listed:
    """One session's line; outcome and winner are "" until it has ended."""

    name: str
    at: float
    outcome: str
    winner: str
    page: bool


def folders(workspace: Workspace) -> list[Path]:
    """The sessions' folders, the newest first."""
    try:
        found = [each for each in workspace.sessions.iterdir() if each.is_dir() and not each.is_symlink()]
        return sorted(found, key=lambda each: each.stat().st_mtime, reverse=True)
    except (FileNotFoundError, NotADirectoryError):
        return []


def listed(folder: Path) -> Listed:
    """What a session's folder says of it."""
    try:
        result = read_object(folder / "result.json")
    except (FileNotFoundError, Unreadable):
        result = {}
    outcome, winner = (str(result.get(name) or "") for name in ("outcome", "winner"))
    return Listed(folder.name, folder.stat().st_mtime, outcome, winner, (folder / PAGE).is_file())
