"""What an exported row says of where it was: so that, read back in its workspace, it keeps its parents. Pure.

A mark is a claim by whoever handed the file on. It counts only where the record that it names is that very
record (``recipes.answers``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inbond.digest import Digest
from inbond.types import Origin

FIELD = "inbond"


@dataclass(frozen=True, slots=True)
class Mark:
    """``data`` is the record set's folder in its workspace, ``row`` the record's number in it."""

    data: str
    row: int


def marked(data: str, row: int, id_: Digest, origin: Origin) -> dict[str, Any]:
    """The lineage column of one row."""
    return {
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
