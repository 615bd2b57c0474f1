"""What the terms on file ask because of an ancestor: its stance and its obligations. Pure.

The one place where lineage asks the library of terms, models and hosts. A licence that is not on file has
no stance here: that is said, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, final

from inbond.errors import InputError
from inbond.ledger.lineage import Edge, Graph, Node, Relation
from inbond.ledger.weaving import build
from inbond.policy import licences
from inbond.policy.facts import Topic
from inbond.policy.library import Library
from inbond.policy.schema import Stance, Terms
from inbond.policy.weights import Model
from inbond.types import parse_model_name

Reach = Literal["direct", "indirect"]

STRICTEST: tuple[Stance, ...] = (
    "prohibited", "unclear", "non-commercial", "competing-only", "conditional", "silent", "express",
)  # fmt: skip


@final
@dataclass(frozen=True)
class Duty:
    """An obligation with the ancestor that it comes from. ``direct``: no other model lies between it and
    the target, so that its terms speak to whoever made the target."""

    kind: str
    text: str
    when: str
    source: str
    ancestor: str
    reach: Reach

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "text": self.text,
            "when": self.when,
            "from": self.source,
            "ancestor": self.ancestor,
            "reach": self.reach,
        }


def enrich(graph: Graph, library: Library) -> Graph:
    """Adds what the registry of models knows of nodes, as declared: a licence that nobody gave, and the
    models that a known model is a conversion of or began as. Raises InputError as ``build``."""
    nodes, edges = dict(graph.nodes), list(graph.edges)
    waiting = list(nodes)
    while waiting:
        node = nodes[waiting.pop()]
        model = _registered(node, library)
        if model is None:
            continue
        if node.licence is None:
            nodes[node.id] = replace(node, licence=model.licence, source=_both(node.source, model.source))
        origins: list[tuple[str, Relation]] = [(base, "initialised") for base in model.bases]
        origins += [(model.original, "quantized")] if model.original else []
        for base, relation in origins:
            if base not in nodes:
                nodes[base] = Node(base, "model", source=model.source)
                waiting.append(base)
            if base not in {edge.source for edge in edges if edge.target == node.id}:
                edges.append(Edge(base, node.id, relation, read=f"our registry: {model.source}"))
    return build(nodes.values(), edges, graph.unknowns, graph.names)


def _registered(node: Node, library: Library) -> Model | None:
    """The registry's entry of a model: by the digest of its file, else by its name."""
    by_digest = [library.models.by_digest[item] for item in node.digests if item in library.models.by_digest]
    if by_digest:
        return by_digest[0]
    try:
        return library.models.named(parse_model_name(node.id)) if node.kind == "model" else None
    except InputError:
        return None


def _both(one: str, other: str) -> str:
    return "; ".join(dict.fromkeys(text for text in (one, other) if text))


def terms_of(node: Node, library: Library) -> tuple[list[Terms], bool]:
    """The texts that stand over an ancestor, and whether all of them are on file. A model behind an API
    is under its host's terms; of a choice between licences all are given."""
    expression = licences.parse(node.licence) if node.licence else None
    wanted: list[str | None] = list(licences.ids(expression)) if expression is not None else []
    if node.id.startswith("api:"):
        row = library.hosts.find(node.id.removeprefix("api:").partition("/")[0])
        wanted.append(row.terms if row is not None else None)
    found = [library.terms.get(id_) for id_ in wanted if id_ is not None]
    known = [terms for terms in found if terms is not None]
    return known, bool(wanted) and len(known) == len(wanted)


def stance(node: Node, topic: Topic, library: Library) -> Stance | None:
    """The strictest stance of all texts over an ancestor; None unless all are on file and speak of it."""
    known, all_on_file = terms_of(node, library)
    positions = [terms.position(topic) for terms in known]
    stances = [position.stance for position in positions if position is not None]
    if not all_on_file or len(stances) < len(positions):
        return None
    return min(stances, key=STRICTEST.index)


def duties(node: Node, topic: Topic, reach: Reach, library: Library) -> Iterator[Duty]:
    """The obligations of all texts over an ancestor."""
    for terms in terms_of(node, library)[0]:
        position = terms.position(topic)
        for item in position.obligations if position is not None else ():
            sure = {"S": " (as others quote it)", "R": " (from memory, not checked)"}.get(terms.evidence, "")
            text = f"{item.text}{sure}"
            if terms.kind == "service":
                text += " This binds whoever called the API."
            yield Duty(item.kind, text, item.when, f"{terms.id} {item.clause}", node.id, reach)


def topic_of(node: Node, *, by_weights: bool) -> Topic:
    """What an ancestor's terms are asked about."""
    if node.kind == "data":
        return "training_data"
    return "derived_weights" if by_weights else "outputs"


def reach_of(graph: Graph, ancestor: str, target: str) -> Reach:
    """Whether another model lies on every way from an ancestor to the target."""
    seen, waiting = {ancestor}, [ancestor]
    while waiting:
        for edge in graph.out_of[waiting.pop()]:
            if edge.target == target:
                return "direct"
            if edge.target not in seen and graph.nodes[edge.target].kind == "data":
                seen.add(edge.target)
                waiting.append(edge.target)
    return "indirect"
