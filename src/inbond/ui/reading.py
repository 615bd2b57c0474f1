"""Reads files of a workspace that may be written, cut or swapped while they are read. Makes nothing."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Final, final

MOST_BYTES: Final = 32 << 20


@final
class Unreadable(Exception):
    """What lies there cannot be shown; the words say why."""


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """A file's bytes. Raises FileNotFoundError, and Unreadable for a link, what is no file, and for more than
    ``most`` bytes."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(path)) from error
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be opened: {error.strerror}") from error
    with open(handle, "rb") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode):
            raise Unreadable(f"{path.name} is not a file")
        if told.st_size > most:
            raise Unreadable(f"{path.name} has {told.st_size:,} bytes; at most {most:,} are shown")
        return file.read(most)


def read_json(path: Path) -> Any:
    """A JSON file's value. Raises as ``read_bytes``, and Unreadable for what is not JSON."""
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path.name} is not JSON: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises as ``read_json``."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise Unreadable(f"{path.name} holds no object")
    return value
