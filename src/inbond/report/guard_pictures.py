"""A group of accounts as inline SVG: what it shares in the middle, a numbered node a member around. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from inbond.report.text import clip, one_line, wrap

MOST_DRAWN: Final = 24
_SIZE, _RING, _NODE = 292.0, 128.0, 24.0
_WIDE, _LINE, _PAD = 124.0, 15.0, 9.0
STYLES: Final = ("model", "model", "model on-path", "model asked")
"""The stylesheet's class of a node, by its tier."""


def draw_cluster(ident: str, title: str, shared: str, members: Sequence[tuple[str, int]]) -> Markup:
    """``members``: (name, tier), at most MOST_DRAWN of them, in the order of their numbers. Small enough for
    a phone. ``ident`` is unique in the page and is ours."""
    assert len(members) <= MOST_DRAWN, "choose who is drawn"
    places = [_place(index, len(members)) for index in range(len(members))]
    middle = _SIZE / 2
    edges = [
        Markup('<path class="edge outputs" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(middle, middle, x, y)
        for x, y in places
    ]
    nodes = [_node(n, *each, *place) for n, (each, place) in enumerate(zip(members, places, strict=True), 1)]
    head = Markup(
        '<svg class="lineage fits" role="img" aria-labelledby="{}-t {}-d" width="{:.0f}" height="{:.0f}" '
        'viewBox="0 0 {:.0f} {:.0f}"><title id="{}-t">{}</title><desc id="{}-d">{}</desc>'
    ).format(
        ident, ident, _SIZE, _SIZE, _SIZE, _SIZE, ident, one_line(title), ident, _words(shared, members)
    )  # fmt: skip
    return Markup("").join([head, *edges, _shared(shared), *nodes, Markup("</svg>")])


def _place(index: int, count: int) -> tuple[float, float]:
    angle = 2 * math.pi * index / count - math.pi / 2
    return _SIZE / 2 + _RING * math.cos(angle), _SIZE / 2 + _RING * math.sin(angle)


def _node(number: int, name: str, tier: int, x: float, y: float) -> Markup:
    return Markup(
        '<g class="node {}"><title>{}: tier {}</title>'
        '<rect x="{:.1f}" y="{:.1f}" width="{:.0f}" height="{:.0f}" rx="{:.0f}"/>'
        '<text class="kind" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text></g>'
    ).format(
        STYLES[tier], one_line(clip(name, 200)), tier, x - _NODE / 2, y - _NODE / 2, _NODE, _NODE, _NODE / 2,
        x, y + 4, number,
    )  # fmt: skip


def _shared(shared: str) -> Markup:
    lines = wrap(shared, 16, 4)
    height = len(lines) * _LINE + 2 * _PAD
    top = (_SIZE - height) / 2
    texts = [
        Markup('<text class="kind" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            _SIZE / 2, top + _PAD + (index + 0.75) * _LINE, line
        )
        for index, line in enumerate(lines)
    ]
    box = Markup('<g class="node data"><rect x="{:.1f}" y="{:.1f}" width="{:.0f}" height="{:.1f}"/>')
    return Markup("").join([box.format((_SIZE - _WIDE) / 2, top, _WIDE, height), *texts, Markup("</g>")])


def _words(shared: str, members: Sequence[tuple[str, int]]) -> str:
    names = ", ".join(
        f"{number}: {one_line(clip(name, 80))}, tier {tier}" for number, (name, tier) in enumerate(members, 1)
    )
    return f"In the middle {shared}; around it {names or 'nobody'}."
