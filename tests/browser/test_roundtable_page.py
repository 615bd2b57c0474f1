"""The page of a roundtable in a real browser: phone and desktop, light and dark, without mouse or script."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from inbond.report.roundtable_page import render_roundtable_page
from tests.browser.test_report_page import CONTRAST, OUTSIDE, Visit, browser
from tests.roundtable_sessions import SESSIONS

__all__ = ["browser"]
pytestmark = pytest.mark.browser
WIDTHS = (320, 360, 768, 1280, 1920)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("roundtable")
    for name, session in SESSIONS.items():
        (folder / f"{name}.html").write_text(render_roundtable_page(session()), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in SESSIONS}


def unfold(visit: Visit) -> None:
    folded = visit.page.locator("details:not([open]) > summary")
    for _ in range(folded.count()):
        folded.first.click()


@pytest.mark.parametrize("name", SESSIONS)
def test_nothing_sticks_out_and_nothing_is_asked_for(browser: Any, files: dict[str, str], name: str) -> None:
    for width in WIDTHS:
        with Visit(browser, files[name], viewport={"width": width, "height": 800}) as visit:
            unfold(visit)
            assert visit.page.evaluate("document.documentElement.scrollWidth") == width, (name, width)
            assert visit.page.evaluate(OUTSIDE) == [], (name, width)
            assert visit.requests == [files[name]]
            assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["japanese", "arabic", "hostile", "many"])
def test_contrast_is_enough(browser: Any, files: dict[str, str], name: str, scheme: str) -> None:
    for width in (360, 1280):
        options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
        with Visit(browser, files[name], **options) as visit:
            unfold(visit)
            found = visit.page.evaluate(CONTRAST)
            assert found["seen"] > 60
            assert found["below"] == []


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (360, 800)])
def test_the_first_screen_has_question_answer_and_both_denominators(
    browser: Any, files: dict[str, str], width: int, height: int
) -> None:
    with Visit(browser, files["japanese"], viewport={"width": width, "height": height}) as visit:
        box = visit.page.locator(".result").bounding_box()
        assert box["y"] + box["height"] <= height
        said = visit.page.locator(".result").inner_text()
        assert "全員一致" in said
        assert "6席着席、5票（時間切れ1）" in said
        assert visit.page.locator("h1").inner_text() == "AIに対する蒸留攻撃は許されるか"


def test_hostile_text_is_shown_and_does_nothing(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["hostile"]) as visit:
        unfold(visit)
        page = visit.page
        for tag in ("script", "img", "iframe", "object", "form", "[onerror]", "[onmouseover]", "[style]"):
            assert page.locator(tag).count() == 0, tag
        assert page.locator("a:not([href^='#'])").count() == 0
        assert "<img src=x onerror=" in page.locator("main").inner_text()
        assert page.title().endswith("Inbond")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_keyboard_reaches_every_link_and_fold(browser: Any, files: dict[str, str], width: int) -> None:
    with Visit(browser, files["japanese"], viewport={"width": width, "height": 800}) as visit:
        page = visit.page
        wanted = page.locator("a[href]:visible, summary:visible").count()
        assert wanted > 30
        seen = []
        for _ in range(wanted):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("[document.activeElement.outerHTML, scrollY]")[0])
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert len(seen) == wanted
        assert "body" not in seen


def test_a_citation_leads_to_its_claim(browser: Any, files: dict[str, str]) -> None:
    options = {"viewport": {"width": 360, "height": 800}, "reduced_motion": "reduce"}
    with Visit(browser, files["japanese"], **options) as visit:
        visit.page.locator("#turning a.cite").first.click()
        visit.page.wait_for_url("**#seat-1-r1-c3")
        claim = visit.page.locator("#seat-1-r1-c3")
        assert 0 <= claim.bounding_box()["y"] < 800
        assert "許諾を得た蒸留という正当な道がある以上" in claim.inner_text()


@pytest.mark.parametrize("width", [360, 1280])
def test_every_way_begins_and_ends_at_its_seat(browser: Any, files: dict[str, str], width: int) -> None:
    for name in ("japanese", "arabic", "many"):
        with Visit(browser, files[name], viewport={"width": width, "height": 800}) as visit:
            found = visit.page.evaluate(ENDS)
            assert len(found["ways"]) == len(found["first"]) == len(found["second"]) > 4
            for ends, column in ((0, "first"), (1, "second")):
                drawn = sorted(way[ends] for way in found["ways"])
                rows = sorted(found[column])
                assert max(abs(a - b) for a, b in zip(drawn, rows, strict=True)) < 3


ENDS = """() => {
    const middle = e => { const b = e.getBoundingClientRect(); return b.top + b.height / 2; };
    const [first, second] = [...document.querySelectorAll('.lanes .column')]
        .map(c => [...c.querySelectorAll('.band li')].map(middle));
    const ways = [...document.querySelectorAll('.way')].map(p => {
        const at = t => p.getPointAtLength(t).matrixTransform(p.getScreenCTM()).y;
        return [at(0), at(p.getTotalLength())];
    });
    return {first, second, ways};
}"""


def test_scripts_and_directions_are_marked(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["arabic"]) as visit:
        page = visit.page
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).direction") == "rtl"
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.locator("h1").get_attribute("lang") == "ar"
    with Visit(browser, files["japanese"]) as visit:
        styles = visit.page.evaluate(
            "[...document.querySelectorAll('body *')].map(e => getComputedStyle(e).fontStyle)"
        )
        assert set(styles) == {"normal"}, "no italics"
        assert visit.page.evaluate("getComputedStyle(document.querySelector('h1')).lineBreak") == "strict"


def test_it_is_read_without_style_and_without_script(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["japanese"], java_script_enabled=False) as visit:
        assert visit.page.get_by_text("確かめられる根拠を示していない").first.is_visible()
        visit.page.get_by_text("第1回の理由").first.click()
        assert visit.page.get_by_text("確立した技術であり").first.is_visible()
    with Visit(browser, files["japanese"]) as visit:
        visit.page.evaluate("document.querySelector('style').remove()")
        told = visit.page.locator("main").inner_text()
        assert told.index("許されるか") < told.index("6席着席") < told.index("要旨") < told.index("方法")


def test_readers_of_the_screen_hear_pictures_and_tables(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["japanese"]) as visit:
        page = visit.page
        assert page.get_by_role("img", name="6席中2席が、初回と最終とで票を変えた。").count() == 1
        assert page.get_by_role("columnheader", name="初回").count() == 1
        assert page.get_by_role("article", name="Sarashina 2.2 3B").count() == 1


def test_it_prints_with_what_is_folded(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["japanese"]) as visit:
        assert 2 <= visit.page.pdf(format="A4").count(b"/Type /Page\n") <= 12


def test_focus_goes_down_the_page(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["japanese"], viewport={"width": 360, "height": 800}) as visit:
        page = visit.page
        tops = []
        for _ in range(page.locator("a[href]:visible, summary:visible").count()):
            page.keyboard.press("Tab")
            tops.append(page.evaluate("document.activeElement.getBoundingClientRect().top + scrollY"))
        jumps = [a - b for a, b in itertools.pairwise(tops)]
        assert sum(jump > 400 for jump in jumps) <= 1, "but for the second column of the lanes"
