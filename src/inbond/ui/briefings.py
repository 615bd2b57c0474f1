"""Briefings: their list, the page of each, and the pages and feeds of days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from inbond.briefing import day_shelf
from inbond.briefing.briefing import ID
from inbond.briefing.shelf import PAGE
from inbond.ui.briefing_index import Sought, read
from inbond.ui.ground import Ground, natural, routes_of
from inbond.ui.reading import Unreadable, read_bytes
from inbond.ui.safety import KEPT

HERE: Final = "/briefings"
LINKED: Final = KEPT.replace("sandbox;", "sandbox allow-same-origin;")
"""As other kept pages, shut in without scripts and forms; but a link from one to the next is this site's own,
so that the visitor's cookie goes with it."""
_ROWS: Final = 30
_DAYS: Final = 14
_TAGS: Final = 30


@final
class BriefingPages:
    """The pages of briefings."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(
            (HERE, self.briefings),
            (HERE + "/days/{name}", self.to_day),
            (HERE + "/days/{name}/index.html", self.day),
            (HERE + "/days/{name}/feed.xml", self.feed),
            (HERE + "/{name}", self.to_briefing),
            (HERE + "/{name}/index.html", self.briefing),
        )

    def briefings(self, request: Request) -> Response:
        """The briefings, the newest first, by words, tag and day."""
        asked = request.query_params
        sought = Sought(asked.get("q", "")[:200], asked.get("tag", "")[:200], asked.get("day", "")[:10])
        every = self._ground.briefings.all()
        rows = [row for row in every if not row.problem]
        found = sought.among(rows)
        last = max(1, -(-len(found) // _ROWS))
        number = min(natural(asked.get("page"), 1), last) or 1
        tags = Counter(tag for row in rows for tag in row.tags)
        common = sorted(tags, key=lambda tag: (-tags[tag], tag))[:_TAGS]
        return self._ground.page(
            "briefings.html.j2", HERE, rows=found[(number - 1) * _ROWS : number * _ROWS], found=len(found),
            total=len(rows), sought=sought, number=number, last=last,
            tags=sorted({*common, *([sought.tag] if sought.tag else [])}),
            days=[folder.name for folder in self._days()[:_DAYS]],
            unreadable=[row for row in every if row.problem][:_ROWS],
        )  # fmt: skip

    def to_briefing(self, request: Request) -> Response:
        """To the page's own address, from which its links lead on."""
        return RedirectResponse(f"{HERE}/{self._briefing(request).name}/{PAGE}")

    def briefing(self, request: Request) -> Response:
        """The page that a briefing left, shut in."""
        return _linked_page(self._briefing(request) / PAGE)

    def to_day(self, request: Request) -> Response:
        """To the page's own address, from which its links lead on."""
        return RedirectResponse(f"{HERE}/days/{self._day(request).name}/{day_shelf.DAY_PAGE}")

    def day(self, request: Request) -> Response:
        """The page of a day, shut in."""
        return _linked_page(self._day(request) / day_shelf.DAY_PAGE)

    def feed(self, request: Request) -> Response:
        """The feed of a day."""
        return Response(read_bytes(self._day(request) / day_shelf.FEED), 200, None, "application/atom+xml")

    def _briefing(self, request: Request) -> Path:
        name = request.path_params["name"]
        folder = self._ground.workspace.briefing(name)
        if not ID.fullmatch(name) or read(folder).problem:
            raise Unreadable("there is no such briefing in this workspace")
        return folder

    def _day(self, request: Request) -> Path:
        name = request.path_params["name"]
        found = next((folder for folder in self._days() if folder.name == name), None)
        if found is None:
            raise Unreadable("there is no page of that day; inbond briefing day DATE makes one")
        return found

    def _days(self) -> list[Path]:
        return day_shelf.folders(self._ground.workspace)


def _linked_page(path: Path) -> Response:
    return HTMLResponse(read_bytes(path), 200, {"content-security-policy": LINKED})
