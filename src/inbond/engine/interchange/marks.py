"""What an exported row says of where it was: so that, read back in its workspace, it keeps its parents. Pure.

A mark is a claim by whoever handed the file on. It counts only where the record that it names is that very
record (``recipes.answers``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inbond.digest import Digest
from inbond.types import MARK, Origin

FIELD = "inbond"
PLANTED = "mark"
"""In the field: by which key a record is marked, as ``SCHEME sha256:...``."""
_PLANTED = re.compile(r"(?P<scheme>[a-z-]{1,40}/[0-9]{1,4}) (?P<id>sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Mark:
    """``data`` is the record set's folder in its workspace, ``row`` the record's number in it."""

    data: str
    row: int


def marked(data: str, row: int, id_: Digest, origin: Origin, *, planted: bool = False) -> dict[str, Any]:
    """The lineage column of one row. ``planted``: some row of the set is marked by a key, so that each says
    by which; an empty text where by none."""
    mark = origin.sampling.get(MARK)
    return {
        **({PLANTED: "" if mark is None else planted_text(mark)} if planted else {}),
        "data": data,
        "row": row,
        "id": id_,
        "teacher": origin.teacher,
        "channel": origin.channel,
        "role": origin.role,
    }


def mark_of(row: Mapping[str, Any]) -> Mark | None:
    """What the row says of itself; None where it says nothing that can be understood."""
    value = row.get(FIELD)
    if not isinstance(value, Mapping):
        return None
    data, number = value.get("data"), value.get("row")
    plain = isinstance(data, str) and isinstance(number, int) and not isinstance(number, bool)
    return Mark(str(data), int(number or 0)) if plain and (number or 0) >= 0 else None


def planted_text(mark: Mapping[str, Any]) -> str:
    """A key's public description in one text: its scheme, and its id, which stands for the rest."""
    return f"{mark['scheme']} {mark['id']}"


def planted_of(row: Mapping[str, Any]) -> Mapping[str, str] | None:
    """By which key the row says that it is marked: scheme and id; None where it says none. A claim of the
    file's, like all of it."""
    value = row.get(FIELD)
    text = value.get(PLANTED) if isinstance(value, Mapping) else None
    found = _PLANTED.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else found.groupdict()
