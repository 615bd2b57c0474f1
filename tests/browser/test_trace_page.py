"""The lineage page in a real browser: read and walked without a mouse, at any width, in light and dark."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from inbond.ledger.lineage import Edge, Graph, Node
from inbond.ledger.weaving import build
from inbond.report.trace_page import render_trace_page, render_trace_svg
from tests.browser.test_report_page import CONTRAST, OUTSIDE, SPILLED, Visit, browser
from tests.unit.test_trace_findings_page import KNOWN, SCORE, STRANGER, UNKNOWN, of_tested
from tests.unit.test_trace_page import long_chain, of_chain, shown

__all__ = ["browser"]
pytestmark = pytest.mark.browser
WIDTHS = (360, 1280)
NAMES = ("olmo-3", "tulu-3", "r1-distill-llama", "olmo-2", "long", "odd", "tested")


def odd() -> Graph:
    """Names that are long, run from right to left, or are markup, in one chain."""
    names = [
        "hf:o/" + "xW" * 150,
        "data:שלום עולם/نموذج اللغة",
        "data:<b>日本語のとても長い名前</b>\x1b[31m",
        "run:me",
    ]
    nodes = [Node(name, "data" if name.startswith("data:") else "model") for name in names]
    how = ("generated", "derived", "trained-on")
    edges = [
        Edge(one, other, relation, ("author", "translator"), "SFT" if relation == "trained-on" else "")  # type: ignore[arg-type]
        for (one, other), relation in zip(itertools.pairwise(names), how, strict=True)
    ]
    return build(nodes, edges)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("lineage")
    views = {name: of_chain(name, "gpt-4o" if name == "olmo-3" else None) for name in NAMES[:4]}
    views["long"] = shown(long_chain(300), "hf:org/model-299", "hf:org/model-0")
    views["odd"] = shown(odd(), "run:me", "hf:o/" + "xW" * 150)
    views["tested"] = of_tested(KNOWN, STRANGER, UNKNOWN, SCORE, notes=("x" * 300,))
    for name, found in views.items():
        (folder / f"{name}.html").write_text(render_trace_page(found, "0.1.0"), encoding="utf-8")
    (folder / "olmo-3.svg").write_text(render_trace_svg(views["olmo-3"]), encoding="utf-8")
    return {path.name.removesuffix(".html"): path.as_uri() for path in Path(folder).iterdir()}


@pytest.mark.parametrize("width", [*WIDTHS, 768])
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
@pytest.mark.parametrize("name", ["olmo-3", "tulu-3", "tested"])
def test_contrast_is_enough(browser: Any, files: dict[str, str], name: str, width: int, scheme: str) -> None:
    measure = CONTRAST.replace("'.node'", "'.pill, .node'")
    assert measure != CONTRAST
    with Visit(
        browser, files[name], color_scheme=scheme, viewport={"width": width, "height": 800}
    ) as visit:  # fmt: skip
        found = visit.page.evaluate(measure)
        assert found["seen"] > 100
        assert found["below"] == []


@pytest.mark.parametrize(("width", "picture"), [(1280, "wide"), (360, "column")])
def test_the_keyboard_walks_the_picture_to_an_entry_and_back(
    browser: Any, files: dict[str, str], width: int, picture: str
) -> None:
    with Visit(browser, files["olmo-3"], viewport={"width": width, "height": 800}) as visit:
        page = visit.page
        places = []
        for _ in range(40):
            page.keyboard.press("Tab")
            found = page.evaluate(FOCUSED)
            if found["picture"]:
                places.append(found)
            elif places:
                break
        assert len(places) == page.locator(f"svg.{picture} a").count() == 12
        assert {place["picture"] for place in places} == {picture}
        assert all(place["stroke"] == "5px" for place in places), "where the focus is can be seen"
        axis = "left" if picture == "wide" else "top"
        along = [place[axis] for place in places]
        assert all(b > a - 30 for a, b in itertools.pairwise(along)), "from the sources to the target"
        page.locator(f"svg.{picture} a.asked").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**#*")  # the browser goes there in its own time
        entry = page.url.partition("#")[2]
        assert page.locator(f"#{entry} h3").inner_text().startswith("api:api.openai.com/gpt-4o-2024-08-06")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Show in the picture"
        page.keyboard.press("Enter")
        page.wait_for_function("entry => location.hash.slice(1) !== entry", arg=entry)
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED)["picture"] == picture


FOCUSED = """() => {
    const e = document.activeElement, svg = e.closest('svg.lineage'), box = e.getBoundingClientRect();
    const style = svg ? getComputedStyle(e.querySelector('rect')) : {};
    return {picture: svg ? (svg.classList.contains('wide') ? 'wide' : 'column') : '',
            stroke: style.strokeWidth, left: box.left + scrollX, top: box.top + scrollY};
}"""


def test_readers_of_the_screen_hear_what_each_box_says(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["olmo-3"], viewport={"width": 1280, "height": 800}) as visit:
        picture = visit.page.get_by_role("group", name="Lineage of hf:allenai/Olmo-3-1025-7B")
        assert picture.count() == 1
        said = (
            "api:api.openai.com/gpt-4o-2024-08-06: model; looked for; a model taught by it touched 13.4% of"
        )
        assert picture.get_by_role("link", name=said).count() == 1
        assert picture.get_by_role("link").count() == 12
        visit.page.get_by_text("The same in words").click()
        assert (
            visit.page.locator("#as-text").get_by_text("13.4% of pretraining tokens; declared").is_visible()
        )


def test_words_on_edges_and_boxes_do_not_cover_one_another(browser: Any, files: dict[str, str]) -> None:
    for name in NAMES:
        with Visit(browser, files[name], viewport={"width": 1280, "height": 800}) as visit:
            assert visit.page.evaluate(COVERED) == [], name


COVERED = """() => {
    const boxes = [...document.querySelectorAll('svg.wide .node > rect, svg.wide .on-edge')];
    const seen = boxes.map(b => [b.textContent || b.parentNode.id, b.getBoundingClientRect()]);
    return seen.flatMap(([said, a], i) => seen.slice(i + 1).filter(([, b]) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3).map(([other]) => [said, other]));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_alone_has_its_own_style(browser: Any, files: dict[str, str], scheme: str) -> None:
    with Visit(browser, files["olmo-3.svg"], color_scheme=scheme) as visit:
        ground = visit.page.evaluate("getComputedStyle(document.querySelector('.canvas')).fill")
        assert ground == {"light": "rgb(251, 250, 247)", "dark": "rgb(22, 20, 17)"}[scheme]
        assert visit.requests == [files["olmo-3.svg"]]
        assert visit.complaints == []


def test_it_prints(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["olmo-3"]) as visit:
        pdf = visit.page.pdf(format="A4")
        assert 2 <= pdf.count(b"/Type /Page\n") <= 10
        visit.page.emulate_media(media="print")
        assert visit.page.locator("svg.lineage:visible").count() > 1, "a column is cut into sheets"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "height"), [(718, 1040), (1040, 718)])
