"""The lineage drawn as SVG: from left to right for wide pages, as one column for phones.

Both pictures show the same nodes and edges. Edges tell their kind by colour and by dash (weights:
thick, outputs: plain, data: dotted). The same in words, for readers of the screen, is ``as_text``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from inbond.report import graph
from inbond.report.data import Lineage, LineageEdge, LineageNode
from inbond.report.text import clip, one_line, wrap

MOST_NODES = 40
_LONGEST = 200
_KINDS = ("teacher", "student", "model", "data", "records", "targets", "stage")
_WIDE, _NARROW, _GAP_X, _GAP_Y, _PAD = 142.0, 90.0, 54.0, 22.0, 10.0
_LABEL_COLUMN, _SMALL_COLUMN = 8.0, 6.9
"""Pixels a column of type takes at most in the widest of the usual typefaces."""
_FITS = 1450.0
"""Wider pictures are not shrunk to the page, which would make them unreadable, but scroll."""
_COLUMN, _GUTTER, _LANES = 340.0, 72.0, 6


@dataclass(frozen=True)
class _Box:
    """A node's lines of text as they will be drawn, with their size in pixels."""

    node: LineageNode
    lines: tuple[tuple[str, str], ...]
    """(class, text)."""
    width: float
    height: float


_LINE_HEIGHTS = {"kind": 16.0, "label": 17.0, "detail": 15.0, "badge": 15.0}


def draw_wide(lineage: Lineage, ident: str, title: str) -> Markup:
    """From left to right. Empty when there are no nodes. ``ident`` must be unique in the page."""
    nodes = _first_nodes(lineage)
    if not nodes:
        return Markup("")
    boxes = {node.id: _box(node, _NARROW if node.kind == "stage" else _WIDE) for node in nodes}
    edges = _edges(lineage, boxes)
    layout = graph.lay_out({key: box.height for key, box in boxes.items()}, list(edges), _GAP_Y)
    lefts, widths, total = _across(layout, boxes)
    height = max(layout.centre[key] + box.height / 2 for key, box in boxes.items())
    parts = [_open(ident, title, lineage, "wide fits" if total <= _FITS else "wide", total, height)]
    parts += [_curve(edge, layout, lefts, widths, boxes) for edge in edges.values() if _drawn(edge, layout)]
    parts += [_drawing(box, lefts[key], layout.centre[key] - box.height / 2) for key, box in boxes.items()]
    return Markup("").join([*parts, Markup("</svg>")])


def draw_column(lineage: Lineage, ident: str, title: str) -> Markup:
    """One node under the other, the edges in lanes at their left. Empty when there are no nodes."""
    nodes = {node.id: node for node in _first_nodes(lineage)}
    if not nodes:
        return Markup("")
    every = _edges(lineage, nodes)
    tops: dict[str, float] = {}
    boxes: dict[str, _Box] = {}
    y = 0.0
    for key in graph.in_order(list(nodes), list(every)):
        boxes[key] = _box(nodes[key], _COLUMN - _GUTTER)
        tops[key] = y
        y += boxes[key].height + 12
    parts = [_open(ident, title, lineage, "column", _COLUMN, y - 12)]
    parts += _lanes(list(every.values()), tops, boxes)
    parts += [_drawing(box, _GUTTER, tops[key]) for key, box in boxes.items()]
    return Markup("").join([*parts, Markup("</svg>")])


def as_text(lineage: Lineage) -> list[str]:
    """One sentence an edge, in the order of the layers."""
    labels = {node.id: one_line(clip(node.label, _LONGEST)) for node in lineage.nodes}
    place = {key: index for index, key in enumerate(graph.in_order(list(labels), _pairs(lineage)))}
    known = [edge for edge in lineage.edges if edge.source in labels and edge.target in labels]
    known.sort(key=lambda edge: (place[edge.source], place[edge.target]))
    return [
        f"{labels[edge.source]} → {labels[edge.target]}: {one_line(clip(edge.kind, _LONGEST))}"
        + (f" ({one_line(clip(edge.label, _LONGEST))})" if edge.label else "")
        for edge in known
    ]


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


def _box(node: LineageNode, width: float) -> _Box:
    room = width - 2 * _PAD
    lines = [] if node.kind == "stage" else [("kind", one_line(node.kind[:24]))]
    lines += [("label", line) for line in wrap(node.label, int(room / _LABEL_COLUMN), 3)]
    if node.detail:
        lines += [("detail", line) for line in wrap(node.detail, int(room / _SMALL_COLUMN), 2)]
    if node.badges:
        lines += [("badge", line) for line in wrap(" · ".join(node.badges), int(room / _SMALL_COLUMN), 2)]
    height = sum(_LINE_HEIGHTS[css] for css, _ in lines) + 2 * _PAD - 3
    return _Box(node, tuple(lines), width, height)


