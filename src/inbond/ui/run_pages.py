"""Runs: their list, and of each how it stands, what it made and the page that it left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inbond.errors import InbondError
from inbond.report.blocks import LIMITS
from inbond.report.views import curves_of, samples_of
from inbond.ui import run_view, verdict_view
from inbond.ui.ground import Ground, kept_page, natural, routes_of
from inbond.ui.pages import TONES
from inbond.ui.reading import Unreadable, legible, number, text
from inbond.ui.run_index import STATES, Run, Wanted
from inbond.ui.verdict_view import VerdictShown

_ROWS: Final = 50


@final
class RunPages:
    """The pages of runs."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(
            ("/runs", self.run_list),
            ("/runs/{name}", self.run_page),
            ("/runs/{name}/live", self.live),
            ("/runs/{name}/report", self.report),
            ("/runs/{name}/records", self.records),
        )

    def run_list(self, request: Request) -> Response:
        """Runs, the newest first."""
        asked = request.query_params
        wanted = Wanted(asked.get("q", "")[:200], asked.get("state", ""))
        runs = self._ground.runs.all()
        found = wanted.among(runs)
        last = max(1, -(-len(found) // _ROWS))
        number = min(natural(asked.get("page"), 1), last) or 1
        shown = found[(number - 1) * _ROWS : number * _ROWS]
        return self._ground.page(
            "runs.html.j2", "/runs", runs=shown, found=len(found), total=len(runs), wanted=wanted,
            number=number, last=last, states=STATES,
        )  # fmt: skip

    def run_page(self, request: Request) -> Response:
        """One run."""
        run = self._run(request)
        found = run_view.view(self._ground.workspace.run(run.name))
        verdict, waits = self._verdict(run)
        return self._ground.page(
            "run.html.j2", "/runs", run=run, view=found, curves=curves_of(found.curve),
            samples=samples_of(found.samples, LIMITS[0]), live=_live(run, found),
            verdict=verdict, verdict_waits=waits,
        )  # fmt: skip

    def _verdict(self, run: Run) -> tuple[VerdictShown | None, bool]:
        """What the gate said of its plan; True where it is not known yet. A page about a run stands without
        a ledger that can be read."""
        try:
            told = self._ground.descents.told()
        except InbondError:
            return None, False
        if told is None:
            return None, True
        body = told.decided.get(run.name, {})
        return verdict_view.of(body.get("verdict"), body.get("question"), body.get("plan")), False

    def live(self, request: Request) -> Response:
        """How far a run is, for the page's script."""
        run = self._run(request)
        return JSONResponse(_live(run, run_view.view(self._ground.workspace.run(run.name))))

    def report(self, request: Request) -> Response:
        """The page that the run left, shut in: it may come from anybody."""
        run = self._run(request)
        return kept_page(self._ground.workspace.run(run.name) / run_view.REPORT)

    def records(self, request: Request) -> Response:
        """Some records of a run's."""
        run, folder = self._run(request), self._ground.workspace.run(self._run(request).name)
        asked = request.query_params.get("set", "")
        stages = [stage for stage in run_view.view(folder).stages if stage.is_set]
        stage = next((stage for stage in stages if legible(stage.place) == asked), None)
        if stage is None:
            raise Unreadable("no such records in this run; they may have been erased")
        page = run_view.record_page(folder / stage.place, natural(request.query_params.get("at"), 0))
        return self._ground.page("records.html.j2", "/runs", run=run, stage=stage, stages=stages, page=page)

    def _run(self, request: Request) -> Run:
        found = self._ground.runs.find(request.path_params["name"])
        if found is None:
            raise Unreadable("there is no such run in this workspace")
        return found


def _live(run: Run, found: run_view.RunView) -> dict[str, Any]:
    """How far a run is. ``at`` is when it last said so, in seconds since 1970."""
    told = found.progress if run.state in ("running", "interrupted") else {}
    done, total = (int(number(told.get(name)) or 0) for name in ("done", "total"))
    return {
        "state": run.state, "tone": TONES[run.state], "stage": text(told.get("stage"))[:80], "done": done,
        "total": total, "note": text(told.get("note"))[:300], "at": number(told.get("at")) or 0,
        "stopped": bool(told.get("stopped")), "complete": len(found.stages),
    }  # fmt: skip
