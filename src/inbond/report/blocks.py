"""The building blocks of a page as values: tables, tiles, passages, and how much of them is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class Prepared(str):
    """Text that is visible and cut already, so that the page's general limit does not apply."""

    __slots__ = ()


@dataclass(frozen=True)
class Limits:
    """The most characters of a text, of a sample, of the recipe; the most rows of a table, verdicts."""

    text: int
    sample: int
    recipe: int
    rows: int
    verdicts: int


LIMITS = (
    Limits(text=1200, sample=2400, recipe=24_000, rows=80, verdicts=20),
    Limits(text=400, sample=800, recipe=8_000, rows=30, verdicts=10),
    Limits(text=120, sample=240, recipe=2_000, rows=8, verdicts=4),
)
"""Tried in order until the page is small enough. No real run needs the second."""


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers stand at the right."""

    label: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first cell names its row. ``folds``: becomes blocks on a phone."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]
    left_out: int = 0
    folds: bool = False


@dataclass(frozen=True)
class Tile:
    """One big number. ``value`` is "" when it was not measured; then ``note`` says so."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Passage:
    """A foreign text with its language, or what to say when it is empty."""

    text: Prepared
    lang: str
    instead: str = ""


def table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[tuple[object, ...]],
    most: int,
    *,
    folds: bool = False,
) -> Table:
    """A table of at most ``most`` rows. A column whose label begins with ``#`` holds numbers."""
    heads = tuple(Column(label.lstrip("#"), label.startswith("#")) for label in columns)
    return Table(caption, heads, tuple(rows[:most]), max(0, len(rows) - most), folds)
