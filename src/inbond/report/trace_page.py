"""The lineage page and its picture alone, from a trace's view. Pure but for reading our own templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from inbond.ledger.answer import WORDS
from inbond.ledger.beside import APART
from inbond.report import lineage as drawing
from inbond.report.blocks import LIMITS
from inbond.report.lineage import MOST_NODES
from inbond.report.page import MOST_BYTES, picture_style, render
from inbond.report.text import clip, one_line
from inbond.report.trace_view import OUTCOMES, Entry, Tested, View

_MOST_LINES = 150
_HEAD = '<svg class="lineage'


def render_trace_page(view: View, version: str) -> str:
    """The page as HTML, in UTF-8 always under 400 kB: long texts are cut, and say so."""
    for number, limits in enumerate(LIMITS):
        page = render("trace.html.j2", context_of(view, number), limits, version)
        if len(page.encode()) < MOST_BYTES:
            break
    return page


def context_of(view: View, number: int = 0) -> dict[str, Any]:
    """All that trace.html.j2 asks for; ``number`` says which of the LIMITS the page is cut to."""
    tone, words = OUTCOMES[view.outcome]
    lines, limits = drawing.as_text(view.lineage), LIMITS[number]
    wide = drawing.draw_wide(view.lineage, "wide", _title(view) + ", left to right")
    column = drawing.draw_column(view.lineage, "column", _title(view) + ", top to bottom")
    entries = _first(view.entries, max(limits.rows, MOST_NODES) if number else len(view.entries))
    return {
        "view": view,
        "tone": tone,
        "receipts": any(edge.evidence == "receipt" for edge in view.lineage.edges),
        "words": words,
        "wide": wide,
        "column": column,
        "sheets": drawing.draw_sheets(view.lineage, "column"),
        "room": _room(drawing.width_of_wide(wide)),
        "sideways": _sideways(drawing.width_of_wide(wide)),
        "words_used": WORDS,
        "apart": APART,
        "tested": _few(view, limits.rows if number else len(view.tested)),
        "lines": lines[:_MOST_LINES],
        "lines_left_out": max(0, len(lines) - _MOST_LINES),
        "entries": entries,
        "entries_left_out": view.entries_left_out + len(view.entries) - len(entries),
    }


def _room(width: int) -> str:
    """From which width of the window on the wide picture is shown, as a class of the stylesheet: its words
    never shrink, and most of it is to be seen without scrolling."""
    needed = 0.8 * width + 64
    return "" if needed <= 960 else "from-68" if needed <= 1088 else "from-78"


def _sideways(width: int) -> str:
    """Up to which width of the window the wide picture scrolls, as a class of the stylesheet."""
    return next((f"until-{rem}" for rem in (60, 72, 78, 84, 96) if width + 64 <= rem * 16), "always")


def _few(view: View, most: int) -> tuple[Sequence[Tested], int]:
    """Findings, and how many are left out."""
    return view.tested[:most], view.tested_left_out + max(0, len(view.tested) - most)


def _first(entries: Sequence[Entry], most: int) -> list[Entry]:
    """At most ``most`` entries in their order, those that the picture leads to among them."""
    kept = {entry.anchor for entry in sorted(entries, key=lambda entry: not entry.drawn)[:most]}
    return [entry for entry in entries if entry.anchor in kept]


def render_trace_svg(view: View) -> str:
    """The wide picture as a file of its own: its style is in it, links lead nowhere and are left out."""
    alone = drawing.without_links(view.lineage)
    svg = str(drawing.draw_wide(alone, "lineage", f"{_title(view)}. {one_line(clip(view.sentence, 400))}"))
    assert svg.startswith(_HEAD), "the target is always drawn"
    head, _, rest = svg.partition(">")
    style = Markup("<style>{}</style>").format(Markup(picture_style()))
    ground = '<rect class="canvas" x="-4" y="-2000" width="100%" height="10000"/>'
    opening = head.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return f"{opening}>{style}{ground}{rest}\n"


def _title(view: View) -> str:
    return f"Lineage of {one_line(clip(view.target, 200))}"
