"""The first page: what is in this workspace."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, TypeVar, final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inbond.errors import InbondError
from inbond.ui import ledger_view, sessions
from inbond.ui.ground import Ground, routes_of
from inbond.ui.reading import Unreadable
from inbond.ui.run_index import STATES

_NEWEST: Final = 8
_T = TypeVar("_T")


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
        ground, problems = self._ground, list[str]()

        def tried(reader: Callable[[], Sequence[_T]]) -> Sequence[_T]:
            try:
                return reader()
            except (Unreadable, OSError) as error:
                problems.append(f"{error}.")
                return ()

        runs = tried(ground.runs.all)
        held = tried(lambda: sessions.folders(ground.workspace))
        briefings = tried(ground.briefings.all)
        try:
            events, newest = ledger_view.size(ground.workspace), ledger_view.newest(ground.workspace)
        except InbondError as error:
            events, newest = None, None
            problems.append(f"The ledger cannot be read: {error.found}. {error.fix}.")
        problems += [f"Run {run.name}: {run.problem}." for run in runs if run.problem][:_NEWEST]
        counts = {state: sum(run.state == state for run in runs) for state in STATES}
        return ground.page(
            "home.html.j2", "/", runs=runs[:_NEWEST], total=len(runs), counts=counts, events=events,
            newest=newest, sessions=len(held), problems=problems, exists=os.path.isdir(ground.workspace.home),
            briefings=len(briefings), guard=os.path.isdir(ground.workspace.guard),
        )  # fmt: skip
