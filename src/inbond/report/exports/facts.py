"""What an export is made from: one artifact's lineage, the steps that made it, and what was measured.

Read by ``recipes.exported``; nothing here does I/O. Times are UTC in RFC 3339 to the second, all from the
ledger and none from the clock, so that the same workspace gives the same bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, final

from inbond.digest import Digest, of_value
from inbond.ledger.flow import Duty, Silence
from inbond.ledger.lineage import Edge, Graph, Node
from inbond.ledger.trace import Ancestor, Trace
from inbond.types import Role

WROTE: Final[frozenset[Role]] = frozenset({"author", "rewriter", "transcriber", "translator"})
"""Roles whose bearer's words are in the data; a judge, a filter or a verifier wrote none of them."""
SYNTHETIC: Final[frozenset[Role]] = WROTE - {"transcriber"}
"""Roles that make data synthetic beyond doubt; what a transcriber writes down, others may have said."""


@final
@dataclass(frozen=True)
class Step:
    """A stage of a recorded run with the artifact that it made. ``nodes`` are the models and data of the
    graph that it used, ``inputs`` earlier artifacts by their name in the stage (and the digest of the
    prompts, which are no artifact), ``files`` those that were not erased since, ``makes`` the node that the
    artifact is, None for one in between."""

    run: str
    stage: str
    folder: str
    artifact: Digest
    manifest: Digest
    started: str
    completed: str
    nodes: tuple[str, ...]
    inputs: Mapping[str, Digest]
    files: Mapping[str, Digest]
    records: int | None = None
    makes: str | None = None


@final
@dataclass(frozen=True)
class Measured:
    """What is known of a recorded run's student beyond its lineage. ``metrics`` are those of its
    result.json that are numbers; ``verdict`` is the JSON of what the gate decided; ``hub`` the front matter
    of the card in the student's folder, without its block ``inbond``."""

    architecture: str | None = None
    model_type: str | None = None
    parameters: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: Mapping[str, Any] = field(default_factory=dict)
    hub: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Exported:
    """Everything that an export may say. ``at`` is when the target was completed, or, of what is only
    declared, when the ledger last grew; ``version`` is that of Inbond."""

    graph: Graph
    trace: Trace
    at: str
    version: str
    steps: tuple[Step, ...] = ()
    measured: Measured = Measured()
    card_names: tuple[str, ...] = ()
    """What cards call the target's licence."""
    licence_on_file: bool = True
    """Whether all texts of the target's licence are known here; True without a licence."""
    own: tuple[Duty, ...] = ()
    """What the target's own licence asks of whoever hands it on."""
    silences: tuple[Silence, ...] = ()
    """Texts over ancestors that say nothing of how they were used."""

    @property
    def target(self) -> Node:
        return self.graph.nodes[self.trace.target]

    @cached_property
    def nodes(self) -> Sequence[Node]:
        """All nodes, the target first, then by name: the order of a graph is not part of what it says."""
        others = sorted(self.graph.nodes.values(), key=lambda node: node.id)
        return (self.target, *(node for node in others if node.id != self.trace.target))

    @cached_property
    def edges(self) -> Sequence[Edge]:
        return sorted(
            self.graph.edges, key=lambda edge: (edge.target, edge.source, json.dumps(edge.to_json()))
        )

    @cached_property
    def _into(self) -> Mapping[str, list[Edge]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.target, []).append(edge)
        return found

    def into(self, id_: str) -> Sequence[Edge]:
        """The edges that end in a node, in the order of ``edges``."""
        return self._into.get(id_, ())

    @cached_property
    def ancestors(self) -> Mapping[str, Ancestor]:
        return {ancestor.node.id: ancestor for ancestor in self.trace.ancestors}

    @cached_property
    def made(self) -> Mapping[str, Step]:
        """The step that made a node, by the node; the last where there are several."""
        return {step.makes: step for step in self.steps if step.makes is not None}

    def file_digests(self, node: Node) -> list[Digest]:
        """Those of a node's digests that are the SHA-256 of one file; the others are of several at once."""
        step = self.made.get(node.id)
        whole = set(step.files.values()) if step else set()
        one_file = node.id.startswith(("gguf:", "pypi:"))
        return sorted(digest for digest in node.digests if one_file or digest in whole)

    @cached_property
    def id(self) -> str:
        """A UUID of this very lineage at this very time, for forms that ask for one."""
        what = {
            "target": self.trace.target,
            "at": self.at,
            "version": self.version,
            "nodes": [node.to_json() for node in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
            "unknowns": [unknown.to_json() for unknown in self.trace.unknowns],
            "steps": [step.manifest for step in self.steps],
        }
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:inbond:export:{of_value(what)}"))


def as_json(document: Mapping[str, Any]) -> str:
    """How every export in JSON is written."""
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
