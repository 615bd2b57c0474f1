"""Pictures of a roundtable as inline SVG: the seats' ways from the first vote to the final one, and the bar
of an option's votes. Pure.

The ways stand between two lists whose rows are as high as the picture's: it stretches across as it must, and
the type, being the lists', keeps its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from inbond.report.roundtable_view import Choice, Lane, Row

ROW_REM: Final = 2.25
_UNIT: Final = 20
_COLOURS: Final = 6


def colour(choice: Choice) -> str:
    """The class that gives an option its colour; past six they begin again, and labels alone tell."""
    return f"o{(choice.slot - 1) % _COLOURS + 1}" if choice.slot else "o0"


def draw_ways(lanes: Sequence[Lane], title: str) -> Markup:
    """A curve for each seat; the seats that changed are drawn last, and thick."""
    rows = max(max(lane.first_place, lane.second_place) for lane in lanes) + 1
    told = "; ".join(
        f"{lane.name}: {lane.first.label.text} → {lane.second.label.text}"
        for lane in lanes
        if lane.changed or lane.lost
    )
    drawn = Markup("").join(_way(lane) for lane in sorted(lanes, key=lambda lane: lane.changed))
    return Markup(
        '<svg class="ways" role="img" aria-label="{}" height="{}rem" viewBox="0 0 100 {}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(f"{title} {told}".strip(), f"{rows * ROW_REM:g}", rows * _UNIT, drawn)


def _way(lane: Lane) -> Markup:
    top, end = (place * _UNIT + _UNIT / 2 for place in (lane.first_place, lane.second_place))
    style = " ".join(
        each
        for each, holds in (
            (colour(lane.second), True),
            ("moved", lane.changed),
            ("lost", not lane.second.slot),
        )
        if holds
    )
    path = f"M2 {top:g}C50 {top:g} 50 {end:g} 98 {end:g}"
    return Markup('<path class="way {}" d="{}"/>').format(style, path)


def draw_bar(row: Row, seated: int) -> Markup:
    """An option's final votes of all that were seated, and a tick where its first votes were."""
    final, first = (100 * count / seated if seated else 0.0 for count in (row.final, row.first))
    return Markup(
        '<svg class="votes {}" width="100%" height="14" aria-hidden="true"><rect class="track" width="100%" '
        'height="10" y="2"/><rect class="vote" width="{}%" height="10" y="2"/>{}</svg>'
    ).format(escape(colour(row.choice)), f"{final:.2f}", _tick(first) if first else "")


def _tick(at: float) -> Markup:
    return Markup('<line class="was" x1="{0}%" x2="{0}%" y1="0" y2="14"/>').format(f"{at:.2f}")
