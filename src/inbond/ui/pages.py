"""Fills the site's templates: those of ``ui/templates`` on the report's ground."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files
from typing import Any, Final, final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader

from inbond import __version__
from inbond.digest import of_bytes
from inbond.report import wording
from inbond.report.blocks import LIMITS, Prepared
from inbond.report.page import environment, page_style
from inbond.report.text import clip, visible
from inbond.ui.reading import legible

_LONG: Final = 200_000
PARTS: Final = (
    ("/", "Home"), ("/runs", "Runs"), ("/lineage", "Lineage"), ("/ledger", "Ledger"), ("/verify", "Verify"),
    ("/terms", "Terms"), ("/guard", "Guard"), ("/forensics", "Forensics"), ("/roundtables", "Roundtables"),
    ("/briefings", "Briefings"),
)  # fmt: skip

ABOUT: Final[Mapping[str, str]] = {
    "/runs": "Distillations: how far each is, what it made, how good that is, and whether it may be made.",
    "/lineage": "What a model descends from and by how much; whether it is distilled from another.",
    "/ledger": "Every step that was signed, one after the other.",
    "/verify": "Whether everything still is what was signed.",
    "/terms": "Licences and terms as we read them; try a plan before you run it.",
    "/guard": "Who asks a model that you serve as if to distil it, on what evidence, and what was decided.",
    "/forensics": "What tests found of suspect models.",
    "/roundtables": "Models that answered, criticised and voted together.",
    "/briefings": "Articles, summed up and translated, with every claim tied to its words.",
}


@final
@dataclass(frozen=True)
class Pages:
    """The templates of one site over the workspace named ``home``."""

    home: str

    @cached_property
    def style(self) -> str:
        """The stylesheet of all pages."""
        return page_style() + _own("site.css")

    @cached_property
    def script(self) -> str:
        """The one script, of our own."""
        return _own("site.js")

    @cached_property
    def _mark(self) -> str:
        """Changes with the stylesheet or the script, so that a browser may keep both."""
        return of_bytes((self.style + self.script).encode())[7:19]

    @cached_property
    def _environment(self) -> Environment:
        made = environment(LIMITS[0], PackageLoader("inbond.ui", "templates"))
        made.globals |= {
            "version": __version__, "site_parts": PARTS, "about_parts": ABOUT, "home": self.home,
            "mark": self._mark,
            "layout": "site.html.j2", "address": address, "ago": ago, "moment": moment, "wording": wording,
            "TONES": TONES, "prepared": lambda text: Prepared(visible(clip(text, _LONG))),
        }  # fmt: skip
        made.filters["urlencode"] = lambda text: quote(legible(text))
        return made

    def fill(self, template: str, here: str, context: Mapping[str, Any]) -> str:
        """A page as HTML. ``here`` is the part of the site that it belongs to."""
        return self._environment.get_template(template).render(here=here, **context)


TONES: Final[Mapping[str, str]] = {
    "running": "plain", "interrupted": "care", "done": "good", "stopped": "bad", "unreadable": "bad",
    "pass": "good", "fail": "bad", "cannot-tell": "care",
}  # fmt: skip


def _own(name: str) -> str:
    return (files("inbond.ui") / "static" / name).read_text("utf-8")


def address(path: str, **asked: object) -> str:
    """A path of this site with what is asked of it; what is None or "" is left out."""
    kept = {name: legible(str(value)) for name, value in asked.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


def moment(at: float) -> str:
    """Seconds since 1970 as UTC, to the minute; some file systems keep times that no calendar has."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "unknown"


def ago(at: float) -> str:
    """How long ago that was, in words."""
    seconds = max(0.0, time.time() - at)
    for limit, unit, name in ((90, 1, "second"), (5400, 60, "minute"), (129_600, 3600, "hour")):
        if seconds < limit:
            return f"{wording.plural(round(seconds / unit), name)} ago"
    return f"{wording.plural(round(seconds / 86_400), 'day')} ago"
