"""Numbers to inline SVG: lines and bars. Pure; colours and type come from the page's stylesheet.

The pictures are fluid without a script: across, everything is placed in percent of the width; down,
in pixels; so that type keeps its size on a phone. Lines are drawn in a nested ``svg`` that is
stretched across only. Every picture has role img, a title and a description that says in words what
it shows. Texts are escaped here. Values that are missing or not finite are left out, never drawn as 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from inbond.report.text import one_line, wrap
from inbond.report.wording import NOT_MEASURED, known

_HEIGHT, _TOP, _BOTTOM = 200.0, 10.0, 28.0
_MAX_POINTS = 240
_LARGEST = 1e300


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value or None, the value in words, and a class of the stylesheet."""

    label: str
    value: float | None
    text: str
    style: str = "accent"


Point = tuple[float, float]


def line_chart(ident: str, title: str, points: Sequence[tuple[float, float | None]], x_label: str) -> Markup:
    """One line over ``x_label``, a dot where there is one point. Empty when no point is finite.

    ``ident`` must be unique in the page and is ours, not foreign text.
    """
    kept = thin(_finite(points), _MAX_POINTS)
    if not kept:
        return Markup("")
    ticks = nice_ticks(min(y for _, y in kept), max(y for _, y in kept))
    placed = _place(kept, ticks)
    head = _head(ident, title, _in_words(kept, x_label), _HEIGHT, "chart line")
    return Markup("").join([head, _grid(ticks), _trace(placed), _x_axis(kept, x_label), Markup("</svg>")])


def _finite(points: Sequence[tuple[float, float | None]]) -> list[Point]:
    def bound(value: float) -> float:
        return max(-_LARGEST, min(_LARGEST, value))

    pairs = ((known(x), known(y)) for x, y in points)
    return sorted((bound(x), bound(y)) for x, y in pairs if x is not None and y is not None)


def thin(points: Sequence[Point], most: int) -> list[Point]:
    """At most ``most`` of the points, evenly chosen; the first and the last are always among them."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(i * step)] for i in range(most)]


def nice_ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers, evenly spaced, from at most ``low`` to at least ``high``."""
    if high - low <= max(abs(low), abs(high)) * 1e-9 or high - low < 1e-250:
        pad = max(abs(low), abs(high)) * 0.5 or 1.0
        low, high = (low - pad, high + pad) if pad > 1e-250 else (-1.0, 1.0)
    elif 0 <= low < high * 0.4:
        low = 0.0
    rough = (high - low) / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(
        factor * magnitude for factor in (1, 2, 2.5, 5, 10, 20) if factor * magnitude >= rough * 0.999
    )
    first = math.floor(low / step + 1e-6)
    last = math.ceil(high / step - 1e-6)
    return [i * step for i in range(first, last + 1)]


def tick_text(value: float) -> str:
    """A number at most seven characters wide or so: ``0.25``, ``1,500``, ``25k``, ``2e-5``."""
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")
    for unit, factor in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= 10 * factor:
            return f"{value / factor:,.4g}{unit}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _place(points: Sequence[Point], ticks: Sequence[float]) -> list[Point]:
    """Points to (percent across, pixels down)."""
    x_low, x_high = points[0][0], points[-1][0]

    def across(x: float) -> float:
        return (x - x_low) / (x_high - x_low) * 100 if x_high > x_low else 50.0

    return [(across(x), _down(y, ticks)) for x, y in points]


def _down(y: float, ticks: Sequence[float]) -> float:
    share = (y - ticks[0]) / (ticks[-1] - ticks[0])
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def _head(ident: str, title: str, words: str, height: float, css: str) -> Markup:
    return Markup(
        '<svg class="{}" role="img" aria-labelledby="{}-t {}-d" width="100%" height="{:.0f}">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>'
    ).format(css, ident, ident, height, ident, one_line(title), ident, one_line(words))


def _in_words(points: Sequence[Point], x_label: str) -> str:
    ys = [y for _, y in points]
    if len(points) == 1:
        return f"One point: {tick_text(ys[0])} at {x_label} {tick_text(points[0][0])}."
    return (
        f"{len(points)} points over {x_label} {tick_text(points[0][0])} to {tick_text(points[-1][0])}: "
        f"first {tick_text(ys[0])}, last {tick_text(ys[-1])}, "
        f"lowest {tick_text(min(ys))}, highest {tick_text(max(ys))}."
    )


