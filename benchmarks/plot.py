"""Lines to a stand-alone SVG file. Pure; both axes linear or logarithmic, a legend of direct labels.

Series differ in dashes as well as in colour, and title and description say in words what is shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from inbond.report.axes import nice_ticks, tick_text

Point = tuple[float, float]
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 760, 420, 70, 46, 54, 210
COLOURS = ("#1b5e86", "#b4471f", "#3d7a36", "#7a3d8f", "#8a6d00", "#555555", "#00767a", "#a3195b")
DASHES = ("", "7 4", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Axis:
    """One axis: its title, and the numbers that stand at it."""

    title: str
    ticks: Sequence[float]
    logarithmic: bool

    @classmethod
    def over(cls, title: str, values: Sequence[float], *, logarithmic: bool = False) -> Axis:
        """Round numbers around ``values``; powers of 2 or 10 on a logarithmic axis."""
        low, high = min(values), max(values)
        if not logarithmic:
            return cls(title, nice_ticks(low, high), False)
        base = 2 if high < 1000 * low else 10
        first, last = math.floor(math.log(low, base) + 1e-9), math.ceil(math.log(high, base) - 1e-9)
        return cls(title, [float(base) ** power for power in range(first, max(last, first + 1) + 1)], True)

    def share(self, value: float) -> float:
        """0 at the first tick, 1 at the last."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.logarithmic:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)


def lines(
    title: str,
    series: Mapping[str, Sequence[Point]],
    x_title: str,
    y_title: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> str:
    """The picture as SVG text. Series without points are left out; at least one must have some."""
    shown = {name: sorted(points) for name, points in series.items() if points}
    assert shown, "nothing to draw"
    xs, ys = zip(*(point for points in shown.values() for point in points), strict=True)
    across, up = Axis.over(x_title, xs, logarithmic=log_x), Axis.over(y_title, ys, logarithmic=log_y)
    words = "; ".join(
        f"{name}: {tick_text(points[0][1])} at {tick_text(points[0][0])}, "
        f"{tick_text(points[-1][1])} at {tick_text(points[-1][0])}"
        for name, points in shown.items()
    )
    right = WIDTH - LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#222">',
        f"<title>{escape(title)}</title><desc>{escape(f'{y_title} over {x_title}. {words}.')}</desc>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<text x="{LEFT}" y="38" fill="#555">{escape(y_title)}</text>',
        f'<text x="{right}" y="{HEIGHT - 12}" text-anchor="end" fill="#555">{escape(x_title)}</text>',
        *_ticks(across, up, right),
    ]
    for index, (name, points) in enumerate(shown.items()):
        placed = [(_x(across, x, right), _y(up, y)) for x, y in points]
        parts.append(_line(index, name, placed, right))
    return "\n".join([*parts, "</svg>\n"])


def _x(axis: Axis, value: float, right: float) -> float:
    return LEFT + axis.share(value) * (right - LEFT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - BOTTOM - TOP)


def _ticks(across: Axis, up: Axis, right: float) -> list[str]:
    rows = [
        f'<line x1="{LEFT}" x2="{right}" y1="{_y(up, tick):.1f}" y2="{_y(up, tick):.1f}" stroke="#ddd"/>'
        f'<text x="{LEFT - 8}" y="{_y(up, tick) + 4:.1f}" text-anchor="end">{tick_text(tick)}</text>'
        for tick in up.ticks
    ]
    columns = [
        f'<text x="{_x(across, tick, right):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
        f"{tick_text(tick)}</text>"
        for tick in across.ticks
    ]
    return rows + columns


def _line(index: int, name: str, placed: Sequence[Point], right: float) -> str:
    colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in placed)
    y = TOP + 10 + index * 18
    stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" fill="none"'
    return (
        f'<polyline points="{path}" {stroke}/>{dots}'
        f'<line x1="{right + 16}" x2="{right + 44}" y1="{y}" y2="{y}" {stroke}/>'
        f'<text x="{right + 50}" y="{y + 4}">{escape(name)}</text>'
    )
