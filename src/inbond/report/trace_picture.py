"""From a trace to its picture: what is drawn when not all can be, and the words on nodes and edges. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

from inbond.ledger.answer import part_words
from inbond.ledger.lineage import Edge, Evidence, Node, Unknown
from inbond.ledger.shares import Share, percent
from inbond.ledger.trace import Ancestor, Trace
from inbond.report.lineage import MOST_NODES
from inbond.report.picture import Lineage, LineageEdge, LineageNode, Tone
from inbond.report.text import clip
from inbond.report.wording import plural

_MOST_ARTIFACTS = 30
"""Models and data, so that some room is left for what is not known of them."""
_MOST_TEXT = 300
_GAP = "\1gap"
"""No artifact has a control character in its name."""
_MARKS = Literal["target", "asked", "on-path"]
_TONES: Mapping[str, Tone] = {"prohibited": "bad", "express": "good", "silent": "plain"}
_WEAKEST: tuple[Evidence, ...] = ("declared", "recorded", "receipt")


@final
@dataclass(frozen=True)
class Chosen:
    """What is drawn: ``nodes``; of those with a node of its own for what is ``open`` about it, the questions;
    ``edges`` between them; ``path``: the ids and edges on ways from what was asked for; ``gap``: two nodes of
    such a way between which others, ``gap_size`` of them, are left out."""

    nodes: frozenset[str]
    open: Mapping[str, tuple[Unknown, ...]]
    edges: tuple[Edge, ...]
    path: frozenset[str]
    path_edges: frozenset[tuple[str, str]]
    gap: tuple[str, str] | None
    gap_size: int


def choose(found: Trace) -> Chosen:
    """The target, what was asked for and a shortest way from it, the rest of its ways, then the nearest."""
    asked = [ancestor for ancestor in found.ancestors if ancestor.asked]
    paths = [path for ancestor in asked for path in ancestor.paths.paths]
    path_edges = frozenset((edge.source, edge.target) for path in paths for edge in path)
    first = _nodes_of([asked[0].paths.paths[0]]) if asked and asked[0].paths.paths else []
    gap, gap_size = None, 0
    if len(first) > _MOST_ARTIFACTS:
        half = _MOST_ARTIFACTS // 2
        gap, gap_size = (first[half - 1], first[-half]), len(first) - 2 * half
        first = [*first[:half], *first[-half:]]
    near = sorted(found.ancestors, key=lambda ancestor: ancestor.hops)
    wanted = [found.target, *first, *(a.node.id for a in asked)]
    wanted += [] if gap else [*_nodes_of(sorted(paths, key=len)), *(a.node.id for a in near)]
    nodes = frozenset(list(dict.fromkeys(wanted))[:_MOST_ARTIFACTS])
    return Chosen(
        nodes, _open(found, nodes, 1 if gap else 0),
        tuple(edge for edge in found.edges if edge.source in nodes and edge.target in nodes),
        frozenset(_nodes_of(paths)), path_edges, gap, gap_size,
    )  # fmt: skip


def _nodes_of(paths: Iterable[Sequence[Edge]]) -> list[str]:
    """Each once, from the ancestor down to the target."""
    return list(dict.fromkeys(id_ for path in paths for edge in path for id_ in (edge.source, edge.target)))


def _open(found: Trace, nodes: frozenset[str], taken: int) -> dict[str, tuple[Unknown, ...]]:
    """What is not known of each node that is drawn, for as many as there is room for: the target first, then
    the nearest to it."""
    hops = {found.target: 0, **{a.node.id: a.hops for a in found.ancestors}}
    groups: dict[str, list[Unknown]] = {}
    for unknown in found.unknowns:
        if unknown.about in nodes:
            groups.setdefault(unknown.about, []).append(unknown)
    near = sorted(groups, key=lambda id_: hops[id_])[: MOST_NODES - len(nodes) - taken]
    # A stage's missing share says more than that the list of inputs is not closed, which comes first.
    return {id_: tuple(reversed(groups[id_])) for id_ in near}


def picture(
    found: Trace, target: Node, chosen: Chosen, anchors: Mapping[str, str], questions: Mapping[Unknown, str]
) -> Lineage:
    """The picture of what was chosen. ``anchors`` are the ids in the page of nodes, ``questions`` those of
    what is not known."""
    of = {ancestor.node.id: ancestor for ancestor in found.ancestors}
    hidden = _hidden(found, chosen)
    nodes = [_node(target, None, chosen, anchors, hidden)]
    nodes += [_node(of[id_].node, of[id_], chosen, anchors, hidden) for id_ in of if id_ in chosen.nodes]
    edges = _edges(found, chosen)
    for number, (about, unknowns) in enumerate(chosen.open.items()):
        nodes.append(_question(f"\1?{number}", unknowns, questions))
        edges.append(LineageEdge(f"\1?{number}", about, "open", evidence="declared"))
    if chosen.gap:
        detail = f"{chosen.gap_size} more on the way, not drawn"
        nodes.append(LineageNode(_GAP, "open", "… Left out", detail, note="on the way", link="not-drawn"))
        edges += [
            LineageEdge(one, other, "open", "left out of the picture", evidence="declared", on_path=True)
            for one, other in ((chosen.gap[0], _GAP), (_GAP, chosen.gap[1]))
        ]
    return Lineage(tuple(nodes), tuple(edges))


def _hidden(found: Trace, chosen: Chosen) -> Mapping[str, list[str]]:
    """What is missing beside each drawn node: direct sources, open questions."""
    missing: dict[str, set[str]] = {}
    for edge in found.edges:
        if edge.source not in chosen.nodes:
            missing.setdefault(edge.target, set()).add(edge.source)
    words = {id_: [f"+ {plural(len(sources), 'source')}"] for id_, sources in missing.items()}
    for id_ in chosen.nodes - set(chosen.open):
        open_ = sum(unknown.about == id_ for unknown in found.unknowns)
        if open_:
            words.setdefault(id_, []).append(f"? {plural(open_, 'question')}")
    return words


def _node(
    node: Node,
    ancestor: Ancestor | None,
    chosen: Chosen,
    anchors: Mapping[str, str],
    hidden: Mapping[str, list[str]],
) -> LineageNode:
    marks: list[_MARKS] = []
    note = ""
    badge = licence_words(node)
    pills: list[tuple[Tone, str]] = [] if badge else [("care", "licence not known")]
    if ancestor is None:
        marks, note = ["target"], "asked about"
    else:
        stance = ancestor.stance
        pills.append(
            (_TONES.get(stance, "care"), f"terms: {stance}") if stance else ("care", "terms not known")
        )
        if ancestor.asked:
            marks, note = ["asked"], "looked for"
        elif node.id in chosen.path:
            marks, note = ["on-path"], "on the way"
    pills += [("care", text) for text in hidden.get(node.id, [])]
    detail = _detail(ancestor) if ancestor is not None and node.kind == "model" else ""
    return LineageNode(
        node.id, node.kind, clip(node.id, _MOST_TEXT), detail,
        (clip(badge, _MOST_TEXT),) if badge else (), pills=tuple(pills), note=note,
        marks=tuple(marks), link=anchors[node.id],
    )  # fmt: skip


def licence_words(node: Node) -> str:
    """What a node is under: of a model behind a host, the host's terms. '' when that is not known."""
    host = node.id.removeprefix("api:").partition("/")[0] if node.id.startswith("api:") else ""
    return " and ".join(part for part in (node.licence or "", f"the terms of {host}" if host else "") if part)