def _grid(ticks: Sequence[float]) -> Markup:
    """Lines across, each with its number at its left, in the margin that the stylesheet keeps free."""
    rows = []
    for index, tick in enumerate(ticks):
        y = _down(tick, ticks)
        css = "axis" if index == 0 else "rule"
        rows.append(f'<line class="{css}" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        rows.append(
            f'<text class="tick" x="-8" y="{y + 4:.1f}" text-anchor="end">{escape(tick_text(tick))}</text>'
        )
    return Markup("".join(rows))


def _trace(placed: Sequence[Point]) -> Markup:
    dots = placed if len(placed) <= 24 else placed[-1:]
    path = " ".join(f"{x:.2f},{y:.1f}" for x, y in placed)
    drawn = [
        f'<svg aria-hidden="true" width="100%" height="{_HEIGHT:.0f}" viewBox="0 0 100 {_HEIGHT:.0f}" '
        f'preserveAspectRatio="none" overflow="visible">'
        f'<polyline class="trace" vector-effect="non-scaling-stroke" points="{path}"/></svg>'
    ]
    drawn += [f'<circle class="dot" cx="{x:.2f}%" cy="{y:.1f}" r="3"/>' for x, y in dots]
    return Markup("".join(drawn))


def _x_axis(points: Sequence[Point], x_label: str) -> Markup:
    y = _HEIGHT - 8
    first, last = tick_text(points[0][0]), tick_text(points[-1][0])
    if len(points) == 1:
        text = Markup('<text class="tick" x="50%" y="{}" text-anchor="middle">{} {}</text>')
        return text.format(y, one_line(x_label), first)
    return Markup(
        '<text class="tick" x="0" y="{}">{} {}</text>'
        '<text class="tick" x="100%" y="{}" text-anchor="end">{}</text>'
    ).format(y, one_line(x_label), first, y, last)


_ROW = 46.0


def bar_chart(ident: str, title: str, bars: Sequence[Bar], maximum: float | None = None) -> Markup:
    """Bars over one another, each under its label and its value in words.

    ``maximum`` is the value of a full bar; by default the largest value. A missing value has a
    dashed, empty track. Empty when there are no bars.
    """
    if not bars:
        return Markup("")
    values = [abs(value) for bar in bars if (value := known(bar.value)) is not None]
    full = maximum or max(values, default=0.0)
    words = "; ".join(
        f"{bar.label}: {bar.text if known(bar.value) is not None else NOT_MEASURED}" for bar in bars
    )
    rows = [_bar(bar, index * _ROW, full) for index, bar in enumerate(bars)]
    head = _head(ident, title, words + ".", len(bars) * _ROW, "chart bars")
    return Markup("").join([head, *rows, Markup("</svg>")])


def _bar(bar: Bar, top: float, full: float) -> Markup:
    value = known(bar.value)
    share = min(1.0, max(0.0, value / full)) if value is not None and full > 0 else 0.0
    missing = value is None
    text = NOT_MEASURED if value is None else bar.text
    return Markup(
        '<text class="label" x="0" y="{:.0f}">{}</text>'
        '<text class="value" x="100%" y="{:.0f}" text-anchor="end">{}</text>'
        '<rect class="{}" x="0" y="{:.0f}" width="100%" height="10" rx="2"/>'
        '<rect class="fill {}" x="0" y="{:.0f}" width="{:.2f}%" height="10" rx="2"/>'
    ).format(
        top + 16, wrap(bar.label, 26, 1)[0], top + 16, wrap(text, 18, 1)[0],
        "track missing" if missing else "track", top + 24, bar.style, top + 24, share * 100,
    )  # fmt: skip


def share_bar(share: float | None) -> Markup:
    """A small bar for a table's cell, the whole track being 1; above 1 the track is ``share`` and a mark
    stands at 1. The number beside it says the same, so it is hidden from readers of the screen."""
    value = known(share)
    if value is None or value < 0:
        return Markup("")
    mark = Markup("")
    if value > 1:
        at_one = f"{100 / value:.2f}%"
        mark = Markup('<line class="mark" x1="{}" x2="{}" y1="-2" y2="8"/>').format(at_one, at_one)
    return Markup(
        '<svg class="share" aria-hidden="true" width="100%" height="6">'
        '<rect class="track" width="100%" height="6" rx="2"/>'
        '<rect class="fill accent" width="{:.2f}%" height="6" rx="2"/>{}</svg>'
    ).format(min(1.0, value) * 100, mark)
