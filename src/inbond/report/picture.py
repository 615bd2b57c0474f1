"""What a picture of a lineage shows: nodes and edges as frozen values, no behaviour, no I/O.

The report fills it from a run, the lineage page from a trace. Every text is untrusted; whoever draws escapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from inbond.types import EdgeKind

LineageKind = EdgeKind | Literal["data", "open"]
"""``data`` is an edge that carries no model's work: a prompt file, a person's own text; ``open`` one from
what is not known."""

Tone = Literal["good", "care", "bad", "plain"]


@final
@dataclass(frozen=True)
class LineageNode:
    """One thing in the picture. ``kind``: teacher, student, model, data, records, targets, stage, open."""

    id: str
    kind: str
    label: str
    detail: str = ""
    """One short line under the label, e.g. ``504 records``."""
    badges: tuple[str, ...] = ()
    """Licence, channel."""
    pills: tuple[tuple[Tone, str], ...] = ()
    """What has to be seen first: each a line of its own on its tone's ground."""
    note: str = ""
    """Said after its kind, e.g. ``asked for``."""
    marks: tuple[Literal["target", "asked", "on-path"], ...] = ()
    link: str = ""
    """Id of the part of the page that is about it; with one, the node is a link to there."""


@final
@dataclass(frozen=True)
class LineageEdge:
    """From ``source`` into ``target``, both ids of nodes."""

    source: str
    target: str
    kind: LineageKind
    label: str = ""
    shown: str = ""
    """Said on the edge in place of its kind."""
    evidence: Literal["recorded", "receipt", "declared"] = "recorded"
    on_path: bool = False


@final
@dataclass(frozen=True)
class Lineage:
    """What something came from. Edges to unknown nodes are left out of the picture."""

    nodes: tuple[LineageNode, ...] = ()
    edges: tuple[LineageEdge, ...] = ()
