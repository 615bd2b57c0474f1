"""The page of a day's briefings, and briefings on the site, in a real browser: at any width, light and dark,
in two languages, and from one page to the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")

import uvicorn

from inbond.cli.main import run as inbond
from inbond.ui.safety import Rules
from inbond.ui.serve import listen
from inbond.ui.site import build
from inbond.workspace import Workspace
from tests.briefing_days import OTHER, STRIKE, STRIKE_TOO, keep, point, told
from tests.browser.test_report_page import CONTRAST, OUTSIDE, SPILLED, Visit, browser

__all__ = ["browser"]
pytestmark = pytest.mark.browser
TOKEN = "0123456789abcdef"
DAY = "2026-11-23"
LONG = "とても長い見出しがここに続き、半導体の後工程の工場が熊本県菊陽町に建つことになったと発表された" * 3
ODD = told(
    "odd", LONG, "W" * 300, tags=["x" * 80, "<b>", "שלום"], points=[point("頭", "文。" * 80)] * 5, score=5,
    source={"title": "y" * 200, "url": "https://news.example/" + "z" * 300},
)  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = Workspace(tmp_path_factory.mktemp("briefings") / "bond")
    japanese = [told("1", *STRIKE, points=[point("Ships", "60 wait.")]), told("2", *STRIKE_TOO), ODD]
    english = [told("3", *STRIKE, language="en"), told("4", *OTHER, language="en", score=None)]
    keep(found, *japanese, *english)
    for arguments in ((), ("--language", "en")):
        assert inbond(["briefing", "day", DAY, "--home", str(found.home), "-q", *arguments]) == 0
    return found


@pytest.fixture(scope="module", params=[None, TOKEN], ids=["open", "token"])
def place(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[str]:
    listening = listen("127.0.0.1", 0)
    site = build(workspace, Rules(token=request.param))
    server = uvicorn.Server(uvicorn.Config(site, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    asked = f"?token={request.param}" if request.param else ""
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/briefings{asked}"
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [DAY, f"{DAY}-en"])
def test_the_page_fits_can_be_read_and_asks_for_nothing(
    browser: Any, workspace: Workspace, name: str, scheme: str, width: int
) -> None:
    address = (workspace.briefings / "days" / name / "index.html").as_uri()
    with Visit(browser, address, color_scheme=scheme, viewport={"width": width, "height": 800}) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.page.evaluate(OUTSIDE) == []
        assert visit.page.evaluate(SPILLED) == []
        assert visit.page.evaluate(CONTRAST)["below"] == []
        assert visit.requests == [address]
        assert visit.complaints == []


def test_its_links_lead_to_the_briefings_wherever_the_folder_goes(
    browser: Any, workspace: Workspace, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    moved.symlink_to(workspace.briefings)
    with Visit(browser, (moved / "days" / f"{DAY}-en" / "index.html").as_uri()) as visit:
        visit.page.get_by_role("heading", name=STRIKE[0]).get_by_role("link").click()
        visit.page.wait_for_url("**/elsewhere/*/index.html")
        assert visit.page.locator("h1").inner_text() == STRIKE[0]
    with Visit(browser, (moved / "days" / DAY / "index.html").as_uri()) as visit:
        visit.page.get_by_role("link", name="もとにした段落：b3").first.click()
        visit.page.wait_for_url("**/index.html#b3")
        assert visit.page.locator("#b3").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_fits_and_can_be_read(browser: Any, place: str, scheme: str, width: int) -> None:
    with Visit(browser, place, color_scheme=scheme, viewport={"width": width, "height": 800}) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.page.evaluate(CONTRAST)["below"] == []
        assert visit.complaints == []


def test_a_person_searches_reads_a_day_and_goes_on_to_a_briefing(browser: Any, place: str) -> None:
    with Visit(browser, place) as visit:
        page = visit.page
        page.get_by_label("Words in title, summary or tags").fill("mammograms")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=mammograms**")
        assert page.locator(".briefs h2").all_inner_texts() == [OTHER[0]]
        page.get_by_role("link", name=f"{DAY}-en").click()
        page.wait_for_url("**/days/2026-11-23-en/index.html")
        assert "Written by a machine (api:example/m)" in page.locator(".by-machine").inner_text()
        page.get_by_role("heading", name=OTHER[0]).get_by_role("link").click()
        page.wait_for_url("**/briefings/*/index.html")
        assert page.locator("h1").inner_text() == OTHER[0]
        assert visit.complaints == []
