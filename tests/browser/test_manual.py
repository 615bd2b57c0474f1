"""The manual in a real browser, from a folder: nothing leaves the machine, it can be searched, and read
at any width, in light and dark, by keyboard, and without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from manual.site import build, gather

from tests.browser.test_report_page import CONTRAST, Visit, browser

__all__ = ["browser"]
pytestmark = pytest.mark.browser
SOME = (
    "index.html", "tutorial.html", "run.html", "explanations/chance.html", "reference/commands.html",
    "reference/recipe.html", "reference/verdicts.html", "adr/0010-detection.html", "trace.html",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("manual") / "docs"
    build(gather(), folder)
    return f"{folder.as_uri()}/"


def size(width: int) -> dict[str, int]:
    return {"width": width, "height": 800}


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_can_be_read_and_ask_nobody(browser: Any, site: str, width: int, scheme: str) -> None:
    for path in SOME:
        with Visit(browser, site + path, color_scheme=scheme, viewport=size(width)) as visit:
            assert visit.page.evaluate("document.documentElement.scrollWidth") == width, path
            assert visit.page.evaluate(CONTRAST)["below"] == [], path
            assert all(url.startswith((site, "data:")) for url in visit.requests), path
            assert visit.complaints == [], path


def test_a_reader_goes_from_the_first_page_to_the_tutorial_and_on(browser: Any, site: str) -> None:
    with Visit(browser, site + "index.html", viewport=size(1280)) as visit:
        page = visit.page
        page.get_by_role("link", name="The tutorial").click()
        assert page.locator("h1").inner_text() == "Tutorial: a student, its lineage and its verdict"
        page.get_by_role("navigation", name="Manual").get_by_text("Explanations").click()
        page.get_by_role("navigation", name="Manual").get_by_role("link", name="What shares mean").click()
        page.get_by_role("link", name="why it is so").click()
        assert page.url.endswith("adr/0006-shares.html")
        page.locator("nav.near a[rel=next]").click()
        assert page.url.endswith("adr/0007-what-the-gate-takes-on-trust.html")
        assert page.locator(".contents [aria-current]").inner_text().startswith("7.")
        assert visit.complaints == []


def test_the_search_finds_lineage_by_keyboard(browser: Any, site: str) -> None:
    with Visit(browser, site + "reference/commands.html", viewport=size(1280)) as visit:
        page = visit.page
        page.keyboard.press("/")
        page.keyboard.type("lineage file")
        page.locator("#found a").first.wait_for()
        found = page.locator("#found a b").all_inner_texts()
        assert "A lineage file" in found
        for _ in range(found.index("A lineage file") + 1):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/import.html#a-lineage-file")
        assert all(url.startswith((site, "data:")) for url in visit.requests)
        assert visit.complaints == []


def test_what_is_not_there_is_said(browser: Any, site: str) -> None:
    with Visit(browser, site + "index.html", viewport=size(360)) as visit:
        visit.page.get_by_label("Search the manual").fill("<img src=x onerror=alert(1)> [")
        visit.page.get_by_text("Nothing has all of these words.").wait_for()
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 360
        visit.page.keyboard.press("Escape")
        assert not visit.page.locator("#found").is_visible()
        assert visit.complaints == []


def test_it_can_be_read_without_scripts(browser: Any, site: str) -> None:
    with Visit(browser, site + "run.html", viewport=size(360), java_script_enabled=False) as visit:
        page = visit.page
        assert not page.get_by_label("Search the manual").is_visible()
        page.get_by_text("Contents", exact=True).click()
        page.get_by_role("link", name="inbond ui", exact=True).click()
        assert page.locator("h1").inner_text() == "inbond ui"


def test_the_keyboard_comes_to_the_page_first(browser: Any, site: str) -> None:
    with Visit(browser, site + "run.html", viewport=size(1280)) as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.textContent") == "Skip to the page"
        visit.page.keyboard.press("Enter")
        assert visit.page.url.endswith("#content")
