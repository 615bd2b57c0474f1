"""Where days of briefings are kept: ``briefings/days/<date>`` in the workspace, ``<date>-<language>`` where a
language was asked for. ``day.json`` is written last; page and feed follow from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from inbond import strict_json
from inbond.briefing.briefing import ID
from inbond.briefing.day import Day
from inbond.briefing.shelf import MOST_BYTES, NAME, PAGE
from inbond.engine.erasure import DAYS
from inbond.errors import InputError
from inbond.workspace import Workspace

DAY: Final = "day.json"
FEED: Final = "feed.xml"
DAY_PAGE: Final = PAGE
ROOT: Final = "../../"
"""From a day's page to the briefings."""
FOLDER: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:-[a-z]{2,3})?")


def days_folder(workspace: Workspace) -> Path:
    """Where all days are."""
    return workspace.briefings / DAYS


def folders(workspace: Workspace) -> list[Path]:
    """The folders of complete days, newest first."""
    try:
        inside = sorted(days_folder(workspace).iterdir(), reverse=True)
    except OSError:
        return []
    return [each for each in inside if FOLDER.fullmatch(each.name) and (each / DAY).is_file()]


def read(folder: Path) -> Day:
    """The day in a folder. Raises InputError for none and for a damaged one; NewerFormatError."""
    path = folder / DAY
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
    return Day.from_json(value, str(path))


def listed(workspace: Workspace, tell: Callable[[InputError], None] | None = None) -> list[Day]:
    """All complete days, newest first, each once. One that cannot be read is skipped and told to ``tell``."""
    found: dict[str, Day] = {}
    for folder in folders(workspace):
        try:
            day = read(folder)
            found.setdefault(day.id, day)
        except InputError as error:
            if tell is not None:
                tell(error)
    return list(found.values())


def unfinished(workspace: Workspace) -> list[Path]:
    """Folders of briefings that are not complete: one is being made, or its making was cut off."""
    try:
        inside = sorted(workspace.briefings.iterdir())
    except OSError:
        return []
    return [each for each in inside if ID.fullmatch(each.name) and not (each / NAME).is_file()]


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        expected=f"a day of briefings that can be read at {path}",
        found=found,
        fix="make it again with inbond briefing day",
    )
