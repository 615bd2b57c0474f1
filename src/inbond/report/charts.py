"""Numbers to inline SVG: bars, intervals, dots. Pure; colours and type come from the page's stylesheet.

Lines are in ``lines``, what all pictures share is in ``axes``. Every picture has role img, a title and a
description that says in words what it shows. Texts are escaped here. Values that are missing or not
finite are left out, never drawn as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from inbond.report import axes
from inbond.report.axes import HEIGHT, bounded, share_of, tick_text
from inbond.report.text import one_line, wrap
from inbond.report.wording import NOT_MEASURED, known


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value or None, the value in words, and a class of the stylesheet."""

    label: str
    value: float | None
    text: str
    style: str = "accent"


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval, the limit it is held against, and the value in words."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    limit: float | None = None
    fails: Literal["below", "above"] = "below"


@dataclass(frozen=True)
class Dot:
    """A place in a plane, with the short text that stands beside it."""

    x: float | None
    y: float | None
    mark: str
    label: str
    strong: bool = False


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
    head = axes.head(ident, title, words + ".", len(bars) * _ROW, "chart bars")
    return Markup("").join([head, *rows, Markup("</svg>")])


def _bar(bar: Bar, top: float, full: float) -> Markup:
    value = known(bar.value)
    share = min(1.0, max(0.0, value / full)) if value is not None and full > 0 else 0.0
    track = Markup(
        '<rect class="{}" x="0" y="{:.0f}" width="100%" height="10" rx="2"/>'
        '<rect class="fill {}" x="0" y="{:.0f}" width="{:.2f}%" height="10" rx="2"/>'
    ).format("track missing" if value is None else "track", top + 24, bar.style, top + 24, share * 100)
    return _labels(bar.label, NOT_MEASURED if value is None else bar.text, top, 26) + track


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


_INTERVAL_FOOT, _LINE = 20.0, 16.0
_ROOM = 0.06
"""Share of the scale that is kept free at both sides, so that a limit never lies on the edge."""


def interval_chart(ident: str, title: str, rows: Sequence[Interval]) -> Markup:
    """Each value as a dot with whiskers, over one scale, a dashed line at each row's limit.

    A row without a value says so and is not drawn; one without an interval is a dot alone. Empty when
    no row has a value.
    """
    numbers = [
        found
        for row in rows
        if known(row.value) is not None
        for each in (row.value, row.low, row.high, row.limit)
        if (found := bounded(each)) is not None
    ]
    if not numbers:
        return Markup("")
    low, high = min(numbers), max(numbers)
    room = (high - low) * _ROOM
    ticks = axes.nice_ticks(max(0.0, low - room) if low >= 0 else low - room, high + room)
    tall = _ROW + _LINE * any(len(_label_lines(row)) > 1 for row in rows)
    height = len(rows) * tall + _INTERVAL_FOOT
    words = "; ".join(_interval_words(row) for row in rows) + "."
    drawn = [_interval(row, index * tall, tall - 14, ticks) for index, row in enumerate(rows)]
    foot = _scale(ticks, height, tick_text)
    return Markup("").join(
        [axes.head(ident, title, words, height, "chart intervals"), *drawn, foot, Markup("</svg>")]
    )


def _interval_words(row: Interval) -> str:
    value, limit = known(row.value), known(row.limit)
    if value is None:
        return f"{row.label}: {NOT_MEASURED}"
    if limit is None:
        return f"{row.label}: {row.text}"
    where = standing(value, known(row.low), known(row.high), limit, row.fails)
    return f"{row.label}: {row.text}, {where} its limit of {tick_text(limit)}"


Standing = Literal["above", "below", "across"]
IntervalTone = Literal["good", "care", "bad"]


def standing(value: float, low: float | None, high: float | None, limit: float, fails: str) -> Standing:
    """Where an interval, or a value without one, lies: ``above``, ``below`` or ``across`` the limit, which
    itself belongs to the good side."""
    first, last = value if low is None else low, value if high is None else high
    if fails == "above":
        return "below" if last <= limit else "above" if first > limit else "across"
    return "above" if first >= limit else "below" if last < limit else "across"


def tone_of(value: float, low: float | None, high: float | None, limit: float, fails: str) -> IntervalTone:
    """``good`` or ``bad`` where the whole interval lies on that side of the limit, else ``care``."""
    where = standing(value, low, high, limit, fails)
    if where == "across":
        return "care"
    return "bad" if (where == "above") == (fails == "above") else "good"


def _label_lines(row: Interval) -> list[str]:
    """A label in at most two lines that leave room for the value beside the first, on a phone too."""
    return wrap(row.label, 24, 2)


