"""The lineage graph: which models and data an artifact descends from, as pure values and pure queries.

An edge says that its target was made with its source: of its ``weights`` (pruned, initialised, adapter,
quantized, merged, finetuned), or of what it says or holds, ``outputs`` (generated: a model made data;
trained-on: data made a model; derived: data made data). Where a graph comes from is the business of
``drawing`` (a workspace) and ``importing`` (files of others); what part of a stage an ancestor has in it
that of ``shares``. Nothing here does I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import count, islice
from operator import attrgetter
from typing import Any, Literal, final, get_args

from inbond.digest import Digest
from inbond.types import EdgeKind, Role

NodeKind = Literal["model", "data"]
Evidence = Literal["receipt", "recorded", "declared"]
"""``receipt``: recorded by a run, and signed by whoever it was got from; the strongest first."""
Unit = Literal["records", "tokens"]
Relation = Literal[
    "pruned", "initialised", "adapter", "quantized", "merged", "finetuned", "revision",
    "trained-on", "generated", "derived", "scored", "prompted",
]  # fmt: skip

EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
UNITS: tuple[Unit, ...] = get_args(Unit)
RELATIONS: Mapping[Relation, EdgeKind] = {
    "pruned": "weights", "initialised": "weights", "adapter": "weights", "quantized": "weights",
    "merged": "weights", "finetuned": "weights", "revision": "weights",
    "trained-on": "outputs", "generated": "outputs", "derived": "outputs", "scored": "outputs",
    "prompted": "outputs",
}  # fmt: skip
"""What can make one artifact out of another, and over which kind of edge."""
_MODELS: tuple[NodeKind, NodeKind] = ("model", "model")
ENDS: Mapping[Relation, tuple[NodeKind, NodeKind]] = {
    **dict.fromkeys(RELATIONS, _MODELS),
    "trained-on": ("data", "model"), "generated": ("model", "data"), "derived": ("data", "data"),
    "prompted": ("data", "data"),
}  # fmt: skip
"""What each of them leads from, and to."""

MOST_PATHS, MOST_STEPS = 200, 50_000
"""Paths that are followed from one ancestor, and edges on all paths of a target's ancestors together."""


@final
@dataclass(frozen=True)
class Node:
    """A model or data. ``id`` is a model URI, ``run:name``, or ``data:name``.

    ``complete``: every input it was made from is in the graph, as far as ``evidence`` goes. A node that is
    not complete has an unknown. ``licence`` is an SPDX expression, None when nobody says. ``source`` is
    where all this was read.
    """

    id: str
    kind: NodeKind
    licence: str | None = None
    digests: frozenset[Digest] = frozenset()
    evidence: Evidence = "declared"
    source: str = ""
    complete: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "licence": self.licence,
            "digests": sorted(self.digests),
            "evidence": self.evidence,
            "source": self.source,
            "complete": self.complete,
        }


@final
@dataclass(frozen=True)
class Part:
    """A part of an edge's target that comes over this edge: ``share`` (0..1) of the ``unit`` of ``stage``.

    For data, the stage is empty: the part is one of the data itself.
    """

    unit: Unit
    share: float
    stage: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "share": self.share, "stage": self.stage}


@final
@dataclass(frozen=True)
class Edge:
    """``source`` -> ``target``. ``roles`` are the roles in which a model made data (empty: not said);
    ``stage`` the stage of the target's training; ``channel`` how the source was reached; ``parts`` what is
    declared or was counted of how much; ``read`` where it was read."""

    source: str
    target: str
    relation: Relation
    roles: tuple[Role, ...] = ()
    stage: str = ""
    parts: tuple[Part, ...] = ()
    channel: str | None = None
    evidence: Evidence = "declared"
    read: str = ""

    @property
    def kind(self) -> EdgeKind:
        return RELATIONS[self.relation]

    @property
    def recorded(self) -> bool:
        """Whether a run recorded it, with a receipt or without."""
        return self.evidence != "declared"

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "kind": self.kind,
            "relation": self.relation,
            "roles": list(self.roles),
            "stage": self.stage,
            "parts": [part.to_json() for part in self.parts],
            "channel": self.channel,
            "evidence": self.evidence,
            "read": self.read,
        }


