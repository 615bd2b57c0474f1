"""The page of a roundtable's session. Pure but for reading our own templates: the same session gives the same
bytes, by whichever command and on whatever day."""

from __future__ import annotations

from typing import Final

from inbond.report.blocks import Limits, Prepared
from inbond.report.page import render
from inbond.report.roundtable_lines import colour, draw_bar, draw_ways
from inbond.report.roundtable_view import Foreign, View
from inbond.report.roundtable_viewing import view
from inbond.report.text import columns, visible
from inbond.roundtable.session import Session

MOST_BYTES: Final = 200_000
_LONGEST: Final = (12_000, 6_000, 3_000, 1_500, 600, 240, 80)
"""Characters of a text, tried in order until the page is small enough."""
_HEADLINES: Final = ((24, "short"), (60, "middling"), (160, "long"))
_MOST_HEADLINE: Final = 400


def render_roundtable_page(session: Session) -> str:
    """The page as HTML. In UTF-8 under 200 kB with any replies of some dozens of seats: long texts are cut,
    and say so."""
    shown = view(session)
    for longest in _LONGEST:
        page = _render(shown, longest)
        if len(page.encode()) < MOST_BYTES:
            break
    return page


def _render(shown: View, longest: int) -> str:
    question = shown.question.text
    context = {
        "view": shown,
        "w": shown.words,
        "lang": shown.lang,
        "colour": colour,
        "bar": draw_bar,
        "ways": draw_ways(shown.lanes, shown.lanes_said) if shown.after else None,
        "headline": _fit(question, _MOST_HEADLINE),
        "headline_size": next((name for most, name in _HEADLINES if columns(question) <= most), "longest"),
        "cut": lambda text: Prepared(_fit(text, longest)),
        "is_cut": lambda foreign: isinstance(foreign, Foreign) and len(foreign.text) > longest,
        "tab": _fit(" ".join(question.split()), 80),
    }
    return render("roundtable.html.j2", context, _LIMITS, shown.version, "roundtable.css")


_LIMITS: Final = Limits(text=600, sample=0, recipe=0, rows=0, verdicts=0)


def _fit(text: str, most: int) -> str:
    """At most ``most`` characters, whatever may steer a browser made visible."""
    shown = visible(text)
    return shown if len(shown) <= most else shown[:most].rstrip() + "…"
