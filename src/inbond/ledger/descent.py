"""What a plan's sources descend from, told to the gate: a lineage as facts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

from inbond.ledger.flow import reaches
from inbond.ledger.lineage import Edge, Graph, Node, Relation
from inbond.ledger.texts import licence_finding, services_of, topics_of
from inbond.policy.facts import Descent, Reach, Topic
from inbond.policy.library import Library

_PLAN = "plan:"
"""The student of a plan, as a node; no artifact has that name."""


@final
@dataclass(frozen=True)
class Source:
    """What a plan makes its student from: a node, and how."""

    node: str
    relation: Relation


def descent(graph: Graph, library: Library, sources: Sequence[Source]) -> tuple[Descent, ...]:
    """What is behind the sources of a plan, for the gate; the sources themselves it judges anyway. Left out
    is what asks nothing of whoever plans: sets and students of one's own runs, since what they were made of
    is here too; terms of a host that others called; and a licence that others did not give."""
    plan = _with_plan(graph, sources)
    far, near = reaches(plan, _PLAN), plan.by_weights(_PLAN)
    ours = plan.by_record(_PLAN)  # whoever plans made or called it
    mine = {source.node for source in sources}
    behind = {source.node: {source.node, *plan.hops(source.node)} for source in sources}
    found: list[Descent] = []
    for id_ in plan.hops(_PLAN):
        node = plan.nodes[id_]
        if id_ in mine or (node.evidence == "recorded" and node.complete):
            continue
        through = next(source for source, above in behind.items() if id_ in above)
        for topic in topics_of(plan, node, _PLAN, by_weights=id_ in near):
            found += _behind(plan, node, topic, far[id_], through, library, called=id_ in ours)
    return tuple(found)


def _behind(
    plan: Graph, node: Node, topic: Topic, reach: Reach, through: str, library: Library, *, called: bool
) -> Iterator[Descent]:
    services = tuple(services_of(plan, node, library)) if called and topic == "outputs" else ()
    asked_for = services or (called and reach == "direct")  # else nobody here can say what it is under
    if node.licence is not None or asked_for:
        yield Descent(licence_finding(node, library), topic, reach, through, services)


def _with_plan(graph: Graph, sources: Sequence[Source]) -> Graph:
    edges = [Edge(source.node, _PLAN, source.relation, evidence="recorded") for source in sources]
    return replace(
        graph, nodes={**graph.nodes, _PLAN: Node(_PLAN, "model")}, edges=(*graph.edges, *dict.fromkeys(edges))
    )
