"""Learning curves to inline SVG: one or several lines over the same steps. Pure.

Lines are drawn in a nested ``svg`` that is stretched across only. Lines differ in their dashes and not
in colour alone; the legend that ``legend`` makes is text beside the picture, so that it can wrap on a
phone. Values that are missing or not finite are left out, never drawn as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from inbond.report import axes
from inbond.report.axes import HEIGHT, Point, tick_text
from inbond.report.data import Series, SeriesStyle
from inbond.report.text import clip, one_line, wrap
from inbond.report.wording import NOT_MEASURED, figure

_MAX_POINTS = 240
_MOST_DOTS = 24
STYLES: tuple[SeriesStyle, ...] = ("held-out", "train", "outside", "teacher", "before", "after")
MOST_LINES = len(STYLES)


@dataclass(frozen=True)
class Line:
    """One line as it is drawn; ``style`` is a class of the stylesheet that no other line has."""

    label: str
    style: SeriesStyle
    points: list[Point]


def lines_of(series: Sequence[Series]) -> list[Line]:
    """At most MOST_LINES lines; a style that is taken or unknown is replaced by one that is free."""
    shown = series[:MOST_LINES]
    given: dict[int, SeriesStyle] = {}
    for index, each in enumerate(shown):
        if each.style in STYLES and each.style not in given.values():
            given[index] = each.style
    free = (style for style in STYLES if style not in set(given.values()))
    most = _MAX_POINTS // max(1, len(shown))
    return [
        Line(
            one_line(clip(each.label, 60)),
            given[index] if index in given else next(free),
            axes.thin(axes.finite(each.points), most),
        )
        for index, each in enumerate(shown)
    ]


def legend(lines: Sequence[Line]) -> list[tuple[str, str]]:
    """(style, words) of each line: its label and where it ends."""
    return [
        (
            line.style,
            f"{line.label}: {figure(line.points[-1][1]) if line.points else NOT_MEASURED}",
        )
        for line in lines
    ]


def line_chart(ident: str, title: str, lines: Sequence[Line], x_label: str) -> Markup:
    """The lines over ``x_label``, a dot where there is one point. Empty when no point is finite.

    ``ident`` must be unique in the page and is ours, not foreign text.
    """
    drawn = [line for line in lines if line.points]
    if not drawn:
        return Markup("")
    xs = [x for line in drawn for x, _ in line.points]
    ys = [y for line in drawn for _, y in line.points]
    span, ticks = (min(xs), max(xs)), axes.nice_ticks(min(ys), max(ys))
    alone = len(lines) == 1
    words = " ".join(("" if alone else f"{line.label}: ") + _in_words(line.points, x_label) for line in drawn)
    return Markup("").join(
        [
            axes.head(ident, title, words, HEIGHT, "chart line"),
            axes.grid(ticks),
            *(_trace(line, span, ticks) for line in drawn),
            _x_axis(span, x_label),
            Markup("</svg>"),
        ]
    )


def _in_words(points: Sequence[Point], x_label: str) -> str:
    ys = [y for _, y in points]
    if len(points) == 1:
        return f"One point: {tick_text(ys[0])} at {x_label} {tick_text(points[0][0])}."
    return (
        f"{len(points)} points over {x_label} {tick_text(points[0][0])} to {tick_text(points[-1][0])}: "
        f"first {tick_text(ys[0])}, last {tick_text(ys[-1])}, "
        f"lowest {tick_text(min(ys))}, highest {tick_text(max(ys))}."
    )


def _trace(line: Line, span: tuple[float, float], ticks: Sequence[float]) -> Markup:
    low, high = span

    def across(x: float) -> float:
        return (x - low) / (high - low) * 100 if high > low else 50.0

    placed = [(across(x), axes.down(y, ticks)) for x, y in line.points]
    dots = placed if len(placed) <= _MOST_DOTS else placed[-1:]
    path = " ".join(f"{x:.2f},{y:.1f}" for x, y in placed)
    drawn = [
        f'<svg aria-hidden="true" width="100%" height="{HEIGHT:.0f}" viewBox="0 0 100 {HEIGHT:.0f}" '
        f'preserveAspectRatio="none" overflow="visible">'
        f'<polyline class="trace {line.style}" vector-effect="non-scaling-stroke" points="{path}"/></svg>'
    ]
    drawn += [f'<circle class="dot {line.style}" cx="{x:.2f}%" cy="{y:.1f}" r="3"/>' for x, y in dots]
    return Markup("".join(drawn))


def _x_axis(span: tuple[float, float], x_label: str) -> Markup:
    y, name = HEIGHT - 8, wrap(x_label, 24, 1)[0]
    first, last = map(tick_text, span)
    if span[0] == span[1]:
        text = Markup('<text class="tick" x="50%" y="{}" text-anchor="middle">{} {}</text>')
        return text.format(y, name, first)
    return Markup(
        '<text class="tick" x="0" y="{}">{} {}</text>'
        '<text class="tick" x="100%" y="{}" text-anchor="end">{}</text>'
    ).format(y, name, first, y, last)
