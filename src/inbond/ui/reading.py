"""Reads files of a workspace that may be written, cut or swapped while they are read. Makes nothing."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final, final

from inbond.workspace import opened

_NO_TEXT: Final = re.compile("[\ud800-\udfff]")
_WHOLE_DIGITS: Final = 15
MOST_BYTES: Final = 32 << 20


@final
class Unreadable(Exception):
    """What lies there cannot be shown; the words say why."""


def legible(text: str) -> str:
    """Text that can be written as UTF-8: a name of a file that is none, or JSON, may hold halves of pairs."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def folders_in(place: Path) -> Iterable[tuple[str, os.stat_result]]:
    """The folders that lie in one, by name, no links and none whose name begins with a dot. None where there
    is no such place. Raises Unreadable where nobody may look."""
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                        yield entry.name, entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # erased while we look
                    continue
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise Unreadable(f"{place.name} cannot be opened: {error.strerror}") from error


def open_file(path: Path) -> BinaryIO:
    """A file, open to read. Raises FileNotFoundError, and Unreadable for a link and what is no file."""
    try:
        return opened(path, follow=False)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(path)) from error
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be opened: {error.strerror}") from error


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """A file's bytes. Raises as ``open_file``, and Unreadable for more than ``most`` bytes."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise Unreadable(f"{path.name} has {size:,} bytes; at most {most:,} are shown")
        return file.read(most)


def number(value: object) -> float | None:
    """A number as a file tells it; None for what is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def text(value: object) -> str:
    """A text as a file tells it; "" for what is none."""
    return value if isinstance(value, str) else ""


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _WHOLE_DIGITS else float(digits)


def _written(value: Any) -> Any:
    """The same with legible texts."""
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, list):
        return [_written(each) for each in value]
    if isinstance(value, dict):
        return {legible(name): _written(each) for name, each in value.items()}
    return value


def read_json(path: Path) -> Any:
    """A JSON file's value: its texts are legible, its integers no larger than a float can tell apart; as a
    float they may be infinite. Raises as ``read_bytes``, and Unreadable for what is not JSON."""
    try:
        return _written(json.loads(read_bytes(path), parse_int=_whole))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path.name} is not JSON: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises as ``read_json``."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise Unreadable(f"{path.name} holds no object")
    return value
