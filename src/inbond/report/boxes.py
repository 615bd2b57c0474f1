"""A node of a picture as a box: its lines of text, its size, and how it is drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from markupsafe import Markup

from inbond.report.picture import LineageNode
from inbond.report.text import clip, columns, one_line, wrap

LONGEST = 200
"""Characters of a name that are said in full."""
KIND_WORDS = {"open": "not known"}
_KINDS = ("teacher", "student", "model", "data", "records", "targets", "stage", "open")
_MARKS, _TONES = ("target", "asked", "on-path"), ("good", "care", "bad", "plain")
"""What may stand in a class; values come from outside as texts do."""
_CORNERS = {"stage": 12, "teacher": 14, "student": 14, "model": 14, "data": 0}
NARROW = 90.0
_OPEN, _WIDE, _MARKED, _PAD = 124.0, 142.0, 170.0, 10.0
_LABEL_COLUMN, _BADGE_COLUMN, _SMALL_COLUMN = 8.0, 7.4, 6.9
"""Pixels a column of type takes at most in the widest of the usual typefaces."""
_SIZES = {"label": 13.0, "badge": 11.5, "detail": 10.4, "kind": 9.9}
"""Pixels of type, as if it were bold."""
_MOST_SOURCES = 6
"""Edges into a node that a column says in words."""


_LINE_HEIGHTS = {"kind": 16.0, "label": 17.0, "detail": 15.0, "badge": 15.0, "pill": 21.0}


@final
@dataclass(frozen=True)
class Box:
    """A node's lines of text as they will be drawn, with their size in pixels."""

    node: LineageNode
    lines: tuple[tuple[str, str], ...]
    """(class, text); of a pill, the class ends with its tone."""
    width: float
    height: float


def boxed(node: LineageNode, width: float, sources: Sequence[str] = ()) -> Box:
    """A node's text wrapped into ``width`` pixels; ``sources``: what is said of the edges into it."""
    room = width - 2 * _PAD
    small = int(room / _SMALL_COLUMN)
    kind = KIND_WORDS.get(node.kind, node.kind[:24]) + (f" · {node.note}" if node.note else "")
    lines = [] if node.kind in ("stage", "open") else [("kind", line) for line in wrap(kind, small, 2)]
    lines += [("label", line) for line in wrap(node.label, int(room / _LABEL_COLUMN), 4)]
    if node.detail:
        lines += [("detail", line) for line in wrap(node.detail, small, 4)]
    if node.badges:
        lines += [("badge", line) for line in wrap(" · ".join(node.badges), int(room / _BADGE_COLUMN), 2)]
    for source in sources[:_MOST_SOURCES]:
        lines += [("detail", line) for line in wrap(source, small, 3)]
    lines += [
        (f"pill {tone if tone in _TONES else 'plain'}", wrap(text, small, 1)[0]) for tone, text in node.pills
    ]
    height = sum(_height(css) for css, _ in lines) + 2 * _PAD - 3
    return Box(node, tuple(lines), width, height)


def width_of(node: LineageNode) -> float:
    """Pixels: more for what says more."""
    own = {"stage": NARROW, "open": _OPEN}
    return own.get(node.kind, _MARKED if node.marks or node.pills else _WIDE)


def _height(css: str) -> float:
    return _LINE_HEIGHTS[css.partition(" ")[0]]


def draw_box(box: Box, x: float, y: float, ident: str) -> Markup:
    """A box with its left upper corner there; a link where its node has one, with an id that begins with
    ``ident``."""
    node = box.node
    kind = node.kind if node.kind in _KINDS else "other"
    style = " ".join((kind, *(mark for mark in node.marks if mark in _MARKS)))
    opening = Markup('<g class="node {}">').format(style)
    if node.link:
        opening = Markup('<a class="node {}" id="{}-{}" href="#{}">').format(
            style, ident, node.link, node.link
        )
    head = Markup('<title>{}</title><rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="{}"/>')
    corner = _CORNERS.get(kind, 5)
    parts = [opening, head.format(_spoken(node), x, y, box.width, box.height, corner)]
    baseline = y + _PAD - 4
    for css, text in box.lines:
        baseline += _height(css)
        written = _pill if css.startswith("pill") else _text
        parts.append(written(css, text, x + _PAD, baseline - 1, box.width - 2 * _PAD))
    return Markup("").join([*parts, Markup("</a>" if node.link else "</g>")])


def _spoken(node: LineageNode) -> str:
    """A node's name for readers of the screen and pointers."""
    name = one_line(clip(node.label, LONGEST))
    said = (
        KIND_WORDS.get(node.kind, node.kind),
        node.note,
        node.detail,
        *node.badges,
        *(text for _, text in node.pills),
    )
    return (
        f"{name}: {'; '.join(one_line(clip(text, LONGEST)) for text in said if text)}" if node.link else name
    )


def _text(css: str, text: str, x: float, y: float, room: float) -> Markup:
    squeezed = Markup(' textLength="{:.0f}" lengthAdjust="spacingAndGlyphs"').format(room)
    narrow = css not in _SIZES or sum(map(_wide, text)) * _SIZES[css] <= room + 4
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}"{}>{}</text>').format(
        css, x, y, "" if narrow else squeezed, text
    )


def _wide(character: str) -> float:
    """About how wide a character is in bold type, in ems: a line of capitals takes more than its columns."""
    if character in "MWmw@%":
        return 1.1
    if character in "fijlrt.,:;'-/ |()[]":
        return 0.43
    return 0.8 if character.isupper() else 0.68 * columns(character)


def _pill(css: str, text: str, x: float, y: float, room: float) -> Markup:
    return Markup(
        '<g class="{}"><rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="18" rx="9"/>'
        '<text x="{:.1f}" y="{:.1f}">{}</text></g>'
    ).format(css, x - 3, y - 13, min(room + 6, columns(text) * _SMALL_COLUMN + 16), x + 4, y, text)
