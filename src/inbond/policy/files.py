"""Where the policy touches the disk: a user's files, and the data that comes with this package.

Everything else here is pure, or stands on this module and ``declared``.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from inbond.errors import InputError

SUFFIX = ".toml"


def read(path: Path, what: str, limit: int | None = None) -> bytes:
    """The bytes of a file that has to be there, ``limit`` of them at most. Raises InputError."""
    try:
        with path.open("rb") as file:
            return file.read(-1 if limit is None else limit)
    except OSError as error:
        raise InputError(
            expected=f"{what} that can be read at {path}",
            found=str(error),
            fix="correct the path, or the permissions",
        ) from error


def read_if_there(path: Path, what: str) -> bytes | None:
    """The bytes of a file; None only where nothing has that name. Raises InputError: a link that leads
    nowhere is no missing file."""
    return read(path, what) if path.exists() or path.is_symlink() else None


def read_folder(folder: Path, what: str) -> list[tuple[str, bytes]]:
    """Every TOML file of a folder that need not be there, by name, in order. Raises InputError for what
    would be passed over in silence: a folder that is none, a link that leads nowhere, another suffix."""
    if not folder.exists() and not folder.is_symlink():
        return []
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(
            expected=f"a folder of {what} at {folder}", found=str(error), fix="make it a folder, or remove it"
        ) from error
    for path in paths:
        if path.suffix != SUFFIX and path.suffix.lower() == SUFFIX:
            raise InputError(
                expected=f"{what} whose name ends in {SUFFIX}", found=str(path), fix="write the ending so"
            )
    return [(str(path), read(path, what)) for path in paths if path.suffix == SUFFIX]


def shipped(folder: str) -> list[tuple[str, bytes]]:
    """The TOML files in a folder of this package, by name, in order."""
    files = (resources.files("inbond.policy") / folder).iterdir()
    found = [(item.name, item.read_bytes()) for item in files if item.name.endswith(SUFFIX)]
    return sorted(found)


def shipped_file(name: str) -> bytes:
    """One file of this package."""
    return (resources.files("inbond.policy") / name).read_bytes()
