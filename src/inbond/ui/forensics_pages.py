"""What forensic tests found, as the ledger keeps it: the reports, and the findings of each.

The whole report stays where its maker put it; the ledger has its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inbond.ledger.findings import Report
from inbond.report.forensics_view import OUTCOMES
from inbond.ui.ground import Ground, natural, routes_of
from inbond.ui.lineage import Known, Loading
from inbond.ui.reading import Unreadable

_ROWS: Final = 50


@final
class ForensicsPages:
    """The pages of forensic reports."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(("/forensics", self.reports), ("/forensics/{digest}", self.report))

    def reports(self, request: Request) -> Response:
        """All that the ledger keeps, the newest first."""
        known = self._ground.descents.known()
        if isinstance(known, Loading):
            return self._ground.page("loading.html.j2", "/forensics", 503, seen=known)
        filed = known.lineage.filed
        last = max(1, -(-len(filed.reports) // _ROWS))
        number = min(natural(request.query_params.get("page"), 1), last) or 1
        newest = filed.reports[::-1][(number - 1) * _ROWS : number * _ROWS]
        return self._ground.page(
            "forensics_list.html.j2", "/forensics", reports=[(each, _outcome(each)) for each in newest],
            count=len(filed.reports), number=number, last=last, unread=filed.unread, outcomes=OUTCOMES,
            behind=known.behind,
        )  # fmt: skip

    def report(self, request: Request) -> Response:
        """One report's findings."""
        known = self._ground.descents.known()
        if isinstance(known, Loading):
            return self._ground.page("loading.html.j2", "/forensics", 503, seen=known)
        wanted = request.path_params["digest"]
        found = next((each for each in known.lineage.filed.reports if each.digest == wanted), None)
        if found is None:
            raise Unreadable("the ledger keeps no such report")
        return self._ground.page(
            "forensics_one.html.j2", "/forensics", report=found, outcomes=OUTCOMES, outcome=_outcome(found),
            node=_node(known, found),
        )  # fmt: skip


def _outcome(report: Report) -> str:
    """The strongest of its findings."""
    said = {each.outcome for each in report.findings}
    return next((each for each in ("consistent-with", "no-evidence") if each in said), "cannot-tell")


def _node(known: Known, report: Report) -> str | None:
    """What the lineage calls its suspect, if it knows it."""
    found = known.lineage.graph.find(report.suspect)
    return None if found is None else found.id
