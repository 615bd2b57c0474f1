"""What a plan's sources descend from, as this workspace knows it: runs of its own, and what was imported.

A student of an earlier run, or the records that it learnt from, carry what their own teachers' terms ask.
Without this a second run could be permitted what the first was not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from inbond.ledger import asking, membership
from inbond.ledger.descent import Source, descent
from inbond.ledger.lineage import Graph, Relation
from inbond.ledger.records import TEXT
from inbond.ledger.texts import enrich
from inbond.ledger.told import Told
from inbond.ledger.weaving import build
from inbond.policy.facts import Facts, LicenceFinding, Topic
from inbond.policy.library import Library
from inbond.workspace import Workspace


@final
@dataclass(frozen=True)
class Here:
    """What was read of a workspace before: what its ledger told, and the lineage that follows."""

    told: Told
    graph: Graph


def with_descent(
    facts: Facts,
    workspace: Workspace,
    known: Library,
    expected: Graph | None = None,
    here: Here | None = None,
) -> Facts:
    """The plan with what is behind its sources. Reads the ledger, and where a source is of this workspace
    the manifests too; makes nothing. ``expected`` is what runs that are not there yet will descend from;
    with ``here`` nothing is read.

    Raises TamperedError when what is recorded was changed, InputError when the ledger cannot be read or
    what was declared cannot be joined with it.
    """
    told = here.told if here is not None else Told.of(membership.events_in(workspace, os.environ))
    if not told.at and expected is None:
        return facts
    named = [(_name_here(name, workspace), relation) for name, relation in _sources(facts)]
    if any(name.startswith(("run:", "data:runs/")) for name, _ in named):
        graph = here.graph if here is not None else asking.joined(workspace, told, known).graph
    else:
        graph = asking.read_declared(told.said, known)
    if expected is not None:
        graph = enrich(_replaced(graph, expected), known)
    nodes = ((_node(name, graph), relation) for name, relation in named)
    sources = [Source(node, relation) for node, relation in nodes if node is not None]
    judged = _judged(facts)
    found = descent(graph, known, sources)
    return replace(
        facts, descent=tuple(item for item in found if (item.found.subject, item.topic) not in judged)
    )


def _replaced(graph: Graph, expected: Graph) -> Graph:
    """What is known, with the runs that are expected as they will be and not as they were: a plan that has
    been carried out is judged ahead as it was before."""
    made = [id_ for id_, node in expected.nodes.items() if node.complete and id_.startswith("data:runs/")]
    runs = [id_.split("/")[1] for id_ in made]

    def gone(id_: str) -> bool:
        return any(id_ == f"run:{run}" or id_.startswith(f"data:runs/{run}/") for run in runs)

    nodes = [
        node
        for id_, node in graph.nodes.items()
        if not gone(id_) and (id_ not in expected.nodes or node.complete or node.evidence == "declared")
    ]
    edges = (edge for edge in graph.edges if not gone(edge.source) and not gone(edge.target))
    unknowns = [unknown for unknown in graph.unknowns if not gone(unknown.about)]
    return build([*nodes, *expected.nodes.values()], [*edges, *expected.edges], unknowns, graph.names)


def _judged(facts: Facts) -> set[tuple[str, Topic]]:
    """What the plan's own licences and their declared bases are asked about anyway."""

    def named(finding: LicenceFinding) -> Iterator[str]:
        yield finding.subject
        for base in finding.bases:
            yield from named(base)

    outputs: Topic = "outputs"
    weights: Topic = "derived_weights"
    taught = [facts.weights, *(each.weights for each in facts.beside)] if facts.outputs_used else []
    asked = {(name, outputs) for found in taught for name in named(found)}
    return asked | {(name, weights) for name in (named(facts.start) if facts.start else ())}


def _sources(facts: Facts) -> Iterator[tuple[str, Relation]]:
    """What the student is made from, by name, and how."""
    if facts.outputs_used:
        yield facts.teacher, "generated"
        for each in facts.beside:
            yield each.teacher, "generated"
    if facts.base_is_teacher:
        yield facts.teacher, "initialised"
    if facts.base is not None:
        yield facts.base.subject, "initialised"
    for item in facts.data:
        yield item.uri, "trained-on"


def _name_here(name: str, workspace: Workspace) -> str:
    """The lineage's name of what lies in this workspace: a run's student, or a set of its records."""
    place = Path(name.removeprefix("path:")).expanduser().resolve()
    home = workspace.home.resolve()
    if not place.is_relative_to(home / "runs"):
        return name
    within = place.relative_to(home)
    if place.name == TEXT:
        return f"data:{within.parent.as_posix()}"
    return f"run:{within.parts[1]}" if len(within.parts) > 1 else name


def _node(name: str, graph: Graph) -> str | None:
    """The node of that name; what is said of a model is taken to be said of its revisions."""
    bare = name.rpartition("@")[0] if name.startswith("hf:") else ""
    found = (graph.find(text) for text in (name, f"data:{name}", bare) if text)
    return next((node.id for node in found if node is not None), None)
