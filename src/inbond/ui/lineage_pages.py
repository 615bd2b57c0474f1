"""Lineage: what a target descends from, and its bills of materials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inbond.errors import InputError
from inbond.report import trace_page
from inbond.report.trace_view import view as trace_view
from inbond.ui import lineage
from inbond.ui.ground import Ground, routes_of
from inbond.ui.lineage import Loading


@final
class LineagePages:
    """The pages of lineage."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(
            ("/lineage", self.lineage),
            ("/lineage/bom", self.bom),
        )

    def lineage(self, request: Request) -> Response:
        """What a target descends from, and whether from what was asked for."""
        target, asked = (request.query_params.get(name, "").strip()[:2000] for name in ("target", "from"))
        known = self._ground.descents.known()
        if isinstance(known, Loading):
            return self._loading(known)
        graph, names = known.lineage.graph, known.names
        if not target:
            return self._ground.page(
                "lineages.html.j2",
                "/lineage",
                names=names[:500],
                count=len(names),
                behind=known.behind,
                wrong="",
            )
        try:
            found = known.lineage.ask(target, asked or None)
        except InputError as error:
            said = f"Found {error.found}. {error.fix}."
            return self._ground.page(
                "lineages.html.j2",
                "/lineage",
                404,
                names=names[:500],
                count=len(names),
                behind=known.behind,
                wrong=said,
            )
        node = graph.nodes[found.target]
        shown = trace_view(found, node, asked or None)
        context = trace_page.context_of(shown)
        above, below = (step(graph, node.id) for step in (lineage.above, lineage.below))
        return self._ground.page(
            "lineage.html.j2", "/lineage", **context, above=above[: lineage.MOST_STEPS],
            below=below[: lineage.MOST_STEPS], names=names[:500], boms=lineage.BOMS, target=node.id,
            behind=known.behind,
            more=(max(0, len(above) - lineage.MOST_STEPS), max(0, len(below) - lineage.MOST_STEPS)),
        )  # fmt: skip

    def bom(self, request: Request) -> Response:
        """A bill of materials, to be kept."""
        target = request.query_params.get("target", "")
        form = lineage.form_of(request.query_params.get("form", ""))
        try:
            data = self._ground.descents.bom(form, target)
        except InputError as error:
            words = f"Expected {error.expected}; found {error.found}."
            return self._ground.said(404, "There is no such bill of materials", words, f"{error.fix}.")
        if isinstance(data, Loading):
            return self._loading(data)
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in target)[:80]
        disposition = f'attachment; filename="{quote(name.strip(".") or "model")}.{form.value}.json"'
        return Response(data, 200, {"content-disposition": disposition}, "application/json")

    def _loading(self, seen: Loading) -> Response:
        """A page that says how far the reading is, and asks again by itself."""
        return self._ground.page("loading.html.j2", "/lineage", 503, seen=seen)
