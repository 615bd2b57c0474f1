"""The roundtables that a workspace holds, by their folders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from inbond.ui.reading import Unreadable, folders_in, read_object, text
from inbond.workspace import Workspace

PAGE: Final = "page.html"
MOST: Final = 200


@final
@dataclass(frozen=True)
class Listed:
    """One session's line; outcome and winner are "" until it has ended; ``problem`` says why that
    cannot be told."""

    name: str
    at: float
    outcome: str
    winner: str
    page: bool
    problem: str = ""


def folders(workspace: Workspace) -> list[tuple[Path, float]]:
    """The sessions' folders and when each changed last, in seconds since 1970; the newest first. Raises as
    ``folders_in``."""
    found = [(workspace.sessions / name, told.st_mtime) for name, told in folders_in(workspace.sessions)]
    return sorted(found, key=lambda each: (-each[1], each[0].name))


def listed(folder: Path, at: float) -> Listed:
    """What a session's folder says of it."""
    page = os.path.isfile(folder / PAGE)
    try:
        result = read_object(folder / "result.json")
    except FileNotFoundError:
        result = {}
    except Unreadable as error:
        return Listed(folder.name, at, "", "", page, str(error))
    return Listed(folder.name, at, text(result.get("outcome")), text(result.get("winner")), page)
