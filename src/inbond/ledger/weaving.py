"""Weaves a lineage graph out of nodes and edges from several places, and refuses what cannot be one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from inbond.errors import InputError
from inbond.ledger.lineage import EVIDENCE, Edge, Graph, Node, Unknown, Way


def build(
    nodes: Iterable[Node],
    edges: Iterable[Edge],
    unknowns: Iterable[Unknown] = (),
    names: Mapping[str, str] | None = None,
) -> Graph:
    """Joins nodes of one id, or that share a digest, and links revisions of one model. ``names`` are other
    names that were found before.

    What a run recorded is complete by its own record: edges into it that others declare are left out.
    Raises InputError, naming it, for an edge whose end is no node and for a cycle.
    """
    return _woven(nodes, edges, unknowns, (names or {}).items())


def _woven(
    nodes: Iterable[Node],
    edges: Iterable[Edge],
    unknowns: Iterable[Unknown],
    same: Iterable[tuple[str, str]],
) -> Graph:
    given = list(nodes)
    names = _representatives(given, same)
    joined: dict[str, Node] = {}
    for node in given:
        id_ = names.get(node.id, node.id)
        joined[id_] = _join(joined[id_], node) if id_ in joined else _renamed(node, id_)
    renamed = [_moved(edge, names) for edge in edges]
    for edge in renamed:
        _check_ends(edge, joined)
    renamed = [edge for edge in renamed if not is_settled(edge, joined)]
    kept = dict.fromkeys(
        edge for edge in [*renamed, *_revisions(joined, renamed)] if edge.source != edge.target
    )
    about = (Unknown(names.get(item.about, item.about), item.what) for item in unknowns)
    graph = Graph(joined, tuple(kept), tuple(dict.fromkeys(about)), names)
    _refuse_cycles(graph)
    return graph


def join(graphs: Iterable[Graph]) -> Graph:
    """Several graphs as one, joined by names and digests. Raises as ``build``."""
    parts = list(graphs)
    return _woven(
        (node for graph in parts for node in graph.nodes.values()),
        (edge for graph in parts for edge in graph.edges),
        (unknown for graph in parts for unknown in graph.unknowns),
        (pair for graph in parts for pair in graph.names.items()),
    )


def _representatives(nodes: Sequence[Node], same: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each id that is another's artifact too, the id that stands for both: what was recorded first,
    then what comes first. Two artifacts are one when they share a digest, or were found to be one before
    (``same``); but two recorded sets with the same text stay two, since others may have written it."""
    order = sorted(nodes, key=lambda node: EVIDENCE.index(node.evidence))
    ranks = {node.id: rank for rank, node in reversed(list(enumerate(order)))}
    stands: dict[str, str] = {}

    def root(id_: str) -> str:
        while (above := stands.get(id_, id_)) != id_:
            stands[id_] = stands.get(above, above)  # shorter the next time: chains of equals stay cheap
            id_ = stands[id_]
        return id_

    def unite(one: str, other: str) -> None:
        first, second = sorted((root(one), root(other)), key=lambda id_: ranks.get(id_, len(order)))
        if first != second:
            stands[second] = first

    for name, id_ in same:
        unite(id_, name)
    first: dict[str, Node] = {}
    for node in order:
        for digest in node.digests:
            known = first.setdefault(digest, node)
            if not _both_recorded_data(node, known):
                unite(known.id, node.id)
    return {id_: root(id_) for id_ in list(stands)}


def _both_recorded_data(one: Node, other: Node) -> bool:
    return one.kind == other.kind == "data" and one.evidence == other.evidence == "recorded"


def _renamed(node: Node, id_: str) -> Node:
    return node if node.id == id_ else replace(node, id=id_)


def _join(one: Node, other: Node) -> Node:
    """Recorded beats declared; two licences that differ are both kept, since both are claimed."""
    if one.kind != other.kind:
        raise InputError(
            expected=f"{one.id} to be one thing",
            found=" and ".join(f"{node.kind} ({node.source or 'no source'})" for node in (one, other)),
            fix="correct the kind in one of the two files",
        )
    first, second = sorted((one, other), key=lambda node: EVIDENCE.index(node.evidence))
    licences = list(dict.fromkeys(node.licence for node in (first, second) if node.licence))
    licence = licences[0] if len(licences) == 1 else " AND ".join(f"({text})" for text in licences) or None
    sources = dict.fromkeys(node.source for node in (first, second) if node.source)
    return Node(
        one.id,
        one.kind,
        licence,
        one.digests | other.digests,
        first.evidence,
        "; ".join(sources),
        first.complete if _outweighs(first, second) else first.complete and second.complete,
    )


def _outweighs(one: Node, other: Node) -> bool:
    """Whether what is said of ``one`` settles it: only of it a run recorded the inputs. Among equals all have
    to say that every input is known."""
    return one.evidence == "recorded" != other.evidence


def _moved(edge: Edge, names: Mapping[str, str]) -> Edge:
    source, target = names.get(edge.source, edge.source), names.get(edge.target, edge.target)
    return (
        edge
        if (source, target) == (edge.source, edge.target)
        else replace(edge, source=source, target=target)
    )


def is_settled(edge: Edge, nodes: Mapping[str, Node]) -> bool:
    """Whether an edge that somebody declares ends in what a run recorded with all of its inputs."""
    target = nodes[edge.target]
    return edge.evidence == "declared" and target.evidence == "recorded" and target.complete


def _check_ends(edge: Edge, nodes: Mapping[str, Node]) -> None:
    for end in (edge.source, edge.target):
        if end not in nodes:
            raise InputError(
                expected=f"both ends of {edge.source} -> {edge.target} to exist"
                + (f" ({edge.read})" if edge.read else ""),
                found=f"nothing is known of {end}",
                fix=f"describe {end} as well, or correct its name",
            )


def _revisions(nodes: Mapping[str, Node], edges: Sequence[Edge]) -> list[Edge]:
    """What is said of a model without a revision is taken to be said of its revisions: not of other weights
    that were met under its name, and not of a revision that it was made from itself."""
    onwards: dict[str, list[str]] = {}
    for edge in edges:
        onwards.setdefault(edge.source, []).append(edge.target)
    found = []
    for id_ in nodes:
        bare, _, revision = id_.rpartition("@")
        if not id_.startswith("hf:") or bare not in nodes or revision.startswith("sha256:"):
            continue
        if not _leads(id_, bare, onwards):
            read = "the name without its revision"
            found.append(Edge(bare, id_, "revision", evidence="declared", read=read))
            onwards.setdefault(bare, []).append(id_)
    return found


def _leads(start: str, end: str, onwards: Mapping[str, Sequence[str]]) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        for target in onwards.get(waiting.pop(), ()):
            if target == end:
                return True
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return False


def _refuse_cycles(graph: Graph) -> None:
    cycle = find_cycle(graph)
    if cycle is None:
        return
    where = dict.fromkeys(edge.read for edge in cycle if edge.read)
    raise InputError(
        expected="a lineage in which nothing descends from itself",
        found="a cycle: " + " -> ".join([cycle[0].source, *(edge.target for edge in cycle)]),
        fix="correct one of these edges" + (f"; they were read in {', '.join(where)}" if where else ""),
    )


def find_cycle(graph: Graph) -> Way | None:
    """The edges of a cycle, or None."""
    try:
        TopologicalSorter(
            {id_: [edge.source for edge in edges] for id_, edges in graph.into.items()}
        ).prepare()
    except CycleError as error:
        return tuple(
            next(edge for edge in graph.out_of[source] if edge.target == target)
            for source, target in pairwise(error.args[1])
        )
    return None
