"""Where finished briefings are kept: one folder each in the workspace, private to its owner.

``briefing.json`` is the whole and is written last, so that its presence means that the briefing is complete;
``index.html`` follows from it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from inbond import strict_json
from inbond.briefing.briefing import ID, Briefing
from inbond.errors import InputError
from inbond.workspace import PRIVATE_DIR, Workspace, write_bytes, write_json, writing

NAME: Final = "briefing.json"
PAGE: Final = "index.html"
MOST_BYTES: Final = 64 << 20


def read(folder: Path) -> Briefing:
    """The briefing in a folder. Raises InputError for none and for a damaged one; NewerFormatError."""
    path = folder / NAME
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _unreadable(path, f"more than {MOST_BYTES:,} bytes")
        value = strict_json.parse(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise _unreadable(path, f"no JSON: {error}"[:200]) from error
    found = Briefing.from_json(value, str(path))
    if found.id != folder.name:
        raise _unreadable(path, f"the briefing {found.id}, in a folder of another name")
    return found


def listed(workspace: Workspace, tell: Callable[[InputError], None] | None = None) -> list[Briefing]:
    """All complete briefings, newest first. One that cannot be read is skipped, and told to ``tell``."""
    found: list[Briefing] = []
    for folder in folders(workspace):
        try:
            found.append(read(folder))
        except InputError as error:
            if tell is not None:
                tell(error)
    return sorted(found, key=lambda each: (each.made_at, each.id), reverse=True)


def folders(workspace: Workspace) -> list[Path]:
    """The folders of complete briefings, by id."""
    try:
        inside = sorted(workspace.briefings.iterdir())
    except OSError:
        return []
    return [each for each in inside if ID.fullmatch(each.name) and (each / NAME).is_file()]


def keep(workspace: Workspace, briefing: Briefing, page: str) -> Path:
    """Writes the page, then the briefing; returns its folder. Raises UnwritableError."""
    folder = workspace.briefing(briefing.id)
    with writing(folder):
        workspace.briefings.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        folder.mkdir(mode=PRIVATE_DIR, exist_ok=True)
    write_bytes(folder / PAGE, page.encode())
    write_json(folder / NAME, briefing.to_json())
    return folder


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        expected=f"a briefing that can be read at {path}",
        found=found,
        fix="make it again with inbond briefing make",
    )
