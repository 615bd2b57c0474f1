"""What all pictures share: numbers that can be drawn, round ticks, the frame, the grid. Pure.

Across, everything is placed in percent of the width; down, in pixels; so that type keeps its size on a
phone without a script.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from inbond.report.text import one_line
from inbond.report.wording import known

HEIGHT, TOP, BOTTOM = 200.0, 10.0, 28.0
_LARGEST = 1e300

Point = tuple[float, float]


def bounded(value: float | None) -> float | None:
    """``value`` if it is known, kept so small that differences are finite."""
    found = known(value)
    return None if found is None else max(-_LARGEST, min(_LARGEST, found))


def finite(points: Sequence[tuple[float, float | None]]) -> list[Point]:
    """The points of which both numbers are known, from left to right."""
    pairs = ((bounded(x), bounded(y)) for x, y in points)
    return sorted((x, y) for x, y in pairs if x is not None and y is not None)


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


def share_of(value: float, ticks: Sequence[float]) -> float:
    """Where ``value`` lies between the first tick (0) and the last (1)."""
    return (value - ticks[0]) / (ticks[-1] - ticks[0])


def down(y: float, ticks: Sequence[float]) -> float:
    """Pixels from the top of a picture of height HEIGHT."""
    return HEIGHT - BOTTOM - share_of(y, ticks) * (HEIGHT - BOTTOM - TOP)


def head(ident: str, title: str, words: str, height: float, css: str) -> Markup:
    """The opening tag with title and description. ``ident`` is unique in the page and not foreign text."""
    return Markup(
        '<svg class="{}" role="img" aria-labelledby="{}-t {}-d" width="100%" height="{:.0f}">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>'
    ).format(css, ident, ident, height, ident, one_line(title), ident, one_line(words))


def grid(ticks: Sequence[float], words: Callable[[float], str] = tick_text) -> Markup:
    """Lines across, each with its number at its left, in the margin that the stylesheet keeps free."""
    rows = []
    for index, tick in enumerate(ticks):
        y = down(tick, ticks)
        css = "axis" if index == 0 else "rule"
        rows.append(f'<line class="{css}" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        rows.append(
            f'<text class="tick" x="-8" y="{y + 4:.1f}" text-anchor="end">{escape(words(tick))}</text>'
        )
    return Markup("".join(rows))