def _across(layout: graph.Layout, boxes: dict[str, _Box]) -> tuple[dict[str, float], dict[str, float], float]:
    """Left edge and width of every item, and the picture's width. Stand-ins are as wide as their layer."""
    lefts: dict[str, float] = {}
    widths: dict[str, float] = {}
    x = 0.0
    for layer in layout.layers:
        width = max((boxes[item].width for item in layer if item in boxes), default=_NARROW)
        for item in layer:
            own = boxes[item].width if item in boxes else width
            lefts[item], widths[item] = x + (width - own) / 2, own
        x += width + _GAP_X
    return lefts, widths, x - _GAP_X


def _open(ident: str, title: str, lineage: Lineage, css: str, width: float, height: float) -> Markup:
    words = f"{len(lineage.nodes)} nodes. " + "; ".join(as_text(lineage)[:60])
    return Markup(
        '<svg class="lineage {}" role="img" aria-labelledby="{}-t {}-d" '
        'viewBox="-4 -4 {:.0f} {:.0f}" width="{:.0f}" height="{:.0f}">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>'
    ).format(
        css, ident, ident, width + 8, height + 8, width + 8, height + 8, ident, title, ident, words[:2000]
    )  # fmt: skip


def _drawing(box: _Box, x: float, y: float) -> Markup:
    kind = box.node.kind if box.node.kind in _KINDS else "other"
    head = Markup(
        '<g class="node {}"><title>{}</title>'
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="{}"/>'
    )
    title, corner = one_line(clip(box.node.label, _LONGEST)), 12 if kind == "stage" else 5
    parts = [head.format(kind, title, x, y, box.width, box.height, corner)]
    baseline = y + _PAD - 4
    for css, text in box.lines:
        baseline += _LINE_HEIGHTS[css]
        parts.append(
            Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(
                css, x + _PAD, baseline - 1, text
            )
        )
    return Markup("").join([*parts, Markup("</g>")])


def _port(key: str, edge: graph.Edge, layout: graph.Layout, boxes: dict[str, _Box], *, out: bool) -> float:
    """Where on a node's side the edge begins or ends: spread by where the other way leads."""
    side = 0 if out else 1
    ways = [way for pair, way in layout.ways.items() if pair[side] == key]
    ways.sort(key=lambda way: layout.centre[way[1] if out else way[-2]])
    index = ways.index(layout.ways[edge])
    step = min(14.0, (boxes[key].height - 16) / max(1, len(ways)))
    return layout.centre[key] + (index - (len(ways) - 1) / 2) * step


def _curve(
    edge: LineageEdge,
    layout: graph.Layout,
    lefts: dict[str, float],
    widths: dict[str, float],
    boxes: dict[str, _Box],
) -> Markup:
    pair = (edge.source, edge.target)
    way = layout.ways[pair]
    x, y = lefts[way[0]] + widths[way[0]], _port(way[0], pair, layout, boxes, out=True)
    path = [f"M{x:.1f} {y:.1f}"]
    between: list[tuple[float, float]] = []
    label_at = None
    for item in way[1:]:
        last = item == way[-1]
        to_x = lefts[item] - (7 if last else 0)
        to_y = _port(item, pair, layout, boxes, out=False) if last else layout.centre[item]
        middle = (x + to_x) / 2
        path.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
        label_at = label_at or (middle, (y + to_y) / 2 - 5)
        x, y = to_x, to_y
        if not last:
            x += widths[item]
            between.append((x - widths[item] / 2, y - 5))
            path.append(f"H{x:.1f}")
    label_at = between[0] if between else label_at  # a long edge has room where it passes a layer
    assert label_at is not None, "a way has two ends"
    return _line(edge, " ".join(path)) + _arrow(edge, x, y) + _kind_label(edge, *label_at)


def _line(edge: LineageEdge, path: str) -> Markup:
    return Markup('<path class="edge {}" d="{}"/>').format(_style(edge), path)


def _arrow(edge: LineageEdge, x: float, y: float) -> Markup:
    return Markup('<path class="tip {}" d="M{:.1f} {:.1f}l-1 -4.5l8 4.5l-8 4.5z"/>').format(
        _style(edge), x, y
    )


def _kind_label(edge: LineageEdge, x: float, y: float) -> Markup:
    if edge.kind == "data":
        return Markup("")
    return Markup('<text class="on-edge {}" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
        _style(edge), x, y, _style(edge)
    )


def _style(edge: LineageEdge) -> str:
    return edge.kind if edge.kind in ("weights", "outputs") else "data"


def _lanes(edges: Sequence[LineageEdge], tops: dict[str, float], boxes: dict[str, _Box]) -> list[Markup]:
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
