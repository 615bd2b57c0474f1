"""What the parts of the site stand on: the workspace, the templates, and what is kept between pages.

A part is a class that is made of a Ground and offers ``routes``; ``site.PARTS`` names them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from inbond.ui.briefing_index import BriefingIndex
from inbond.ui.lineage import Descents
from inbond.ui.pages import Pages
from inbond.ui.reading import read_bytes
from inbond.ui.run_index import RunIndex
from inbond.ui.safety import KEPT
from inbond.workspace import Workspace

LASTING: Final = {"cache-control": "private, max-age=31536000, immutable"}
"""For what has an address that changes with it."""


@final
@dataclass(frozen=True)
class Ground:
    """One site's. Safe to use from several threads."""

    workspace: Workspace
    pages: Pages
    runs: RunIndex
    descents: Descents
    patience_s: float
    briefings: BriefingIndex

    @classmethod
    def over(cls, workspace: Workspace, patience_s: float) -> Ground:
        """A fresh one; nothing is read yet. ``patience_s``: how long a page waits for what is read beside."""
        pages, descents = Pages(str(workspace.home)), Descents(workspace, patience_s)
        runs, briefings = RunIndex(workspace.runs), BriefingIndex(workspace.briefings)
        return cls(workspace, pages, runs, descents, patience_s, briefings)

    def begin(self) -> None:
        """Reads ahead what pages will need, in a thread: first the runs, which the first page shows."""
        threading.Thread(target=self._ahead, name="ahead", daemon=True).start()

    def _ahead(self) -> None:
        self.runs.all()
        self.descents.begin()

    def page(self, template: str, here: str, status: int = 200, **context: Any) -> Response:
        """A filled template. ``here`` is the address of the part that it belongs to."""
        return HTMLResponse(self.pages.fill(template, here, context), status)

    def said(self, status: int, title: str, words: str, fix: str = "") -> Response:
        """A page that only says something."""
        return self.page("said.html.j2", "", status, title=title, words=words, fix=fix)


class Part(Protocol):
    """A part of the site."""

    def routes(self) -> Sequence[Route]:
        """Which address shows what. Raises nothing; its pages may raise what ``site.build`` answers."""
        ...


def routes_of(*shown: tuple[str, Callable[[Request], Any]]) -> Sequence[Route]:
    """Routes to pages that are read and nothing else."""
    return [Route(path, page, methods=["GET"]) for path, page in shown]


def kept_page(path: Path) -> Response:
    """A page that lies in the workspace, shut in: it may come from anybody. Raises as ``read_bytes``."""
    return HTMLResponse(read_bytes(path), 200, {"content-security-policy": KEPT})


def natural(text: str | None, otherwise: int) -> int:
    """A whole number from an address; what is none counts as not said."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        return otherwise
    return int(text)
