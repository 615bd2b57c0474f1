"""The lineage drawn as SVG: from left to right for wide pages, as one column for phones.

Both pictures show the same nodes and edges. Edges tell their kind by colour and by width (weights:
thick, outputs: plain, data: thin and dotted), and by their dash whether they are declared. A node with a link
is one that the keyboard reaches, in the order in which nodes stand. The same in words is ``as_text``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from inbond.report import edge_words, graph
from inbond.report.boxes import KIND_WORDS, LONGEST, NARROW, Box, boxed, draw_box, width_of
from inbond.report.edge_words import Words
from inbond.report.picture import Lineage, LineageEdge, LineageNode
from inbond.report.text import clip, one_line

MOST_NODES = 40
_WIDTH = re.compile(r' width="(\d+)"')
_GAP_X, _GAP_Y = 54.0, 22.0
_FITS = 1500.0
"""Wider pictures are not shrunk to the page, which would make them unreadable, but scroll."""
_COLUMN, _GUTTER, _LANES = 312.0, 72.0, 6
_SHEET = 700.0
"""What a sheet of paper holds of a column's height, at the size at which it is printed."""


def draw_wide(lineage: Lineage, ident: str, title: str) -> Markup:
    """From left to right. Empty when there are no nodes. ``ident`` must be unique in the page."""
    nodes = _first_nodes(lineage)
    if not nodes:
        return Markup("")
    boxes = {node.id: boxed(node, width_of(node)) for node in nodes}
    edges = _edges(lineage, boxes)
    layout = graph.lay_out({key: box.height for key, box in boxes.items()}, list(edges), _GAP_Y)
    lefts, widths, total = _across(layout, boxes, _gaps(layout, edges))
    drawn = [_course(edge, layout, lefts, widths, boxes) for edge in edges.values() if _drawn(edge, layout)]
    said = edge_words.place([course.words for course in drawn if course.words is not None])
    top = min([0.0, *(words.top for words in said)])
    bottom = max(
        [words.bottom for words in said] + [layout.centre[key] + box.height / 2 for key, box in boxes.items()]
    )
    style = "wide fits" if total <= _FITS else "wide"
    parts = [_open(ident, title, lineage, style, (top, total, bottom - top))]
    parts += [course.line for course in drawn] + [edge_words.draw(words) for words in said]
    parts += [
        draw_box(boxes[key], lefts[key], layout.centre[key] - boxes[key].height / 2, ident)
        for layer in layout.layers for key in layer if key in boxes
    ]  # fmt: skip
    return Markup("").join([*parts, Markup("</svg>")])


def draw_column(lineage: Lineage, ident: str, title: str) -> Markup:
    """One node under the other, the edges in lanes at their left. Empty when there are no nodes."""
    nodes = {node.id: node for node in _first_nodes(lineage)}
    if not nodes:
        return Markup("")
    every = _edges(lineage, nodes)
    tops, boxes, height = _stacked(nodes, every)
    parts = [_open(ident, title, lineage, "column", (0.0, _COLUMN, height))]
    parts += [Markup('<g id="{}-all">').format(ident), *_lanes(list(every.values()), tops, boxes)]
    parts += [draw_box(box, _GUTTER, tops[key], ident) for key, box in boxes.items()]
    return Markup("").join([*parts, Markup("</g></svg>")])


def _stacked(
    nodes: Mapping[str, LineageNode], every: Mapping[graph.Edge, LineageEdge]
) -> tuple[dict[str, float], dict[str, Box], float]:
    """The boxes of a column with their upper edges, and its height."""
    tops: dict[str, float] = {}
    boxes: dict[str, Box] = {}
    y = 0.0
    for key in _down(nodes, every):
        into = [edge for edge in every.values() if edge.target == key and edge.shown]
        boxes[key] = boxed(nodes[key], _COLUMN - _GUTTER, [_from(edge, nodes) for edge in into])
        tops[key] = y
        y += boxes[key].height + 12
    return tops, boxes, y - 12


def draw_sheets(lineage: Lineage, ident: str) -> Markup:
    """The column of ``draw_column`` with this ``ident`` again, cut between boxes into parts that fit on
    paper, which cannot scroll. Empty when the column fits."""
    nodes = {node.id: node for node in _first_nodes(lineage)}
    tops, boxes, height = _stacked(nodes, _edges(lineage, nodes))
    if height <= _SHEET:
        return Markup("")
    cuts = [0.0]
    for key, top in tops.items():
        if top + boxes[key].height - cuts[-1] > _SHEET and top > cuts[-1]:
            cuts.append(top - 6)
    part = Markup(
        '<svg class="lineage sheet" viewBox="-4 {:.0f} {:.0f} {:.0f}" width="{:.0f}" height="{:.0f}" '
        'aria-hidden="true"><use href="#{}-all"/></svg>'
    )
    room = [(top, bottom - top) for top, bottom in zip(cuts, [*cuts[1:], height + 4], strict=True)]
    return Markup("").join(
        part.format(top - 4 * (top == 0), _COLUMN + 8, tall + 4 * (top == 0), _COLUMN + 8, tall, ident)
        for top, tall in room
    )


