"""Roundtables: their list, and the page that each left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inbond.ui import sessions
from inbond.ui.ground import Ground, kept_page, routes_of
from inbond.ui.reading import Unreadable, legible


@final
class RoundtablePages:
    """The pages of roundtables."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(
            ("/roundtables", self.roundtables),
            ("/roundtables/{name}", self.roundtable),
        )

    def roundtables(self, _: Request) -> Response:
        """The sessions, the newest first."""
        found = sessions.folders(self._ground.workspace)
        shown = [sessions.listed(folder, at) for folder, at in found[: sessions.MOST]]
        return self._ground.page(
            "roundtables.html.j2", "/roundtables", sessions=shown, left_out=len(found) - len(shown)
        )

    def roundtable(self, request: Request) -> Response:
        """The page that a session left, shut in."""
        name = request.path_params["name"]
        found = (folder for folder, _ in sessions.folders(self._ground.workspace))
        folder = next((each for each in found if legible(each.name) == name), None)
        if folder is None:
            raise Unreadable("there is no such roundtable in this workspace")
        return kept_page(folder / sessions.PAGE)
