"""The page of a suspect's report in a real browser: at any width, in light and dark, without JavaScript."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inbond.forensics.report import NotRan, Ran, make
from inbond.report.forensics_page import render_forensics_page
from tests.browser.test_report_page import CONTRAST, OUTSIDE, SPILLED, Visit, browser
from tests.unit.test_forensics_report import AT, FAILED, FEW, FOUND, NONE, SCORE, SUSPECT, WANTING, of

__all__ = ["browser"]
pytestmark = pytest.mark.browser
WIDTHS = (360, 1280)
NAMES = ("usual", "nothing", "odd")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("forensics")
    odd = {"name": "path:" + "xW" * 150 + " שלום <b>", "digest": None, "access": "served"}
    odd |= {"asked": {"prompts": 400, "answered": 1, "declined": 398, "failed": 1}}  # type: ignore[dict-item]
    long = NotRan("equality " + "y" * 200, "found " + "z" * 3000, asked=True)
    reports = {
        "usual": of(FOUND, NONE, FEW, SCORE, left=(FAILED, WANTING)),
        "nothing": of(left=(WANTING,)),
        "odd": make(odd, [Ran("radioactivity", "w" * 300, (FOUND,))], (long,), alpha=1e-5, at=AT),
    }
    assert odd != SUSPECT
    for name, made in reports.items():
        (folder / f"{name}.html").write_text(render_forensics_page(made, "0.1.0"), encoding="utf-8")
    return {path.stem: path.as_uri() for path in Path(folder).iterdir()}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_sticks_out_and_nothing_is_asked_for(
    browser: Any, files: dict[str, str], name: str, width: int
) -> None:
    with Visit(browser, files[name], viewport={"width": width, "height": 800}) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.page.evaluate(OUTSIDE) == []
        assert visit.page.evaluate(SPILLED) == []
        assert visit.requests == [files[name]]
        assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_contrast_is_enough(browser: Any, files: dict[str, str], width: int, scheme: str) -> None:
    with Visit(
        browser, files["usual"], color_scheme=scheme, viewport={"width": width, "height": 800}
    ) as visit:  # fmt: skip
        found = visit.page.evaluate(CONTRAST)
        assert found["seen"] > 50
        assert found["below"] == []


def test_it_is_read_without_scripts_in_order(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["usual"], java_script_enabled=False) as visit:
        heads = visit.page.locator("h2").all_inner_texts()
        assert heads == [
            "What was found", "What it cannot show", "What was tested and how", "Each finding",
            "What was not tested",
        ]  # fmt: skip
        assert visit.page.locator("#answer").inner_text().startswith("Of 3 tests at the level 1e-5")
        assert visit.page.locator("article").count() == 4
        assert "after Holm" in visit.page.locator("article").first.inner_text()
