"""The first page: what is in this workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inbond.errors import InbondError
from inbond.ui import ledger_view, sessions
from inbond.ui.ground import Ground, routes_of
from inbond.ui.run_index import STATES

_NEWEST: Final = 8


@final
class HomePages:
    """The home page."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(
            ("/", self.home),
        )

    def home(self, _: Request) -> Response:
        """What is in this workspace."""
        runs, problems = self._ground.runs.all(), []
        try:
            events, newest = (
                ledger_view.size(self._ground.workspace),
                ledger_view.newest(self._ground.workspace),
            )
        except InbondError as error:
            events, newest = None, None
            problems.append(f"The ledger cannot be read: {error.found}. {error.fix}.")
        problems += [f"Run {run.name}: {run.problem}." for run in runs if run.problem][:_NEWEST]
        counts = {state: sum(run.state == state for run in runs) for state in STATES}
        held = len(sessions.folders(self._ground.workspace))
        return self._ground.page(
            "home.html.j2", "/", runs=runs[:_NEWEST], total=len(runs), counts=counts, events=events,
            newest=newest, sessions=held, problems=problems, exists=self._ground.workspace.home.is_dir(),
            briefings=len(self._ground.briefings.all()), guard=self._ground.workspace.guard.is_dir(),
        )  # fmt: skip
