"""Is this model distilled from that one, by how much, and what follows? It can be cannot-tell. Pure.

``no`` needs a graph in which nothing is left open; a lineage that nobody described is no proof of absence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

from inbond.errors import InputError
from inbond.ledger.answer import Outcome, answer
from inbond.ledger.beside import Beside
from inbond.ledger.flow import Duty, clashes, duties, reaches
from inbond.ledger.lineage import Edge, Evidence, Graph, Node, Paths, Unknown, Way, paths_to
from inbond.ledger.naming import check_name, matching, nearest
from inbond.ledger.shares import Share
from inbond.ledger.sharing import Sharing
from inbond.ledger.tally import Counted
from inbond.ledger.texts import stance, topic_of, unlisted
from inbond.policy.facts import Reach
from inbond.policy.library import Library
from inbond.policy.outgoing import Conflict
from inbond.types import ROLES, EdgeKind, Role

_FOR = ", for "


@final
@dataclass(frozen=True)
class Known:
    """All that a trace is given: the graph, the recorded sets that were tallied (by the node of the data),
    what the recorded verdict on a run asks for (by the run), and the terms on file."""

    graph: Graph
    library: Library
    counted: Mapping[str, Counted] = field(default_factory=dict)
    asked: Mapping[str, Sequence[Duty]] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Ancestor:
    """One model or data that the target descends from. ``edge`` is weights where its weights reached the
    target over edges of weights alone; ``asked``: it is one that the question named."""

    node: Node
    edge: EdgeKind
    evidence: Evidence
    hops: int
    paths: Paths
    roles: tuple[Role, ...]
    shares: tuple[Share, ...]
    stance: str | None
    asked: bool

    def to_json(self, numbers: Mapping[Edge, int]) -> dict[str, Any]:
        """``numbers``: where each edge stands in the trace's own list."""
        return {
            "id": self.node.id,
            "kind": self.node.kind,
            "licence": self.node.licence,
            "edge": self.edge,
            "evidence": self.evidence,
            "hops": self.hops,
            "paths": [_path_json(path, numbers) for path in self.paths.paths],
            "paths_cut": self.paths.cut,
            "roles": list(self.roles),
            "shares": [share.to_json() for share in self.shares],
            "stance": self.stance,
            "asked": self.asked,
        }


@final
@dataclass(frozen=True)
class Trace:
    """The answer with its evidence. ``edges`` are all on ways to the target."""

    target: str
    outcome: Outcome
    sentence: str
    ancestors: tuple[Ancestor, ...]
    edges: tuple[Edge, ...]
    obligations: tuple[Duty, ...]
    conflicts: tuple[Conflict, ...]
    unknowns: tuple[Unknown, ...]
    evidence: Evidence | None = None
    """What the answer rests on; None where it cannot be told."""
    beside: Beside = field(default_factory=Beside)
    """What forensic tests found of the target. Nothing else here depends on it."""

    def to_json(self) -> dict[str, Any]:
        """The object that ``inbond trace --json`` prints. A path's edges are places in its ``edges``."""
        numbers = {edge: number for number, edge in enumerate(self.edges)}
        return {
            "target": self.target,
            "answer": {"outcome": self.outcome, "sentence": self.sentence, "evidence": self.evidence},
            "ancestors": [ancestor.to_json(numbers) for ancestor in self.ancestors],
            "edges": [edge.to_json() for edge in self.edges],
            "obligations": [duty.to_json() for duty in self.obligations],
            "conflicts": [conflict.to_json() for conflict in self.conflicts],
            "unknowns": [unknown.to_json() for unknown in self.unknowns],
            **self.beside.to_json(),
        }


def find_target(name: str, graph: Graph) -> str:
    """The node that a person means. Raises InputError when it is none, or more than one."""
    node = graph.find(name)
    if node is not None:
        return node.id
    found = matching(name, graph, graph.nodes)
    if len(found) == 1:
        return found[0]
    raise InputError(
        expected="a model or data whose lineage is known",
        found=f"{name!r}, which is "
        + (f"one of {', '.join(sorted(found)[:8])}" if found else "not among it"),
        fix="say which one" if found else _import_it(name, graph),
    )


def _import_it(name: str, graph: Graph) -> str:
    models = nearest(name, (id_ for id_, node in graph.nodes.items() if node.kind == "model"))
    more = f" and {len(models) - 8} more" if len(models) > 8 else ""
    known = f"known are {', '.join(models[:8])}{more}; " if models else ""
    return f"{known}inbond import FILE reads what a card, a file or a BOM says of its lineage"


