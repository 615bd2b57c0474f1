"""Evidence over time as inline SVG: powers of ten of e-values by family, beside the threshold. Pure.

A line keeps the height that was recorded until the next was: what nobody recorded is not drawn, above all no
crossing of the threshold. Lines differ in their dashes and not in colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from inbond.report import axes, lines
from inbond.report.axes import HEIGHT, Point
from inbond.report.guard_view import Curve
from inbond.report.lines import Line

_STEPS = 4
_MOST_DOTS = 24


def draw_curve(ident: str, curve: Curve) -> tuple[Markup, list[tuple[str, str]]]:
    """The picture, and its legend as (style, words). ``ident`` is unique in the page and is ours."""
    drawn = lines.lines_of(curve.series)
    ticks = [curve.top * step / _STEPS for step in range(_STEPS + 1)]
    last = max((hour for line in drawn for hour, _ in line.points), default=0.0) or 1.0
    title = f"{curve.title}: powers of ten of e-values, from {curve.began} to {curve.ended}"
    picture = [
        axes.head(ident, title, "; ".join(map(_in_words, drawn)) + ".", HEIGHT, "chart line"),
        axes.grid(ticks, lambda tick: _power(tick, curve)),
        *(_trace(line, last, ticks) for line in drawn),
        _ends(curve),
        Markup("</svg>"),
    ]
    legend = [(str(line.style), said) for line, said in zip(drawn, curve.said, strict=True)]
    return Markup("").join(picture), legend


def _power(tick: float, curve: Curve) -> str:
    past = "≥" if curve.capped and tick == curve.top else ""
    return f"{past}1e{tick:.0f}" if tick else "1"


def _in_words(line: Line) -> str:
    heights = [power for _, power in line.points]
    return f"{line.label}: recorded {len(heights)} times, first 1e{heights[0]:.0f}, last 1e{heights[-1]:.0f}"


def _trace(line: Line, last: float, ticks: Sequence[float]) -> Markup:
    """Steps through the points; a threshold holds before its first too, evidence begins at 1."""
    first = line.points[0][1] if line.style == "before" else 0.0
    steps, height = [(0.0, first)], first
    for hour, power in line.points:
        steps += [(hour, height), (hour, power)]
        height = power
    path = " ".join(f"{x:.2f},{y:.1f}" for x, y in (_place(each, last, ticks) for each in steps))
    dots = line.points if len(line.points) <= _MOST_DOTS else line.points[-1:]
    return Markup("").join(
        [
            Markup(
                '<svg aria-hidden="true" width="100%" height="{:.0f}" viewBox="0 0 100 {:.0f}" '
                'preserveAspectRatio="none" overflow="visible">'
                '<polyline class="trace {}" vector-effect="non-scaling-stroke" points="{}"/></svg>'
            ).format(HEIGHT, HEIGHT, line.style, path),
            *(_dot(line, _place(each, last, ticks)) for each in dots),
        ]
    )


def _place(point: Point, last: float, ticks: Sequence[float]) -> Point:
    return point[0] / last * 100, axes.down(point[1], ticks)


def _dot(line: Line, place: Point) -> Markup:
    text = Markup('<circle class="dot {}" cx="{:.2f}%" cy="{:.1f}" r="3"/>')
    return text.format(line.style, *place)


def _ends(curve: Curve) -> Markup:
    """The dates at the ends of the axis; without their zone on the left, so that both fit on a phone."""
    text = Markup(
        '<text class="tick" x="0" y="{:.0f}">{}</text>'
        '<text class="tick" x="100%" y="{:.0f}" text-anchor="end">{}</text>'
    )
    return text.format(HEIGHT - 8, curve.began.removesuffix(" UTC"), HEIGHT - 8, curve.ended)
