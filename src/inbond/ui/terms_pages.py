"""Terms: the texts on file, and a plan's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inbond.errors import InbondError
from inbond.recipes.behind import Here
from inbond.recipes.plan import my_library
from inbond.ui import terms_view, verdict_view
from inbond.ui.ground import Ground, routes_of
from inbond.ui.lineage import Loading
from inbond.ui.reading import Unreadable


@final
class TermsPages:
    """The pages of terms."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(
            ("/terms", self.terms),
            ("/terms/text", self.text),
        )

    def terms(self, request: Request) -> Response:
        """The terms on file, and a plan's verdict where one is asked for."""
        known, query = my_library(), request.query_params
        asked = {name: query.get(name, "") for name in terms_view.FIELDS}
        words, verdict, wrong = query.get("q", "")[:200], None, ""
        if asked["teacher"].strip():
            try:
                read = self._ground.descents.known()
                if isinstance(read, Loading):
                    return self._ground.page("loading.html.j2", "/terms", 503, seen=read)
                here = Here(read.told, read.lineage.graph)
                verdict = verdict_view.of(terms_view.judge(asked, self._ground.workspace, known, here))
            except InbondError as error:
                wrong = f"Expected {error.expected}; found {error.found}. {error.fix}."
        return self._ground.page(
            "terms.html.j2", "/terms", 400 if wrong else 200, texts=terms_view.search(known, words),
            words=words, asked=asked, choices=terms_view.CHOICES, verdict=verdict, wrong=wrong,
        )  # fmt: skip

    def text(self, request: Request) -> Response:
        """One text on file."""
        found = my_library().terms.terms.get(request.query_params.get("id", ""))
        if found is None:
            raise Unreadable("no such terms are on file")
        return self._ground.page("text.html.j2", "/terms", text=found, topics=terms_view.TOPICS)
