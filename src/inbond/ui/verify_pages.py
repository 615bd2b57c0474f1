"""Verification in the browser: begun by a person, followed while it runs, ended when the page is left.

With JavaScript its progress comes as server-sent events; without, as a page that grows while it is made.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Final, final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from inbond.ui.ground import Ground, natural, routes_of
from inbond.ui.pages import address
from inbond.ui.reading import Unreadable
from inbond.ui.verifying import Going, Outcome, Verifier

MOST_SHOWN: Final = 500
_LOOK_S: Final = 0.2
_SAY: Final = 5
"""Every so many looks something is said."""
_HERE: Final = "<!-- here -->"
_BUSY: Final = "A verification is under way already; one runs at a time."


@final
class VerifyPages:
    """The pages of verification."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._verifier = Verifier(ground.workspace)

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(("/verify", self.verify), ("/verify/now", self.now), ("/verify/events", self.events))

    def verify(self, request: Request) -> Response:
        """The form, what is under way, and how the last ones ended."""
        wanted, kept = natural(request.query_params.get("result"), 0), self._verifier.kept()
        shown = next((each for each in kept if each.number == wanted), None)
        return self._ground.page(
            "verify.html.j2", "/verify", run=self._run(request), shown=shown, kept=kept,
            going=self._verifier.going(), most=MOST_SHOWN,
        )  # fmt: skip

    async def now(self, request: Request) -> Response:
        """Verifies, and says how far it is in a page that grows. A link on another site begins nothing."""
        run = self._run(request)
        if request.headers.get("sec-fetch-site") == "cross-site":
            return RedirectResponse(address("/verify", run=run), 303)
        if (going := self._begin(request, run)) is None:
            return self._ground.said(409, "Wait a little", _BUSY, "Its page says how far it is.")
        return StreamingResponse(self._grown(going), media_type="text/html")

    async def events(self, request: Request) -> Response:
        """Verifies, and says how far it is as server-sent events: ``step`` and at last ``over``."""
        if (going := self._begin(request, self._run(request))) is None:
            return StreamingResponse(_one("busy", _BUSY), media_type="text/event-stream")
        return StreamingResponse(self._told(going), media_type="text/event-stream")

    def _run(self, request: Request) -> str:
        name: str = request.query_params.get("run", "").strip()[:200].removeprefix("run:")
        if "/" in name or "\\" in name or name in (".", ".."):
            raise Unreadable("there is no such run in this workspace")
        return name

    def _begin(self, request: Request, run: str) -> Going | None:
        return None if request.method == "HEAD" else self._verifier.begin(run)

    def _over(self, going: Going) -> Outcome | None:
        if going.error is not None:
            raise going.error
        if going.outcome is not None:
            self._verifier.keep(going.outcome)
        return going.outcome

    async def _told(self, going: Going) -> AsyncIterator[str]:
        try:
            looks = 0
            while not going.over.is_set():
                if looks % _SAY == 0:
                    step = going.step
                    yield _event("step", {"words": step.words, "done": step.done, "total": step.total})
                looks += 1
                await asyncio.sleep(_LOOK_S)
            outcome = self._over(going)
            yield _event("over", {"result": outcome.number if outcome else 0})
        finally:
            going.leave()

    async def _grown(self, going: Going) -> AsyncIterator[str]:
        fill = self._ground.pages.fill
        before, _, after = fill("verifying.html.j2", "/verify", {"run": going.target}).partition(_HERE)
        try:
            yield before
            looks = 0
            while not going.over.is_set():
                if looks % _SAY == 0:
                    yield fill("verify_step.html.j2", "/verify", {"words": going.step.words})
                looks += 1
                await asyncio.sleep(_LOOK_S)
            outcome = self._over(going)
            yield "</ol>" + fill("verify_end.html.j2", "/verify", {"shown": outcome, "most": MOST_SHOWN})
            yield after
        finally:
            going.leave()


def _event(name: str, value: object) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"


async def _one(name: str, words: str) -> AsyncIterator[str]:
    yield _event(name, {"words": words})
