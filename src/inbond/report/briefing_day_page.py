"""The page of a day's briefings. Pure but for reading our own templates: the same day gives the same bytes.

Every text on it is a stranger's or a model's and is escaped by the templates' environment. There is no
script.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from inbond import __version__
from inbond.briefing.day import Day
from inbond.report.blocks import Limits
from inbond.report.page import render
from inbond.report.page_words import Words, language_for, words_in

WORDS: Final = "briefing_day_words.toml"
MOST: Final = 300
"""Entries on one page; what is more is counted."""
_OPEN: Final = 3
"""Of so many entries the key points can be read at once."""
_LIMITS: Final = Limits(text=1_200, sample=0, recipe=0, rows=0, verdicts=0)
_RIGHT_TO_LEFT: Final = ("ar", "fa", "he", "ur")


def render_briefing_day(day: Day, root: str | None) -> str:
    """The page as HTML. ``root`` leads from it to the folder of briefings, ending in "/"; None: the page goes
    elsewhere and links to none of them."""
    words = words_in(WORDS, day.language)
    models = sorted({entry.model for entry in day.entries})
    written = date_words(day.day, words)
    context = {
        "day": day,
        "w": words,
        "lang": language_for(day.language),
        "rtl": day.language in _RIGHT_TO_LEFT,
        "headline": day.title or written,
        "date": written,
        "counted": _counted(day, words),
        "models": models[0] if len(models) == 1 else words("models", count=len(models)),
        "several": len(models) > 1,
        "entries": day.entries[:MOST],
        "left_out": len(day.entries[MOST:]),
        "open": _OPEN,
        "root": root,
    }
    return render("briefing_day.html.j2", context, _LIMITS, __version__, "paper.css", "briefing_day.css")


def date_words(day: str, words: Words) -> str:
    """A day in words, such as Monday, 23 November 2026."""
    found = date.fromisoformat(day)
    return words(
        "date",
        weekday=words("weekdays").split()[found.weekday()],
        month=words("months").split()[found.month - 1],
        day=found.day,
        year=found.year,
    )


def _counted(day: Day, words: Words) -> str:
    events, articles = len(day.entries), day.articles
    first = words("events_one") if events == 1 else words("events", events=f"{events:,}")
    second = words("articles_one") if articles == 1 else words("articles", articles=f"{articles:,}")
    return f"{first}{words('between')}{second}"
