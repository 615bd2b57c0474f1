"""The ledger: its events, and each of them whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inbond.ui import ledger_view
from inbond.ui.ground import Ground, natural, routes_of
from inbond.ui.reading import Unreadable


@final
class LedgerPages:
    """The pages of the ledger."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(
            ("/ledger", self.ledger),
            ("/ledger/{seq}", self.event),
        )

    def ledger(self, request: Request) -> Response:
        """Events, the newest first."""
        asked = request.query_params
        if not self._ground.workspace.home.is_dir() or ledger_view.size(self._ground.workspace) == 0:
            return self._ground.page("ledger.html.j2", "/ledger", events=None, kind="")
        before = natural(asked.get("before"), 0) or None
        kind = asked.get("kind", "").strip()[:80]
        events = ledger_view.page(self._ground.workspace, before, kind)
        return self._ground.page("ledger.html.j2", "/ledger", events=events, kind=kind)

    def event(self, request: Request) -> Response:
        """One event, whole."""
        seq = natural(request.path_params["seq"], -1)
        if seq < 0:
            raise Unreadable("there is no such event")
        return self._ground.page(
            "event.html.j2", "/ledger", whole=ledger_view.one(self._ground.workspace, seq), seq=seq
        )
