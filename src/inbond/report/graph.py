"""Where the nodes and edges of a lineage go: layers, order, coordinates. Pure; draws nothing.

A small layered layout (after Sugiyama): cycles are broken at the edge that closes them, each node
lies in the layer after its last source, long edges pass through stand-ins so that they go round
nodes and not through them, and layers are ordered by the mean place of their neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Edge = tuple[str, str]
_SWEEPS = 6


@dataclass(frozen=True)
class Layout:
    """Nodes by layer from left to right, each layer from top to bottom; and the way of each edge.

    ``ways`` gives for each edge the ids it passes, ends included; an id that is not a node's is a
    stand-in and lies in ``layers`` too. ``centre`` is each id's middle, pixels from the top.
    """

    layers: tuple[tuple[str, ...], ...]
    ways: Mapping[Edge, tuple[str, ...]]
    centre: Mapping[str, float]


def usable(nodes: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """The edges whose ends exist and differ, each once, in their order."""
    known = set(nodes)
    return [
        edge for edge in dict.fromkeys(edges) if edge[0] in known and edge[1] in known and edge[0] != edge[1]
    ]


def forward(nodes: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """The usable edges without those that close a cycle (found depth first, in node order)."""
    targets: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in usable(nodes, edges):
        targets[source].append(target)
    state: dict[str, int] = {}  # 1: on the path now, 2: done
    closing: set[Edge] = set()
    for root in targets:
        stack = [] if root in state else [(root, iter(targets[root]))]
        state.setdefault(root, 1)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                stack.pop()
            elif following not in state:
                state[following] = 1
                stack.append((following, iter(targets[following])))
            elif state[following] == 1:
                closing.add((node, following))
    return [edge for edge in usable(nodes, edges) if edge not in closing]


def ranks(nodes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The layer of each node: one more than that of its last source; without a source, the one before its
    first target, so that what comes late into a chain stands where it comes in."""
    kept = forward(nodes, edges)
    waiting = {node: 0 for node in nodes}
    for _, target in kept:
        waiting[target] += 1
    rank = {node: 0 for node in nodes if not waiting[node]}
    ready = list(rank)
    for node in ready:
        for source, target in kept:
            if source == node:
                rank[target] = max(rank.get(target, 0), rank[node] + 1)
                waiting[target] -= 1
                if not waiting[target]:
                    ready.append(target)
    return rank | _late(rank, kept)


def _late(rank: Mapping[str, int], edges: Sequence[Edge]) -> dict[str, int]:
    """The layers of the nodes that have targets and no sources."""
    fed = {target for _, target in edges}
    first: dict[str, int] = {}
    for source, target in edges:
        if source not in fed:
            first[source] = min(first.get(source, rank[target]), rank[target])
    return {node: layer - 1 for node, layer in first.items()}


def in_order(nodes: Sequence[str], edges: Sequence[Edge]) -> list[str]:
    """The nodes with every source before its targets, as far as there are no cycles."""
    rank = ranks(nodes, edges)
    return sorted(dict.fromkeys(nodes), key=lambda node: rank[node])


def lay_out(heights: Mapping[str, float], edges: Sequence[Edge], gap: float) -> Layout:
    """Places nodes of the given ``heights`` (pixels) with at least ``gap`` pixels between them."""
    nodes = list(heights)
    layers, ways = _with_stand_ins(nodes, forward(nodes, edges))
    neighbours = _neighbours(ways)
    for _ in range(_SWEEPS):
        places = {
            item: index / max(1, len(layer) - 1) for layer in layers for index, item in enumerate(layer)
        }
        for layer in layers:
            layer.sort(
                key=lambda item: _mean([places[other] for other in neighbours.get(item, [])], places[item])
            )
            places.update({item: index / max(1, len(layer) - 1) for index, item in enumerate(layer)})
    centre = _centres(layers, neighbours, heights, gap)
    return Layout(tuple(tuple(layer) for layer in layers), ways, centre)


def _with_stand_ins(
    nodes: Sequence[str], edges: Sequence[Edge]
) -> tuple[list[list[str]], dict[Edge, tuple[str, ...]]]:
    rank = ranks(nodes, edges)
    layers: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for node in nodes:
        layers[rank[node]].append(node)
    ways: dict[Edge, tuple[str, ...]] = {}
    for number, (source, target) in enumerate(edges):
        between = [f"\0{number}:{level}" for level in range(rank[source] + 1, rank[target])]
        for level, stand_in in enumerate(between, start=rank[source] + 1):
            layers[level].append(stand_in)
        ways[source, target] = (source, *between, target)
    return layers, ways


def _neighbours(ways: Mapping[Edge, tuple[str, ...]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for way in ways.values():
        for left, right in itertools.pairwise(way):
            found.setdefault(left, []).append(right)
            found.setdefault(right, []).append(left)
    return found


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _centres(
    layers: Sequence[Sequence[str]],
    neighbours: Mapping[str, Sequence[str]],
    heights: Mapping[str, float],
    gap: float,
) -> dict[str, float]:
    """Pulls every item towards its neighbours, and keeps the layer's order and gaps."""
    centre: dict[str, float] = {}
    for layer in layers:
        centre.update(_spread(layer, {item: 0.0 for item in layer}, heights, gap))
    for _ in range(_SWEEPS):
        for layer in layers:
            wanted = {
                item: _mean([centre[other] for other in neighbours.get(item, [])], centre[item])
                for item in layer
            }
            centre.update(_spread(layer, wanted, heights, gap))
    top = min((centre[item] - heights.get(item, 0.0) / 2 for item in centre), default=0.0)
    return {item: y - top for item, y in centre.items()}


def _spread(
    layer: Sequence[str], wanted: Mapping[str, float], heights: Mapping[str, float], gap: float
) -> dict[str, float]:
    """Places near the wanted ones without overlap: stacked downwards, then moved up as one by half
    of what the stacking pushed them down."""
    placed: dict[str, float] = {}
    edge = float("-inf")
    for item in layer:
        half = heights.get(item, 0.0) / 2
        placed[item] = max(wanted[item], edge + half)
        edge = placed[item] + half + gap
    shift = _mean([placed[item] - wanted[item] for item in layer], 0.0)
    return {item: y - shift for item, y in placed.items()}