def test_on_paper_the_picture_is_cut_between_boxes_into_parts_that_fit(
    browser: Any, files: dict[str, str], name: str, width: int, height: int
) -> None:
    """A picture that is higher than a sheet would be cut anywhere."""
    with Visit(browser, files[name], viewport={"width": width, "height": height}) as visit:
        visit.page.emulate_media(media="print")
        boxes = visit.page.evaluate("document.querySelectorAll('svg.column .node').length")
        shown = visit.page.evaluate(SHEETS)
        assert all(sheet["height"] < 1000 for sheet in shown["sheets"])
        assert shown["cut"] == []
        assert shown["whole"] == boxes


SHEETS = """() => {
    const seen = [...document.querySelectorAll('svg.lineage')].filter(s => s.getBoundingClientRect().width);
    const column = document.querySelector('svg.column');
    const rooms = seen.map(s => s.viewBox.baseVal);
    const boxes = [...column.querySelectorAll('.node > rect')].map(
        r => [r.y.baseVal.value, r.height.baseVal.value]);
    const inside = rooms.map(v => boxes.filter(([y, h]) => y >= v.y && y + h <= v.y + v.height).length);
    const cut = boxes.filter(([y, h]) => !rooms.some(v => y >= v.y && y + h <= v.y + v.height));
    return {sheets: seen.map(s => ({height: s.getBoundingClientRect().height})), cut,
            whole: inside.reduce((a, b) => a + b, 0)};
}"""


@pytest.mark.parametrize("width", [360, 768, 961, 1024, 1100, 1249, 1280, 1366, 1450, 1600, 2200])
@pytest.mark.parametrize("name", NAMES)
def test_the_words_of_the_picture_never_shrink_and_its_end_is_told_of(
    browser: Any, files: dict[str, str], name: str, width: int
) -> None:
    with Visit(browser, files[name], viewport={"width": width, "height": 800}) as visit:
        found = visit.page.evaluate(SIZES)
        assert found["pictures"] == 1
        assert found["scale"] >= 1
        assert found["told"] == found["scrolls"]


SIZES = """() => {
    const seen = [...document.querySelectorAll('svg.lineage')].filter(s => s.getBoundingClientRect().width);
    const svg = seen[0], told = document.querySelector('.note[class*="until-"], .note.always');
    const scroller = svg.closest('.scroller');
    return {pictures: seen.length, wide: svg.classList.contains('wide'),
            scale: svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
            scrolls: !!scroller && scroller.scrollWidth > scroller.clientWidth + 8,
            told: !!told && told.getBoundingClientRect().width > 0};
}"""
