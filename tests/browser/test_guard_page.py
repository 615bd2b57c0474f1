"""The guard's page in a real browser: it stays put on a phone, runs nothing, is read without a mouse."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from inbond import __version__
from inbond.cli.main import run
from inbond.workspace import Workspace
from tests.browser.test_report_page import CONTRAST, OUTSIDE, SPILLED, Visit, browser
from tests.guard_report_examples import RING, decide, watch

__all__ = ["browser"]
pytestmark = pytest.mark.browser
WIDTHS = (360, 768, 1280)
NAMES = ("ring", "one", "none")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("guard")
    with ThreadPoolExecutor(1) as beside:  # the browser's own loop runs in this thread
        beside.submit(_write, folder).result()
    return {name: (folder / f"{name}.html").as_uri() for name in NAMES}


def _write(folder: Path) -> None:
    workspace = Workspace(folder / "bond")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        watch(workspace)
        decide(workspace)
        asked = {
            "ring": ["--home", str(workspace.home)],
            "one": ["--home", str(workspace.home), "--account", RING[-1]],
            "none": ["--home", str(folder / "empty")],
        }
        for name, where in asked.items():
            assert run(["guard", "report", *where, "--page", str(folder / f"{name}.html"), "--quiet"]) == 0


def unfold(visit: Visit) -> None:
    folded = visit.page.locator("details:not([open]) > summary")
    for _ in range(folded.count()):
        folded.first.click()
    assert folded.count() == 0


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_sticks_out_and_nothing_is_asked_for(
    browser: Any, files: dict[str, str], name: str, width: int
) -> None:
    with Visit(browser, files[name], viewport={"width": width, "height": 800}) as visit:
        unfold(visit)
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.page.evaluate(OUTSIDE) == []
        assert visit.page.evaluate(SPILLED) == []
        assert visit.requests == [files[name]]
        assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_contrast_is_enough(browser: Any, files: dict[str, str], width: int, scheme: str) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with Visit(browser, files["ring"], **options) as visit:
        unfold(visit)
        found = visit.page.evaluate(CONTRAST)
        assert found["seen"] > 100
        assert found["below"] == []


def test_the_first_screen_says_how_all_stand(browser: Any, files: dict[str, str]) -> None:
    for width, height in ((1280, 720), (360, 800)):
        with Visit(browser, files["ring"], viewport={"width": width, "height": height}) as visit:
            box = visit.page.locator(".numbers").bounding_box()
            assert box["y"] + box["height"] <= height
            assert "5 are proposed for suspension" in visit.page.locator("#answer").inner_text()
            assert visit.page.title() == "Inbond guard", "an appeal's markup is text"


@pytest.mark.parametrize("width", [360, 1280])
def test_the_keyboard_reaches_every_link_and_fold_in_order(
    browser: Any, files: dict[str, str], width: int
) -> None:
    with Visit(browser, files["ring"], viewport={"width": width, "height": 800}) as visit:
        page = visit.page
        wanted = page.locator("a[href]:visible, summary:visible").count()
        assert wanted > 2 * len(RING)
        seen = []
        for _ in range(wanted):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.getBoundingClientRect().top + scrollY"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert max(a - b for a, b in itertools.pairwise(seen)) < 40


@pytest.mark.parametrize("width", [360, 1280])
def test_the_table_leads_to_what_is_folded_and_that_to_its_group(
    browser: Any, files: dict[str, str], width: int
) -> None:
    still = {"viewport": {"width": width, "height": 800}, "reduced_motion": "reduce"}
    with Visit(browser, files["ring"], **still) as visit:
        page = visit.page
        details = page.locator("#details article").filter(has_text=RING[-1])
        assert not details.get_by_text("Changes of its tier").is_visible()
        page.locator("#accounts tbody a").first.focus()
        page.keyboard.press("Enter")
        details.get_by_text("from restricted to suspension proposed").wait_for(state="visible")
        assert details.get_by_text("inbond guard report --account").first.is_visible()
        details.locator("a[href='#group-1']").first.click()
        page.wait_for_url("**#group-1")
        top = page.locator("#group-1").bounding_box()["y"]
        assert 0 <= top < 800


def test_seven_accounts_are_read_in_a_few_screens(browser: Any, files: dict[str, str]) -> None:
    """The whole table of those past tier 0 within two screens; all pictures and words in eight."""
    with Visit(browser, files["ring"], viewport={"width": 1280, "height": 800}) as visit:
        box = visit.page.locator("#accounts table").bounding_box()
        assert box["y"] + box["height"] < 1_600
        assert visit.page.locator("#accounts tbody tr").count() == len(RING)
        assert visit.page.evaluate("document.documentElement.scrollHeight") < 6_400


def test_readers_of_the_screen_hear_pictures_tables_and_names(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["ring"]) as visit:
        unfold(visit)
        page = visit.page
        for title in (
            "7 of 7 accounts of one means of payment",
            "Its own requests: powers of ten of e-values, from 2023-11-14",
            "Evidence of the group: powers of ten of e-values, from 2023-11-14",
        ):
            assert page.get_by_role("img", name=title).count() >= 1, title
        for column in ("Stands", "Evidence seen, the strongest first", "Highest tier"):
            assert page.get_by_role("columnheader", name=column).count() == 1, column
        assert page.get_by_role("article", name=RING[-1]).count() >= 1
        assert page.locator("p.said[lang=ja]").count() == 1


def test_type_in_pictures_keeps_its_size_on_a_phone(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["ring"], viewport={"width": 360, "height": 800}) as visit:
        for picture in visit.page.locator("#groups svg.lineage").all():
            box = picture.bounding_box()
            assert box["width"] == 292


def test_it_prints(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["one"]) as visit:
        assert 1 <= visit.page.pdf(format="A4").count(b"/Type /Page\n") <= 12
        assert f"Made by Inbond {__version__}" in visit.page.locator("footer").inner_text()
