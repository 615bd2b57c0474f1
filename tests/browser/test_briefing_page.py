"""The page of a briefing in a real browser: at any width, in light and dark, without JavaScript, and dead to
whatever an article planted in it."""

from __future__ import annotations

from typing import Any

import pytest

from inbond.report.briefing_page import render_briefing_page
from tests.briefing_shown import arabic, poor, rich
from tests.browser.test_report_page import CONTRAST, OUTSIDE, SPILLED, Visit, browser
from tests.unit.test_briefing_page import SCRIPT, planted

__all__ = ["browser"]
pytestmark = pytest.mark.browser
WIDTHS = (360, 1280)
LONG = "x" * 300 + " שלום <b> " + "長い題名" * 40


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("briefings")
    made = {
        "rich": rich(),
        "poor": poor(),
        "arabic": arabic(),
        "odd": planted(LONG),
        "planted": planted(SCRIPT),
    }
    for name, briefing in made.items():
        (folder / f"{name}.html").write_text(render_briefing_page(briefing), encoding="utf-8")
    return {path.stem: path.as_uri() for path in folder.iterdir()}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["rich", "poor", "arabic", "odd", "planted"])
def test_nothing_sticks_out_and_nothing_is_asked_for(
    browser: Any, files: dict[str, str], name: str, width: int
) -> None:
    with Visit(browser, files[name], viewport={"width": width, "height": 800}) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.page.evaluate(OUTSIDE) == []
        assert visit.page.evaluate(SPILLED) == []
        assert visit.requests == [files[name]]
        assert visit.complaints == []


def test_a_planted_script_does_not_run(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["planted"]) as visit:
        page = visit.page
        page.wait_for_timeout(200)
        assert page.evaluate("window.pwned") is None
        assert page.locator("script, img, iframe").count() == 0
        assert SCRIPT in page.inner_text("body")
        page.hover("h1")
        page.click("#all")
        assert page.evaluate("window.pwned") is None
        # Were our escaping to fail, the page's own policy would still hold.
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.pwned=1>')")
        page.wait_for_timeout(200)
        assert page.evaluate("window.pwned") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["rich", "poor"])
def test_contrast_is_enough(browser: Any, files: dict[str, str], name: str, scheme: str) -> None:
    with Visit(browser, files[name], color_scheme=scheme, viewport={"width": 1280, "height": 800}) as visit:
        found = visit.page.evaluate(CONTRAST)
        assert found["seen"] > 40
        assert found["below"] == []


def test_the_original_is_one_click_away_and_one_switch_shows_all(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["rich"], java_script_enabled=False) as visit:
        page = visit.page
        originals = page.locator("#text details .source")
        assert originals.count() == 10
        assert not any(each.is_visible() for each in originals.all())
        page.click("#b3 summary")
        assert page.locator("#b3 .source").is_visible()
        assert "Training took 12 days" in page.locator("#b3 .source").inner_text()
        page.focus("#all")
        page.keyboard.press("Space")
        assert all(each.is_visible() for each in originals.all())
        page.keyboard.press("Space")
        assert [each.is_visible() for each in originals.all()].count(True) == 1


def test_a_key_point_leads_to_its_paragraph(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["rich"], reduced_motion="reduce") as visit:
        page = visit.page
        page.click(".key a[href='#b13']")
        page.wait_for_timeout(100)
        assert page.evaluate("document.querySelector(':target').id") == "b13"
        assert page.locator("#b13").evaluate("e => e.getBoundingClientRect().top < innerHeight")