def width_of_wide(svg: Markup) -> int:
    """Pixels that a picture of ``draw_wide`` takes at the size at which its words can be read."""
    found = _WIDTH.search(svg)
    return int(found[1]) if found else 0


def _down(nodes: Mapping[str, LineageNode], edges: Mapping[graph.Edge, LineageEdge]) -> list[str]:
    """Sources before targets; what is not known of a node directly before it."""
    before: dict[str, list[str]] = {}
    for (source, target), edge in edges.items():
        if (edge.kind, nodes[source].kind) == ("open", "open") != (edge.kind, nodes[target].kind):
            before.setdefault(target, []).append(source)
    moved = {source for sources in before.values() for source in sources}
    order = [key for key in graph.in_order(list(nodes), list(edges)) if key not in moved]
    return list(dict.fromkeys(one for key in order for one in (*before.get(key, ()), key)))


def _from(edge: LineageEdge, nodes: Mapping[str, LineageNode]) -> str:
    """What the wide picture says on an edge: there is no room on it in a column."""
    return f"← {clip(nodes[edge.source].label, 60)}: {edge.shown}"


def as_text(lineage: Lineage) -> list[str]:
    """One sentence an edge, in the order of the layers."""
    labels = {node.id: one_line(clip(node.label, LONGEST)) for node in lineage.nodes}
    place = {key: index for index, key in enumerate(graph.in_order(list(labels), _pairs(lineage)))}
    known = [edge for edge in lineage.edges if edge.source in labels and edge.target in labels]
    known.sort(key=lambda edge: (place[edge.source], place[edge.target]))
    return [
        f"{labels[edge.source]} → {labels[edge.target]}: {_kind(edge)}"
        + (f" ({one_line(clip(edge.label, LONGEST))})" if edge.label else "")
        for edge in known
    ]


def _kind(edge: LineageEdge) -> str:
    return one_line(clip(KIND_WORDS.get(edge.kind, edge.kind), LONGEST))


def without_links(lineage: Lineage) -> Lineage:
    """The same for a picture that is not in a page."""
    return replace(lineage, nodes=tuple(replace(node, link="") for node in lineage.nodes))


def left_out(lineage: Lineage) -> int:
    """How many nodes the pictures do not show."""
    return max(0, len(lineage.nodes) - MOST_NODES)


def _pairs(lineage: Lineage) -> list[graph.Edge]:
    return [(edge.source, edge.target) for edge in lineage.edges]


def _first_nodes(lineage: Lineage) -> list[LineageNode]:
    return list({node.id: node for node in lineage.nodes}.values())[:MOST_NODES]


def _edges(lineage: Lineage, known: Mapping[str, object]) -> dict[graph.Edge, LineageEdge]:
    kept = graph.usable(list(known), _pairs(lineage))
    first: dict[graph.Edge, LineageEdge] = {}
    for edge in lineage.edges:
        first.setdefault((edge.source, edge.target), edge)
    return {pair: first[pair] for pair in kept}


def _drawn(edge: LineageEdge, layout: graph.Layout) -> bool:
    return (edge.source, edge.target) in layout.ways


def _gaps(layout: graph.Layout, edges: Mapping[graph.Edge, LineageEdge]) -> list[float]:
    """The room after each layer: as wide as the widest words on edges there."""
    gaps = [_GAP_X] * len(layout.layers)
    rank = {item: number for number, layer in enumerate(layout.layers) for item in layer}
    for pair, way in layout.ways.items():
        if edges[pair].shown:
            number = rank[way[_said_in(pair, layout)]]
            gaps[number] = max(gaps[number], edge_words.width(edges[pair].shown))
    return gaps


def _said_in(pair: graph.Edge, layout: graph.Layout) -> int:
    """In which gap along its way an edge's words stand: at the end where fewer edges meet."""
    away = sum(1 for source, _ in layout.ways if source == pair[0])
    here = sum(1 for _, target in layout.ways if target == pair[1])
    return len(layout.ways[pair]) - 2 if away > here else 0


def _across(
    layout: graph.Layout, boxes: dict[str, Box], gaps: Sequence[float]
) -> tuple[dict[str, float], dict[str, float], float]:
    """Left edge and width of every item, and the picture's width. Stand-ins are as wide as their layer."""
    lefts: dict[str, float] = {}
    widths: dict[str, float] = {}
    x = 0.0
    for layer, gap in zip(layout.layers, gaps, strict=True):
        width = max((boxes[item].width for item in layer if item in boxes), default=NARROW)
        for item in layer:
            own = boxes[item].width if item in boxes else width
            lefts[item], widths[item] = x + (width - own) / 2, own
        x += width + gap
    return lefts, widths, x - gaps[-1]


