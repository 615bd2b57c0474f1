"""Edges as our own exports write them (``Edge.to_json``), read back from a document. Hostile input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inbond.ledger.declaration import LONGEST, Draft
from inbond.ledger.lineage import ENDS, RELATIONS, UNITS, Part
from inbond.policy.foreign import shown
from inbond.types import ROLES


def draw_edge(
    draft: Draft, told: Mapping[str, Any], here: Mapping[str, str], into: str | None = None
) -> None:
    """Adds one edge; ``here`` gives the nodes by the names that they have in the document, ``into`` where it
    must end. Raises ValueError."""
    ends = [here.get(str(told.get(field))) for field in ("source", "target")]
    if ends[0] is None or ends[1] is None:
        raise ValueError(f"inbond:edge leads from {shown(told.get('source'))} to {shown(told.get('target'))}")
    if into is not None and ends[1] != into:
        raise ValueError(f"inbond:edge of {into} ends in {ends[1]}")
    relation = next((known for known in RELATIONS if known == told.get("relation")), None)
    if relation is None:
        raise ValueError(f"inbond:edge has the relation {shown(told.get('relation'))}")
    if (draft.nodes[ends[0]].kind, draft.nodes[ends[1]].kind) != ENDS[relation]:
        raise ValueError(f"inbond:edge {ends[0]} -{relation}-> {ends[1]} has ends of other kinds")
    given = told.get("roles", [])
    roles = tuple(role for role in ROLES if role in given) if isinstance(given, list) else ()
    if not isinstance(given, list) or len(roles) != len(given):
        raise ValueError(f"inbond:edge has the roles {shown(given)}")
    stage, channel, read = (told.get(field) for field in ("stage", "channel", "read"))
    draft.edge(
        ends[0],
        ends[1],
        relation,
        roles=roles,
        stage=draft.text(str(stage), "a stage") if stage else "",
        parts=tuple(_part(part) for part in told.get("parts") or ()),
        channel=draft.text(str(channel), "a channel") if channel else None,
        read=draft.text(f"{draft.read}: {read}"[:LONGEST], "where it was read") if read else draft.read,
    )


def _part(part: Any) -> Part:
    unit = next((unit for unit in UNITS if isinstance(part, dict) and unit == part.get("unit")), None)
    share = part.get("share") if isinstance(part, dict) else None
    if unit is None or not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
        raise ValueError(f"inbond:edge has a part {shown(part)}")
    return Part(unit, float(share), str(part.get("stage", "")))