@final
@dataclass(frozen=True, order=True)
class Unknown:
    """Something that is not established about an artifact, as a sentence."""

    about: str
    what: str

    def to_json(self) -> dict[str, str]:
        return {"about": self.about, "what": self.what}


Way = tuple[Edge, ...]
"""Edges from an ancestor down to the target, each beginning where the one before ends."""


_Step = tuple[Edge, Any]


def _way(step: _Step | None) -> Way:
    edges = []
    while step is not None:
        edges.append(step[0])
        step = step[1]
    return tuple(reversed(edges))


def _away(start: str, onwards: Callable[[str], Iterable[str]]) -> dict[str, int]:
    """What can be reached, without ``start``, with the number of steps to it; the nearest first."""
    found = {start: 0}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for following in onwards(node):
            if following not in found:
                found[following] = found[node] + 1
                waiting.append(following)
    del found[start]
    return found


@final
@dataclass(frozen=True)
class Paths:
    """Simple paths, the shortest first. ``cut``: there are more than were asked for."""

    paths: tuple[Way, ...]
    cut: bool = False


@final
@dataclass(frozen=True)
class Graph:
    """Nodes by id, edges, and what is not known. Make it with ``weaving.build``, which checks it."""

    nodes: Mapping[str, Node] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """Other names of nodes: by digest the same artifact, whichever of them stands for both."""

    @cached_property
    def into(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that end in each node."""
        return self._by(attrgetter("target"))

    @cached_property
    def out_of(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that begin in each node."""
        return self._by(attrgetter("source"))

    def _by(self, end: Callable[[Edge], str]) -> Mapping[str, tuple[Edge, ...]]:
        found: dict[str, list[Edge]] = {id_: [] for id_ in self.nodes}
        for edge in self.edges:
            found[end(edge)].append(edge)
        return {id_: tuple(edges) for id_, edges in found.items()}

    @cached_property
    def read_in(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges by where they were read."""
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.read, []).append(edge)
        return {read: tuple(edges) for read, edges in found.items()}

    @cached_property
    def _places(self) -> tuple[_Places, _Places, _Places, _Places]:
        """Where nodes, edges, unknowns and names stand that belong to a node, by the node."""
        return (
            positions(self.nodes),
            positions(edge.target for edge in self.edges),
            positions(unknown.about for unknown in self.unknowns),
            positions(self.names.values()),
        )

    @cached_property
    def _listed(self) -> tuple[Sequence[tuple[str, Node]], Sequence[tuple[str, str]]]:
        return tuple(self.nodes.items()), tuple(self.names.items())

    def prepare(self) -> None:
        """Works out ahead where everything stands, which is otherwise done when it is first asked for."""
        _ = self.into, self.out_of, self._places, self._listed

    def find(self, name: str) -> Node | None:
        """The node of exactly this name, or of an artifact that is known to be the same."""
        return self.nodes.get(self.names.get(name, name))

    @cached_property
    def _hops(self) -> dict[str, Mapping[str, int]]:
        return {}

    def hops(self, target: str) -> Mapping[str, int]:
        """Every ancestor of ``target`` with the number of edges on its shortest path, nearest first."""
        if target not in self._hops:
            self._hops[target] = self._above(target, lambda _: True)
        return self._hops[target]

    def by_weights(self, target: str) -> set[str]:
        """Ancestors whose weights reached ``target`` over edges of weights alone."""
        return set(self._above(target, lambda edge: edge.kind == "weights"))

    def by_record(self, target: str) -> set[str]:
        """Ancestors from which a whole path to ``target`` is recorded."""
        return set(self._above(target, lambda edge: edge.recorded))

    def by_receipt(self, target: str) -> set[str]:
        """Ancestors of which a receipt says that they gave what a recorded path leads on from."""
        found = {target, *self.by_record(target)}
        return {edge.source for edge in self.edges if edge.evidence == "receipt" and edge.target in found}

    def _above(self, target: str, over: Callable[[Edge], bool]) -> dict[str, int]:
        return _away(target, lambda node: (edge.source for edge in self.into[node] if over(edge)))

    def below(self, source: str) -> set[str]:
        """Everything that descends from ``source``."""
        return set(_away(source, lambda node: (edge.target for edge in self.out_of[node])))

    def ways(self, source: str, target: str) -> Iterator[Way]:
        """All simple paths, the shortest first. Each of several edges between two nodes makes a path of its
        own."""
        away = {target: 0, **self.hops(target)}
        if source not in away or source == target:
            return
        # By the length of the shortest whole path that it can become; of equals what is nearly there, so
        # that few are begun. A step holds its edge and the step before, so that long ways are not copied.
        number = count()
        waiting: list[tuple[int, int, int, str, _Step | None]] = [(away[source], 0, 0, source, None)]
        while waiting:
            _, passed, _, node, step = heappop(waiting)
            if node == target:
                yield _way(step)
                continue
            for edge in self.out_of[node]:
                if edge.target in away:
                    whole = away[edge.target] + 1 - passed
                    heappush(waiting, (whole, passed - 1, next(number), edge.target, (edge, step)))

    def paths(self, source: str, target: str, most: int = MOST_PATHS) -> Paths:
        """The first of ``ways``, at most ``most`` of them."""
        found = tuple(islice(self.ways(source, target), most + 1))
        return Paths(found[:most], cut=len(found) > most)

    def within(self, target: str) -> Graph:
        """The part of the graph that ``target`` descends from, with what is not known of it."""
        kept = {target, *self.hops(target)}
        nodes, edges, unknowns, names = (_of_all(places, kept) for places in self._places)
        listed, named = self._listed
        return Graph(
            dict(listed[place] for place in nodes),
            tuple(self.edges[place] for place in edges),
            tuple(self.unknowns[place] for place in unknowns),
            dict(named[place] for place in names),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "nodes": [node.to_json() for node in self.nodes.values()],
            "edges": [edge.to_json() for edge in self.edges],
            "unknowns": [unknown.to_json() for unknown in self.unknowns],
            "names": dict(self.names),
        }


_Places = Mapping[str, Sequence[int]]


def positions(ids: Iterable[str]) -> _Places:
    """Where each id stands among ``ids``."""
    found: dict[str, list[int]] = {}
    for place, id_ in enumerate(ids):
        found.setdefault(id_, []).append(place)
    return found


def _of_all(places: _Places, ids: Iterable[str]) -> list[int]:
    return sorted(place for id_ in ids for place in places.get(id_, ()))


def paths_to(graph: Graph, target: str, first: Collection[str] = ()) -> dict[str, Paths]:
    """Paths from every ancestor of ``target``: a shortest one of each before any other, and the shorter
    before the longer, but those of ``first`` before all others'. With MOST_STEPS edges on paths it ends;
    a recorded path is looked for all the same."""
    hops = graph.hops(target)
    found: dict[str, list[Way]] = {id_: [] for id_ in hops}
    cut: set[str] = set()
    left = MOST_STEPS
    waiting: list[tuple[bool, bool, int, int, str, Way | None, Iterator[Way]]] = [
        (False, id_ not in first, length, number, id_, None, graph.ways(id_, target))
        for number, (id_, length) in enumerate(hops.items())
    ]
    heapify(waiting)
    while waiting:
        _, other, length, number, id_, way, more = heappop(waiting)
        begun = left < MOST_STEPS  # the very first is followed whatever its length
        if (length > left and begun) or len(found[id_]) == MOST_PATHS:
            cut.add(id_)
            continue
        found[id_].append(way or next(more))
        left -= length
        following = next(more, None)
        if following is not None:
            heappush(waiting, (True, other, len(following), number, id_, following, more))
    recorded = replace(graph, edges=tuple(edge for edge in graph.edges if edge.recorded))
    wanted = cut & graph.by_record(target)
    for id_ in (id_ for id_ in hops if id_ in wanted):
        if not any(_is_recorded(way) for way in found[id_]):
            way = next(recorded.ways(id_, target))
            found[id_] += [way] if len(way) <= left else []
            left -= min(left, len(way))
    return {id_: Paths(tuple(ways), id_ in cut) for id_, ways in found.items()}


def _is_recorded(way: Way) -> bool:
    return all(edge.recorded for edge in way)
