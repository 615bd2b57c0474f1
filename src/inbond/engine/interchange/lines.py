"""JSON lines, read strictly: a row is one object, and what is wrong with it is said with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inbond import strict_json
from inbond.errors import InputError

MAX_LINE_BYTES = 16 << 20
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (``"<file>, line <n>"``, object) for every line that is not blank.

    Raises InputError naming the line: not UTF-8, not one JSON object, a field twice, a number that
    JSON does not have, a NUL character, half a surrogate pair, or more than MAX_LINE_BYTES.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                place = f"{path}, line {number}"
                if number == 1:
                    line = without_bom(line, place)
                if len(line) > MAX_LINE_BYTES:
                    raise refuse(
                        place,
                        f"a line of at most {MAX_LINE_BYTES >> 20} MiB",
                        "a longer one",
                        "is it one JSON object a line?",
                    )
                if line.strip():
                    yield place, _parse(line, place)
    except OSError as error:
        raise InputError(
            expected=f"a file that can be read at {path}",
            found=error.strerror or str(error),
            fix="correct the path, or the permissions",
        ) from error


def without_bom(line: bytes, place: str) -> bytes:
    """The first line of a file without its mark. Raises InputError for UTF-16."""
    if line.startswith(_WIDE_BOMS):
        raise refuse(place, "text in UTF-8", "a file in UTF-16", "save it as UTF-8")
    return line.removeprefix(_BOM)


def _parse(line: bytes, place: str) -> dict[str, Any]:
    if b"\0" in line:
        raise refuse(
            place, "text in UTF-8", "a NUL byte", "save it as UTF-8; is it a binary file, or UTF-16?"
        )
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} at {error.start + 1}, which is not UTF-8"
        raise refuse(
            place, "text in UTF-8", found, "save it as UTF-8 (it may be Shift_JIS or Latin-1)"
        ) from error
    try:
        value = strict_json.parse(text)
    except json.JSONDecodeError as error:
        found = f"{error.msg} at column {error.colno}"
        raise refuse(place, "one JSON object", found, "correct the line; every row is one line") from error
    except ValueError as error:
        raise refuse(place, "one JSON object", _fault(error), "correct the line") from error
    if not isinstance(value, dict):
        raise refuse(
            place, "one JSON object", f"{type(value).__name__} {value!r:.60}", 'write {"prompt": "..."}'
        )
    _refuse_unwritable(value, text, place)
    return value


def _refuse_unwritable(value: Any, text: str, place: str) -> None:
    """Half a surrogate pair or a NUL can only come in through an escape, so most lines cost nothing."""
    if "\\u" not in text:
        return
    plain = json.dumps(value, ensure_ascii=False)
    if any("\ud800" <= char <= "\udfff" for char in plain):
        raise refuse(
            place, "whole characters", "half a surrogate pair (\\ud8xx)", "write the character itself"
        )
    if "\\u0000" in plain:
        raise refuse(place, "text without control characters", "\\u0000 (NUL)", "remove it")


def _fault(error: ValueError) -> str:
    match error:
        case strict_json.RepeatedNameError():
            return f"the field {error.name!r:.60} twice"
        case strict_json.NoNumberError():
            return f"{error.text}, which JSON does not have"
        case strict_json.TooDeepError():
            return "brackets nested too deeply"
        case _:
            return str(error)


def refuse(place: str, expected: str, found: str, fix: str) -> InputError:
    """The error for what was found at ``place``: a file and a line, or a row."""
    return InputError(expected=expected, found=f"{place}: {found}", fix=fix)
