"""The site over one workspace: its parts, and what is answered where a page fails.

Every page is made anew from what lies there now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from inbond.errors import InbondError, TamperedError
from inbond.ui.briefings import BriefingPages
from inbond.ui.forensics_pages import ForensicsPages
from inbond.ui.ground import LASTING, Ground, Part, routes_of
from inbond.ui.guard_pages import GuardPages
from inbond.ui.home_pages import HomePages
from inbond.ui.ledger_pages import LedgerPages
from inbond.ui.lineage_pages import LineagePages
from inbond.ui.reading import Unreadable
from inbond.ui.roundtable_pages import RoundtablePages
from inbond.ui.run_pages import RunPages
from inbond.ui.safety import Guarded, Rules
from inbond.ui.terms_pages import TermsPages
from inbond.ui.verify_pages import VerifyPages
from inbond.workspace import Workspace

PARTS: Final[Sequence[Callable[[Ground], Part]]] = (
    HomePages, RunPages, LineagePages, LedgerPages, VerifyPages, TermsPages, GuardPages,
    ForensicsPages, RoundtablePages, BriefingPages,
)  # fmt: skip
"""Each makes its pages; how they stand in the bar at the top is ``pages.PARTS``."""


PATIENCE_S: Final = 0.05
"""So long a page waits for what is read beside it."""


def build(
    workspace: Workspace, rules: Rules, patience_s: float = PATIENCE_S, *, ahead: bool = False
) -> ASGIApp:
    """The site as an ASGI application, behind its rules. ``ahead``: begins at once to read what pages will
    need."""
    ground = Ground.over(workspace, patience_s)
    shared = routes_of(
        ("/static/site.css", lambda _: _style(ground)), ("/static/site.js", lambda _: _script(ground))
    )
    routes = [*shared, *(route for part in PARTS for route in part(ground).routes())]
    if ahead:
        ground.begin()
    return Guarded(Starlette(routes=routes, exception_handlers=_Failures(ground).handlers()), rules)


def _style(ground: Ground) -> Response:
    return Response(ground.pages.style, 200, LASTING, "text/css")


def _script(ground: Ground) -> Response:
    return Response(ground.pages.script, 200, LASTING, "text/javascript")


@final
class _Failures:
    """What is answered instead of a page that cannot be made."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def handlers(self) -> dict[Any, Any]:
        """By the kind of failure."""
        return {
            HTTPException: self._missing, InbondError: self._refused, Unreadable: self._unreadable,
            FileNotFoundError: self._gone, OSError: self._closed, Exception: self._unexpected,
        }  # fmt: skip

    async def _missing(self, _: Request, error: HTTPException) -> Response:
        return self._ground.said(
            error.status_code, "There is no such page", "The address leads nowhere on this site."
        )

    async def _refused(self, _: Request, error: InbondError) -> Response:
        if isinstance(error, TamperedError):
            title, status = "Something in this workspace was changed", 409
        else:
            title, status = "This cannot be shown", 400
        return self._ground.said(status, title, f"Expected {error.expected}; found {error.found}.", error.fix)

    async def _unreadable(self, _: Request, error: Unreadable) -> Response:
        return self._ground.said(404, "This cannot be shown", f"{error}.")

    async def _gone(self, _: Request, __: FileNotFoundError) -> Response:
        words = "What this page is about is not there, or not any more: a run may be at work on it."
        return self._ground.said(404, "Not there", words)

    async def _closed(self, _: Request, error: OSError) -> Response:
        words = f"{error.filename or 'What this page is about'} cannot be read: {error.strerror or error}."
        return self._ground.said(404, "This cannot be shown", words)

    async def _unexpected(self, _: Request, __: Exception) -> Response:
        """The visitor is told that it went wrong; why, the server writes to stderr."""
        words = "An error of Inbond's own: this page could not be made. The other pages go on."
        return self._ground.said(
            500, "Something went wrong", words, "Why stands where inbond ui was started."
        )
