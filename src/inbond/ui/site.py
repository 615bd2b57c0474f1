"""The site over one workspace: which address shows what. Every page is made anew from what lies there now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from inbond.errors import InbondError, InputError, TamperedError
from inbond.recipes.plan import my_library
from inbond.report import trace_page
from inbond.report.blocks import LIMITS
from inbond.report.trace_view import view as trace_view
from inbond.report.views import curves_of, samples_of
from inbond.ui import ledger_view, lineage, run_view, sessions, terms_view
from inbond.ui.lineage import Descents
from inbond.ui.pages import TONES, Pages
from inbond.ui.reading import Unreadable, read_bytes
from inbond.ui.run_index import STATES, Run, RunIndex, Wanted
from inbond.ui.safety import KEPT, Guarded, Rules
from inbond.workspace import Workspace

_ROWS: Final = 50
_NEWEST: Final = 8
_LARGEST: Final = 2**53


def build(workspace: Workspace, rules: Rules) -> ASGIApp:
    """The site as an ASGI application, behind its rules."""
    return Guarded(_Site(workspace).application(), rules)


@final
class _Site:
    """The pages, and what is kept between them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.pages = Pages(str(workspace.home))
        self.runs = RunIndex(workspace.runs)
        self.descents = Descents(workspace)

    def application(self) -> Starlette:
        """All routes, and what is answered where one of them fails."""
        shown: tuple[tuple[str, Callable[[Request], Response]], ...] = (
            ("/", self.home), ("/runs", self.run_list), ("/runs/{name}", self.run_page),
            ("/runs/{name}/live", self.live), ("/runs/{name}/report", self.report),
            ("/runs/{name}/records", self.records), ("/lineage", self.lineage),
            ("/lineage/bom", self.bom), ("/ledger", self.ledger), ("/ledger/{seq:int}", self.event),
            ("/terms", self.terms), ("/terms/text", self.text), ("/roundtables", self.roundtables),
            ("/roundtables/{name}", self.roundtable), ("/static/site.css", self.style),
            ("/static/site.js", self.script),
        )  # fmt: skip
        routes = [Route(path, page, methods=["GET"]) for path, page in shown]
        errors: dict[Any, Any] = {
            HTTPException: self._missing, InbondError: self._refused, Unreadable: self._unreadable,
            FileNotFoundError: self._gone,
        }  # fmt: skip
        return Starlette(routes=routes, exception_handlers=errors)

    # Home and runs ----------------------------------------------------------------------------------

    def home(self, _: Request) -> Response:
        """What is in this workspace."""
        runs, problems = self.runs.all(), []
        try:
            events, newest = ledger_view.size(self.workspace), ledger_view.newest(self.workspace)
        except InbondError as error:
            events, newest = None, None
            problems.append(f"The ledger cannot be read: {error.found}. {error.fix}.")
        problems += [f"Run {run.name}: {run.problem}." for run in runs if run.problem][:_NEWEST]
        counts = {state: sum(run.state == state for run in runs) for state in STATES}
        held = len(sessions.folders(self.workspace))
        return self._page(
            "home.html.j2", "/", runs=runs[:_NEWEST], total=len(runs), counts=counts, events=events,
            newest=newest, sessions=held, problems=problems, exists=self.workspace.home.is_dir(),
            guard=self.workspace.guard.is_dir(),
        )  # fmt: skip

    def run_list(self, request: Request) -> Response:
        """Runs, the newest first."""
        asked = request.query_params
        wanted = Wanted(asked.get("q", "")[:200], asked.get("state", ""))
        runs = self.runs.all()
        found = wanted.among(runs)
        last = max(1, -(-len(found) // _ROWS))
        number = min(_natural(asked.get("page"), 1), last) or 1
        shown = found[(number - 1) * _ROWS : number * _ROWS]
        return self._page(
            "runs.html.j2", "/runs", runs=shown, found=len(found), total=len(runs), wanted=wanted,
            number=number, last=last, states=STATES,
        )  # fmt: skip

    def run_page(self, request: Request) -> Response:
        """One run."""
        run = self._run(request)
        found = run_view.view(self.workspace.run(run.name))
        return self._page(
            "run.html.j2", "/runs", run=run, view=found, curves=curves_of(found.curve),
            samples=samples_of(found.samples, LIMITS[0]), live=_live(run, found),
        )  # fmt: skip

    def live(self, request: Request) -> Response:
        """How far a run is, for the page's script."""
        run = self._run(request)
        return JSONResponse(_live(run, run_view.view(self.workspace.run(run.name))))

    def report(self, request: Request) -> Response:
        """The page that the run left, shut in: it may come from anybody."""
        run = self._run(request)
        return _kept_page(self.workspace.run(run.name) / run_view.REPORT)

    def records(self, request: Request) -> Response:
        """Some records of a run's."""
        run, folder = self._run(request), self.workspace.run(self._run(request).name)
        asked = request.query_params.get("set", "")
        stages = [stage for stage in run_view.view(folder).stages if stage.is_set]
        stage = next((stage for stage in stages if stage.place == asked), None)
        if stage is None:
            raise Unreadable("no such records in this run; they may have been erased")
        page = run_view.record_page(folder / stage.place, _natural(request.query_params.get("at"), 0))
        return self._page("records.html.j2", "/runs", run=run, stage=stage, stages=stages, page=page)

    def _run(self, request: Request) -> Run:
        found = self.runs.find(request.path_params["name"])
        if found is None:
            raise Unreadable("there is no such run in this workspace")
        return found

    # Lineage ----------------------------------------------------------------------------------------

    def lineage(self, request: Request) -> Response:
        """What a target descends from, and whether from what was asked for."""
        target, asked = (request.query_params.get(name, "").strip()[:2000] for name in ("target", "from"))
        known = self.descents.lineage()
        names = lineage.names(known.graph)
        if not target:
            return self._page("lineages.html.j2", "/lineage", names=names[:500], count=len(names), wrong="")
        try:
            found = known.ask(target, asked or None)
        except InputError as error:
            said = f"Found {error.found}. {error.fix}."
            return self._page(
                "lineages.html.j2", "/lineage", 404, names=names[:500], count=len(names), wrong=said
            )
        node = known.graph.nodes[found.target]
        shown = trace_view(found, node, asked or None)
        context = trace_page.context_of(shown)
        above, below = (step(known.graph, node.id) for step in (lineage.above, lineage.below))
        return self._page(
            "lineage.html.j2", "/lineage", **context, above=above[: lineage.MOST_STEPS],
            below=below[: lineage.MOST_STEPS], names=names[:500], boms=lineage.BOMS, target=node.id,
            more=(max(0, len(above) - lineage.MOST_STEPS), max(0, len(below) - lineage.MOST_STEPS)),
        )  # fmt: skip

    def bom(self, request: Request) -> Response:
        """A bill of materials, to be kept."""
        target = request.query_params.get("target", "")
        form = lineage.form_of(request.query_params.get("form", ""))
        data = self.descents.bom(form, target)
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in target)[:80]
        disposition = f'attachment; filename="{quote(name.strip(".") or "model")}.{form.value}.json"'
        return Response(data, 200, {"content-disposition": disposition}, "application/json")

    # Ledger -----------------------------------------------------------------------------------------

    def ledger(self, request: Request) -> Response:
        """Events, the newest first."""
        asked = request.query_params
        if not self.workspace.home.is_dir() or ledger_view.size(self.workspace) == 0:
            return self._page("ledger.html.j2", "/ledger", events=None, kind="")
        before = _natural(asked.get("before"), 0) or None
        kind = asked.get("kind", "").strip()[:80]
        events = ledger_view.page(self.workspace, before, kind)
        return self._page("ledger.html.j2", "/ledger", events=events, kind=kind)

    def event(self, request: Request) -> Response:
        """One event, whole."""
        seq = request.path_params["seq"]
        if seq > _LARGEST:
            raise Unreadable("there is no such event")
        return self._page("event.html.j2", "/ledger", whole=ledger_view.one(self.workspace, seq), seq=seq)

    # Terms and roundtables --------------------------------------------------------------------------

    def terms(self, request: Request) -> Response:
        """The terms on file, and a plan's verdict where one is asked for."""
        known, query = my_library(), request.query_params
        asked = {name: query.get(name, "") for name in terms_view.FIELDS}
        words, verdict, wrong = query.get("q", "")[:200], None, ""
        if asked["teacher"].strip():
            try:
                verdict = terms_view.judge(asked, self.workspace, known)
            except InbondError as error:
                wrong = f"Expected {error.expected}; found {error.found}. {error.fix}."
        return self._page(
            "terms.html.j2", "/terms", 400 if wrong else 200, texts=terms_view.search(known, words),
            words=words, asked=asked, choices=terms_view.CHOICES, verdict=verdict, wrong=wrong,
        )  # fmt: skip

    def text(self, request: Request) -> Response:
        """One text on file."""
        found = my_library().terms.terms.get(request.query_params.get("id", ""))
        if found is None:
            raise Unreadable("no such terms are on file")
        return self._page("text.html.j2", "/terms", text=found, topics=terms_view.TOPICS)

    def roundtables(self, _: Request) -> Response:
        """The sessions, the newest first."""
        found = sessions.folders(self.workspace)
        shown = [sessions.listed(folder) for folder in found[: sessions.MOST]]
        return self._page(
            "roundtables.html.j2", "/roundtables", sessions=shown, left_out=len(found) - len(shown)
        )

    def roundtable(self, request: Request) -> Response:
        """The page that a session left, shut in."""
        name = request.path_params["name"]
        folder = next((each for each in sessions.folders(self.workspace) if each.name == name), None)
        if folder is None:
            raise Unreadable("there is no such roundtable in this workspace")
        return _kept_page(folder / sessions.PAGE)

    # What is the same for all -----------------------------------------------------------------------

    def style(self, _: Request) -> Response:
        """The stylesheet; its address changes with it."""
        return Response(self.pages.style, 200, _LASTING, "text/css")

    def script(self, _: Request) -> Response:
        """The script; its address changes with it."""
        return Response(self.pages.script, 200, _LASTING, "text/javascript")

    def _page(self, template: str, here: str, status: int = 200, **context: Any) -> Response:
        return HTMLResponse(self.pages.fill(template, here, context), status)

    def _said(self, status: int, title: str, words: str, fix: str = "") -> Response:
        return self._page("said.html.j2", "", status, title=title, words=words, fix=fix)

    async def _missing(self, _: Request, error: HTTPException) -> Response:
        return self._said(
            error.status_code, "There is no such page", "The address leads nowhere on this site."
        )

    async def _refused(self, _: Request, error: InbondError) -> Response:
        if isinstance(error, TamperedError):
            title, status = "Something in this workspace was changed", 409
        else:
            title, status = "This cannot be shown", 400
        return self._said(status, title, f"Expected {error.expected}; found {error.found}.", error.fix)

    async def _unreadable(self, _: Request, error: Unreadable) -> Response:
        return self._said(404, "This cannot be shown", f"{error}.")

    async def _gone(self, _: Request, __: FileNotFoundError) -> Response:
        words = "What this page is about is not there, or not any more: a run may be at work on it."
        return self._said(404, "Not there", words)


_LASTING: Final = {"cache-control": "private, max-age=31536000, immutable"}


def _kept_page(path: Path) -> Response:
    return HTMLResponse(read_bytes(path), 200, {"content-security-policy": KEPT})


def _natural(text: str | None, otherwise: int) -> int:
    """A whole number from an address; what is none counts as not said."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        return otherwise
    return int(text)


def _live(run: Run, found: run_view.RunView) -> dict[str, Any]:
    """How far a run is. ``at`` is when it last said so, in seconds since 1970."""
    told = found.progress if run.state in ("running", "interrupted") else {}

    def number(name: str) -> float:
        value = told.get(name)
        return value if isinstance(value, int | float) else 0

    return {
        "state": run.state, "tone": TONES[run.state], "stage": str(told.get("stage", ""))[:80],
        "done": number("done"), "total": number("total"), "note": str(told.get("note", ""))[:300],
        "at": number("at"), "stopped": bool(told.get("stopped")), "complete": len(found.stages),
    }  # fmt: skip