def _detail(ancestor: Ancestor) -> str:
    """The first established part that a model has in the training of the target."""
    return next((text for share in ancestor.shares if (text := part_words(ancestor, share, brief=True))), "")


def _question(id_: str, unknowns: Sequence[Unknown], questions: Mapping[Unknown, str]) -> LineageNode:
    label = "? Not known" if len(unknowns) == 1 else f"? {len(unknowns)} not known"
    link = questions.get(unknowns[0], "not-known")
    return LineageNode(id_, "open", label, clip(unknowns[0].what, _MOST_TEXT), link=link)


def _edges(found: Trace, chosen: Chosen) -> list[LineageEdge]:
    """One edge a pair: weights if any of several is, and as well known as the least known of them."""
    recorded = _counted(found)
    pairs: dict[tuple[str, str], list[Edge]] = {}
    for edge in chosen.edges:
        pairs.setdefault((edge.source, edge.target), []).append(edge)
    drawn = []
    for (source, target), parallel in pairs.items():
        several = sorted(parallel, key=lambda edge: (edge.kind != "weights", edge.relation))
        said = "; ".join(dict.fromkeys(_said(edge, recorded) for edge in several))
        evidence = next(each for each in _WEAKEST if any(edge.evidence == each for edge in several))
        drawn.append(
            LineageEdge(
                source, target, "weights" if any(edge.kind == "weights" for edge in several) else "outputs",
                f"{said}; {evidence}", said, evidence, on_path=(source, target) in chosen.path_edges,
            )
        )  # fmt: skip
    return drawn


def _counted(found: Trace) -> dict[tuple[str, str, str], list[Share]]:
    """What was counted of data in the stage that it went into, by (data, model, stage). Only of data that
    reaches the target over one edge: of others, the part of each edge was not counted."""
    shares: dict[tuple[str, str, str], list[Share]] = {}
    ways_on = Counter(edge.source for edge in found.edges)
    for ancestor in found.ancestors:
        if ways_on[ancestor.node.id] != 1:
            continue
        for share in ancestor.shares:
            if share.evidence == "recorded":
                key = (ancestor.node.id, share.stage.of, share.stage.name)
                shares.setdefault(key, []).append(share)
    return shares


def _said(edge: Edge, recorded: Mapping[tuple[str, str, str], list[Share]]) -> str:
    """What an edge is and how much comes over it, in a few words."""
    roles = f" as {' and '.join(edge.roles)}" if edge.roles else ""
    if edge.relation != "trained-on":
        parts = [f"{percent(part.share)} of {part.unit}" for part in edge.parts if not part.stage]
        return f"{edge.relation}{roles}" + (f", {', '.join(parts)}" if parts else "")
    shares = {part.unit: part.share for part in edge.parts if part.stage == edge.stage}
    for counted in recorded.get((edge.source, edge.target, edge.stage), []):
        if counted.touch.touched.exact is not None:
            shares.setdefault(counted.unit, counted.touch.touched.exact)
    parts = [f"{percent(share)} of {edge.stage} {unit}" for unit, share in shares.items()]
    return ", ".join(parts) if parts else f"{edge.stage} data, share not known".strip()