def _open(ident: str, title: str, lineage: Lineage, css: str, room: tuple[float, float, float]) -> Markup:
    """``room``: the top, width and height of what is drawn. What holds links must not be an image to readers
    of the screen, who would not be told of them; its links say what the description would."""
    top, width, height = room
    words = f"{len(lineage.nodes)} nodes. " + "; ".join(as_text(lineage)[:60])
    linked = any(node.link for node in lineage.nodes)
    role, named = ("group", f"{ident}-t") if linked else ("img", f"{ident}-t {ident}-d")
    return Markup(
        '<svg class="lineage {}" role="{}" aria-labelledby="{}" '
        'viewBox="-4 {:.0f} {:.0f} {:.0f}" width="{:.0f}" height="{:.0f}">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>'
    ).format(
        css, role, named, top - 4, width + 8, height + 8, width + 8, height + 8, ident, title, ident,
        words[:2000],
    )  # fmt: skip


def _port(key: str, edge: graph.Edge, layout: graph.Layout, boxes: dict[str, Box], *, out: bool) -> float:
    """Where on a node's side the edge begins or ends: spread by where the other way leads."""
    side = 0 if out else 1
    ways = [way for pair, way in layout.ways.items() if pair[side] == key]
    ways.sort(key=lambda way: layout.centre[way[1] if out else way[-2]])
    index = ways.index(layout.ways[edge])
    step = min(14.0, (boxes[key].height - 16) / max(1, len(ways)))
    return layout.centre[key] + (index - (len(ways) - 1) / 2) * step


@dataclass(frozen=True)
class _Course:
    """An edge as it is drawn, with the words that are still to be placed."""

    line: Markup
    words: Words | None


def _course(
    edge: LineageEdge,
    layout: graph.Layout,
    lefts: dict[str, float],
    widths: dict[str, float],
    boxes: dict[str, Box],
) -> _Course:
    pair = (edge.source, edge.target)
    way = layout.ways[pair]
    x, y = lefts[way[0]] + widths[way[0]], _port(way[0], pair, layout, boxes, out=True)
    path = [f"M{x:.1f} {y:.1f}"]
    middles: list[tuple[float, float]] = []
    between: list[tuple[float, float]] = []
    for item in way[1:]:
        last = item == way[-1]
        to_x = lefts[item] - (7 if last else 0)
        to_y = _port(item, pair, layout, boxes, out=False) if last else layout.centre[item]
        middle = (x + to_x) / 2
        path.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
        middles.append((middle, (y + to_y) / 2 - 5))
        x, y = to_x, to_y
        if not last:
            x += widths[item]
            between.append((x - widths[item] / 2, y - 5))
            path.append(f"H{x:.1f}")
    line = _line(edge, " ".join(path)) + _arrow(edge, x, y)
    if edge.shown:
        at = middles[_said_in(pair, layout)]
        return _Course(line, edge_words.wrapped(edge.shown, _style(edge), *at))
    at = between[0] if between else middles[0]  # a long edge has room where it passes a layer
    return _Course(line + _kind_label(edge, *at), None)


def _line(edge: LineageEdge, path: str) -> Markup:
    halo = Markup('<path class="halo" d="{}"/>').format(path) if edge.on_path else Markup("")
    dash = f" {edge.evidence}" if edge.evidence in ("declared", "receipt") else ""
    return halo + Markup('<path class="edge {}{}" d="{}"/>').format(_style(edge), dash, path)


def _arrow(edge: LineageEdge, x: float, y: float) -> Markup:
    return Markup('<path class="tip {}" d="M{:.1f} {:.1f}l-1 -4.5l8 4.5l-8 4.5z"/>').format(
        _style(edge), x, y
    )


def _kind_label(edge: LineageEdge, x: float, y: float) -> Markup:
    if edge.kind in ("data", "open"):
        return Markup("")
    return Markup('<text class="on-edge {}" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
        _style(edge), x, y, _style(edge)
    )


def _style(edge: LineageEdge) -> str:
    return edge.kind if edge.kind in ("weights", "outputs", "open") else "data"


def _lanes(edges: Sequence[LineageEdge], tops: dict[str, float], boxes: dict[str, Box]) -> list[Markup]:
    """Edges as brackets in the gutter; two that overlap never share a lane while lanes last."""
    busy: list[list[tuple[float, float]]] = [[] for _ in range(_LANES)]
    drawn: list[Markup] = []

    def span(edge: LineageEdge) -> tuple[float, float]:
        return tops[edge.source] + boxes[edge.source].height - 13, tops[edge.target] + 15

    for edge in sorted(edges, key=lambda edge: abs(span(edge)[1] - span(edge)[0])):
        start, end = span(edge)
        low, high = min(start, end), max(start, end)
        free = (n for n, taken in enumerate(busy) if all(high < a or b < low for a, b in taken))
        lane = next(free, _LANES - 1)
        busy[lane].append((low, high))
        x = _GUTTER - 14 - lane * 10
        bend = 6 if end >= start else -6
        path = (
            f"M{_GUTTER:.0f} {start:.1f}H{x + 6:.0f}Q{x:.0f} {start:.1f} {x:.0f} {start + bend:.1f}"
            f"V{end - bend:.1f}Q{x:.0f} {end:.1f} {x + 6:.0f} {end:.1f}H{_GUTTER - 7:.0f}"
        )
        drawn += [_line(edge, path), _arrow(edge, _GUTTER - 7, end)]
    return drawn
