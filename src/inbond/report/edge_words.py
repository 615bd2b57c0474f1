"""Words on the edges of a picture: wrapped, and moved apart where they would cover one another. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from markupsafe import Markup

from inbond.report.text import columns, wrap

_COLUMNS, _LINES = 14, 5
_COLUMN, _LINE, _MARGIN = 6.6, 13.0, 26.0
"""Pixels: of a column of type at most, from one line to the next, beside the words."""


@final
@dataclass(frozen=True)
class Words:
    """What stands on an edge: centred at ``x``, with its last line's foot at ``bottom``, in pixels."""

    lines: tuple[str, ...]
    style: str
    x: float
    bottom: float

    @property
    def top(self) -> float:
        return self.bottom - _LINE * len(self.lines)

    @property
    def half(self) -> float:
        """Half of the width that they take."""
        return max(map(columns, self.lines)) * _COLUMN / 2


def wrapped(text: str, style: str, x: float, bottom: float) -> Words:
    """``text`` in a few short lines. ``style`` is a class of the stylesheet."""
    return Words(tuple(wrap(text, _COLUMNS, _LINES)), style, x, bottom)


def width(text: str) -> float:
    """Pixels that have to be free between two layers for these words."""
    return 2 * wrapped(text, "", 0.0, 0.0).half + _MARGIN


def place(said: Sequence[Words]) -> list[Words]:
    """The same words, lower where they would cover others: from top to bottom."""
    placed: list[Words] = []
    for words in sorted(said, key=lambda words: (words.bottom, words.x)):
        beside = [other for other in placed if abs(other.x - words.x) < other.half + words.half]
        for other in sorted(beside, key=lambda other: other.bottom):
            if words.top < other.bottom + 4 and words.bottom > other.top - 4:
                words = replace(words, bottom=other.bottom + 4 + _LINE * len(words.lines))
        placed.append(words)
    return placed


def draw(words: Words) -> Markup:
    """One text element, a line after the other."""
    lines = Markup("").join(
        Markup('<tspan x="{:.1f}" y="{:.1f}">{}</tspan>').format(
            words.x, words.bottom - _LINE * (len(words.lines) - 1 - number), line
        )
        for number, line in enumerate(words.lines)
    )
    return Markup('<text class="on-edge {}" text-anchor="middle">{}</text>').format(words.style, lines)