def trace(known: Known, target: str, asked: str | None = None) -> Trace:
    """Everything that ``target``, a node's id, descends from; ``asked`` is a name to look for among it.
    Raises InputError when that is no name."""
    if asked is not None:
        check_name(asked, known.graph)
    graph = known.graph.within(target)
    counted = {data: found for data, found in known.counted.items() if data in graph.nodes}
    sharing = Sharing(graph, counted, target)
    hops = graph.hops(target)
    named = set(matching(asked, graph, hops)) if asked is not None else set()
    by_weights, evidence = graph.by_weights(target), _evidence(graph, target)
    paths = paths_to(graph, target, named)
    ancestors = []
    for id_, count in hops.items():
        node = graph.nodes[id_]
        topic = topic_of(node, by_weights=id_ in by_weights)
        ancestors.append(
            Ancestor(
                node,
                "weights" if id_ in by_weights else "outputs",
                evidence.get(id_, "declared"),
                count,
                paths[id_],
                _roles(graph, id_),
                tuple(sharing.shares(id_)),
                stance(graph, node, topic, known.library),
                id_ in named,
            )
        )
    ancestors.sort(key=lambda ancestor: (not ancestor.asked, ancestor.hops, ancestor.node.id))
    unknowns = list(dict.fromkeys([*_open_ends(graph), *graph.unknowns, *_uncounted(sharing)]))
    told = answer(graph, target, asked, ancestors, unknowns)
    unknowns += _unlisted(known, graph, target)
    owed = tuple(dict.fromkeys(_duties(known, graph, target)))
    unfit = clashes(graph, target, known.library)
    return Trace(
        target, told.outcome, told.sentence, tuple(ancestors), graph.edges, owed, unfit, tuple(unknowns),
        told.evidence,
    )  # fmt: skip


def _evidence(graph: Graph, target: str) -> dict[str, Evidence]:
    """Of each ancestor that more than a declaration speaks of."""
    found: dict[str, Evidence] = dict.fromkeys(graph.by_record(target), "recorded")
    return found | dict.fromkeys(graph.by_receipt(target), "receipt")


def _path_json(path: Way, numbers: Mapping[Edge, int]) -> dict[str, Any]:
    said = {role for edge in path for role in edge.roles}
    return {
        "hops": len(path),
        "kinds": [edge.kind for edge in path],
        "roles": [role for role in ROLES if role in said],
        "nodes": [path[0].source, *(edge.target for edge in path)],
        "edges": [numbers[edge] for edge in path],
    }


def _roles(graph: Graph, id_: str) -> tuple[Role, ...]:
    said = {role for edge in graph.out_of[id_] for role in edge.roles}
    return tuple(role for role in ROLES if role in said)


def _open_ends(graph: Graph) -> Iterator[Unknown]:
    """What is not closed: an artifact of which nobody says that all its inputs are known."""
    for node in graph.nodes.values():
        if node.complete:
            continue
        inputs = list(
            dict.fromkeys(edge.source for edge in graph.into[node.id] if edge.relation != "revision")
        )
        if inputs:
            yield Unknown(node.id, f"whether it was made from anything but {', '.join(inputs)}")
        elif node.kind == "model":
            yield Unknown(node.id, "what it was made from and trained on")
        else:
            yield Unknown(node.id, "who or what wrote it")


def _unlisted(known: Known, graph: Graph, target: str) -> Iterator[Unknown]:
    """What is not known of the terms, and so leaves no descent open."""
    for node in graph.nodes.values():
        for host in unlisted(graph, node, known.library) if node.id != target else ():
            yield Unknown(node.id, f"the terms of {host} are not on file")


def _uncounted(sharing: Sharing) -> Iterator[Unknown]:
    for counted in sharing.counted.values():
        yield from counted.unknowns
    yield from sharing.unknowns()


def _duties(known: Known, graph: Graph, target: str) -> Iterator[Duty]:
    """What the target's own verdict asks for, as its gate put it to that plan; what the terms on file ask
    because of its ancestors; and what else the verdicts on those ask for (agreements)."""
    far = reaches(graph, target)
    on_file = list(duties(graph, target, known.library))
    lines = {duty.named: duty.prescribed for duty in on_file}
    said: set[tuple[str, str, str]] = set()
    for duty in (
        *(replace(duty, prescribed=lines.get(duty.named)) for duty in _recorded(known, target)),
        *on_file,
        *(_handed_down(duty, far[run]) for run in far for duty in _recorded(known, run)),
    ):
        if duty.named not in said:
            yield duty
            said.add(duty.named)


def _recorded(known: Known, run: str) -> Iterator[Duty]:
    """What the verdict on a run asks for. An older one names the cause at the end of its source alone."""
    for duty in known.asked.get(run, ()):
        clause, _, subject = duty.source.rpartition(_FOR)
        cause = known.graph.find(subject) if duty.ancestor == run else None
        yield duty if cause is None else replace(duty, source=clause, ancestor=cause.id)


def _handed_down(duty: Duty, reach: Reach) -> Duty:
    return replace(duty, reach=reach, binds="yes" if reach == "direct" else "unclear")