def _interval(row: Interval, top: float, deep: float, ticks: Sequence[float]) -> Markup:
    """One row; its whisker is ``deep`` pixels under its ``top``."""
    value, limit, low, high = (bounded(each) for each in (row.value, row.limit, row.low, row.high))
    middle, label = top + deep, _label_lines(row)
    parts = [_labels(label[0], NOT_MEASURED if value is None else row.text, top, 24)]
    if len(label) > 1:
        parts.append(Markup('<text class="label" x="0" y="{:.0f}">{}</text>').format(top + 32, label[1]))
    if value is None:
        return Markup("").join([*parts, _line("track missing", 0, 100, middle)])
    tone: IntervalTone | Literal["plain"] = "plain"
    parts.append(_line("base", 0, 100, middle))
    if limit is not None:
        tone = tone_of(value, low, high, limit, row.fails)
        parts.append(_upright("limit", share_of(limit, ticks) * 100, middle, 12))
    if low is not None and high is not None:
        ends = share_of(low, ticks) * 100, share_of(high, ticks) * 100
        parts.append(_line(f"whisker {tone}", *ends, middle))
        parts += [_upright(f"whisker {tone}", end, middle, 5) for end in ends]
    dot = Markup('<circle class="dot {}" cx="{:.2f}%" cy="{:.0f}" r="5"/>')
    return Markup("").join([*parts, dot.format(tone, share_of(value, ticks) * 100, middle)])


def _labels(label: str, text: str, top: float, width: int) -> Markup:
    """A row's label at the left and its value in words at the right."""
    return Markup(
        '<text class="label" x="0" y="{:.0f}">{}</text>'
        '<text class="value" x="100%" y="{:.0f}" text-anchor="end">{}</text>'
    ).format(top + 16, wrap(label, width, 1)[0], top + 16, wrap(text, 44 - width, 1)[0])


def _line(css: str, start: float, end: float, y: float) -> Markup:
    text = Markup('<line class="{}" x1="{:.2f}%" x2="{:.2f}%" y1="{:.0f}" y2="{:.0f}"/>')
    return text.format(css, start, end, y, y)


def _upright(css: str, x: float, middle: float, reach: float) -> Markup:
    text = Markup('<line class="{}" x1="{:.2f}%" x2="{:.2f}%" y1="{:.0f}" y2="{:.0f}"/>')
    return text.format(css, x, x, middle - reach, middle + reach)


def _scale(ticks: Sequence[float], height: float, words: Callable[[float], str]) -> Markup:
    """The numbers under a picture, the outer ones kept inside it."""
    last = len(ticks) - 1
    anchors = {0: "start", last: "end"}
    return Markup("").join(
        Markup('<text class="tick" x="{:.2f}%" y="{:.0f}" text-anchor="{}">{}</text>').format(
            index / last * 100, height - 4, anchors.get(index, "middle"), words(tick)
        )
        for index, tick in enumerate(ticks)
    )


def dot_chart(
    ident: str, title: str, dots: Sequence[Dot], x_text: Callable[[float], str] = tick_text
) -> Markup:
    """Dots in a plane, each with its mark beside it; ``x_text`` says a number across in words. Empty when
    no dot has both numbers."""
    kept = [
        (x, y, dot) for dot in dots if (x := bounded(dot.x)) is not None and (y := bounded(dot.y)) is not None
    ]
    if not kept:
        return Markup("")
    across = axes.nice_ticks(min(x for x, _, _ in kept), max(x for x, _, _ in kept))
    up = axes.nice_ticks(min(y for _, y, _ in kept), max(y for _, y, _ in kept))
    words = "; ".join(f"{dot.label}: {tick_text(y)} at {x_text(x)}" for x, y, dot in kept) + "."
    placed = [(share_of(x, across) * 100, axes.down(y, up), dot) for x, y, dot in kept]
    drawn = [
        Markup('<circle class="dot {}" cx="{:.2f}%" cy="{:.1f}" r="{}"/>').format(
            "strong" if dot.strong else "quiet", x, y, 6 if dot.strong else 4
        )
        for x, y, dot in placed
    ]
    parts = [axes.grid(up), *drawn, *_marks(placed), _scale(across, HEIGHT - 4, x_text)]
    head = axes.head(ident, title, words, HEIGHT, "chart line")
    return Markup("").join([head, *parts, Markup("</svg>")])


_MARK_HEIGHT, _MARK_WIDTH = 13.0, 6.0


def _marks(placed: Sequence[tuple[float, float, Dot]]) -> list[Markup]:
    """The text beside each dot, moved down where it would cover another: on the side that has room."""
    taken: list[tuple[float, float]] = []
    marks = []
    for x, y, dot in sorted(placed, key=lambda each: each[1]):
        place = y + 4
        for other_x, other_y in taken:
            if abs(other_x - x) < _MARK_WIDTH and abs(other_y - place) < _MARK_HEIGHT:
                place = other_y + _MARK_HEIGHT
        taken.append((x, place))
        left = x > 90
        text = Markup(
            '<text class="mark-text{}" x="{:.2f}%" dx="{}" y="{:.1f}" text-anchor="{}">{}</text>'
        ).format(
            " strong" if dot.strong else "", x, -10 if left else 10, place, "end" if left else "start",
            one_line(wrap(dot.mark, 8, 1)[0]),
        )  # fmt: skip
        marks.append(text)
    return marks
