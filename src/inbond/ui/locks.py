"""Whether somebody is at work on a run: who holds its lock. Taking it to find out would disturb them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_HELD: Final = Path("/proc/locks")


def held(path: Path, table: Path = _HELD) -> bool | None:
    """Whether a process holds a flock on the file; None where the system does not tell (not Linux)."""
    try:
        told = path.stat()
        lines = table.read_text("ascii").splitlines()
    except FileNotFoundError:
        return False if table.exists() else None
    except OSError:
        return None
    name = f"{os.major(told.st_dev):02x}:{os.minor(told.st_dev):02x}:{told.st_ino}"
    return any("FLOCK" in line and " -> " not in line and name in line.split() for line in lines)
