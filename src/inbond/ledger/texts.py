"""Which texts on file stand over what a model descends from, and what they say of it. Pure.

The one place where lineage asks the library of terms, models and hosts. A licence that is not on file has
no stance here: that is said, and nothing is guessed.
"""

from __future__ import annotations

from dataclasses import replace

from inbond.errors import InputError
from inbond.ledger.lineage import Edge, Graph, Node, Relation
from inbond.ledger.weaving import build
from inbond.policy import licences
from inbond.policy.facts import SELF_HOSTED, LicenceEvidence, LicenceFinding, Topic
from inbond.policy.library import Library
from inbond.policy.schema import Stance, Terms
from inbond.policy.weights import Model
from inbond.types import OWN, parse_model_name

STRICTEST: tuple[Stance, ...] = (
    "prohibited", "unclear", "non-commercial", "competing-only", "conditional", "silent", "express",
)  # fmt: skip


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
    """The texts of an ancestor's licence, and whether all of them are on file. Of a choice between licences
    all are given."""
    expression = licences.parse(node.licence) if node.licence else None
    wanted = licences.ids(expression) if expression is not None else ()
    known = [terms for terms in map(library.terms.get, wanted) if terms is not None]
    return known, bool(wanted) and len(known) == len(wanted)


def services_of(graph: Graph, node: Node, library: Library) -> list[str]:
    """The ids of the terms that hosts put on what a model says, as far as they are on file."""
    rows = [library.hosts.find(host) for host in _hosts(graph, node)]
    return list(dict.fromkeys(row.terms for row in rows if row is not None))


def unlisted(graph: Graph, node: Node, library: Library) -> list[str]:
    """The hosts that a model was asked through whose terms are not on file. A server that is said to be one's
    own (self-hosted) has none."""
    own = _named_host(node) if any(edge.channel == SELF_HOSTED for edge in graph.out_of[node.id]) else ""
    rows = {host: library.hosts.find(host) for host in _hosts(graph, node) if host != own}
    return [host for host, row in rows.items() if row is None or library.terms.get(row.terms) is None]


def _hosts(graph: Graph, node: Node) -> list[str]:
    hosts = [_named_host(node), *(edge.channel for edge in graph.out_of[node.id])]
    return list(dict.fromkeys(host for host in hosts if host and host not in (SELF_HOSTED, OWN)))


def _named_host(node: Node) -> str:
    return node.id.removeprefix("api:").partition("/")[0] if node.id.startswith("api:") else ""


def texts_over(graph: Graph, node: Node, topic: Topic, library: Library) -> tuple[list[Terms], bool]:
    """All texts over an ancestor, and whether all are on file: of its licence, and, over what it says, of
    the hosts that it was asked through. A model behind a host may have no licence of its own."""
    known, whole = terms_of(node, library)
    services = services_of(graph, node, library) if topic == "outputs" else []
    known += [terms for terms in map(library.terms.get, services) if terms is not None]
    if topic == "outputs" and unlisted(graph, node, library):
        return known, False
    return known, whole or (bool(services) and node.licence is None)


def stance(graph: Graph, node: Node, topic: Topic, library: Library) -> Stance | None:
    """The strictest stance of all texts over an ancestor; None unless all are on file and speak of it."""
    known, all_on_file = texts_over(graph, node, topic, library)
    positions = [terms.position(topic) for terms in known]
    stances = [position.stance for position in positions if position is not None]
    if not all_on_file or len(stances) < len(positions):
        return None
    return min(stances, key=STRICTEST.index)


def licence_finding(node: Node, library: Library) -> LicenceFinding:
    """An ancestor's licence as the gate reads it."""
    model = _registered(node, library)
    evidence: LicenceEvidence = "declared" if node.licence is not None else "none"
    source = node.source or "a lineage that says no more"
    if node.evidence == "recorded":
        source = "as this workspace recorded it"
    return LicenceFinding(node.id, node.licence, evidence, source, (), model.modality if model else None)


def topics_of(graph: Graph, node: Node, target: str, *, by_weights: bool) -> list[Topic]:
    """What an ancestor's terms are asked about: what its weights reached, and what it said, if both did."""
    first = topic_of(node, by_weights=by_weights)
    return [first, "outputs"] if by_weights and _speaks(graph, node.id, target) else [first]


def topic_of(node: Node, *, by_weights: bool) -> Topic:
    """What an ancestor's terms are asked about first."""
    if node.kind == "data":
        return "training_data"
    return "derived_weights" if by_weights else "outputs"


def _speaks(graph: Graph, id_: str, target: str) -> bool:
    """Whether what a model says reached the target."""
    above = {target, *graph.hops(target)}
    return any(edge.kind == "outputs" and edge.target in above for edge in graph.out_of[id_])
