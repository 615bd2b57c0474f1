"""The page of a roundtable's session. Pure but for reading our own templates: the same session gives the same
bytes, by whichever command and on whatever day."""

from __future__ import annotations

from typing import Final

from inbond.report.blocks import Limits, Prepared
from inbond.report.page import render
from inbond.report.roundtable_lines import colour, draw_bar, draw_ways
from inbond.report.roundtable_thinning import Thin, thinned
from inbond.report.roundtable_view import Foreign, View
from inbond.report.roundtable_viewing import view
from inbond.report.text import columns, visible
from inbond.roundtable.session import Session

MOST_BYTES: Final = 200_000
"""In UTF-8, for a table of up to ``_FEW`` seats."""
MOST_BYTES_OF_MANY: Final = 400_000
_FEW: Final = 6
_STEPS: Final[tuple[tuple[int, Thin], ...]] = (
    (12_000, ""), (6_000, ""), (3_000, ""), (1_500, ""), (600, ""), (240, ""),
    (240, "thin_said"), (80, "thin_said"), (80, "thin_claims"), (40, "thin_claims"),
)  # fmt: skip
"""Characters of a text, and what is left out, tried in order until the page is small enough."""
_HEADLINES: Final = ((24, "short"), (60, "middling"), (160, "long"))
_MOST_HEADLINE: Final = 400


def render_roundtable_page(session: Session) -> str:
    """The page as HTML. In UTF-8 under 200 kB for up to six seats, and under 400 kB for more, whatever they
    said: long texts are cut, then parts are left out, and the page says so."""
    shown = view(session)
    most = MOST_BYTES if len(session.seats) <= _FEW else MOST_BYTES_OF_MANY
    for longest, thin in _STEPS:
        page = _render(thinned(shown, thin), longest, thin)
        if len(page.encode()) < most:
            break
    return page


def _render(shown: View, longest: int, thin: Thin) -> str:
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
        "left_out": shown.words(thin) if thin else "",
        "tab": _fit(" ".join(question.split()), 80),
    }
    return render("roundtable.html.j2", context, _LIMITS, shown.version, "paper.css", "roundtable.css")


_LIMITS: Final = Limits(text=600, sample=0, recipe=0, rows=0, verdicts=0)


def _fit(text: str, most: int) -> str:
    """At most ``most`` characters, whatever may steer a browser made visible."""
    shown = visible(text)
    return shown if len(shown) <= most else shown[:most].rstrip() + "…"
