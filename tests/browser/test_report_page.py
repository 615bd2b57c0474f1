"""The report in a real browser: it stays put on a phone, asks for nothing, runs nothing, can be read."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inbond.report.page import render_page
from tests.report_examples import demo, odd, stopped

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WIDTHS = (360, 768, 1280)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip("needs chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield running
        running.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("report")
    pages = {"demo": demo(), "odd": odd(), "stopped": stopped()}
    for name, data in pages.items():
        (folder / f"{name}.html").write_text(render_page(data), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in pages}


class Visit:
    """One opened page, with everything it asked for and complained about."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(address)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("name", ["demo", "odd", "stopped"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_sideways(browser: Any, files: dict[str, str], name: str, width: int) -> None:
    with Visit(browser, files[name], viewport={"width": width, "height": 800}) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        outside = visit.page.evaluate(OUTSIDE)
        assert outside == []


OUTSIDE = """() => [...document.querySelectorAll('main *, footer *')].filter(e => {
    const box = e.getBoundingClientRect();
    if (!box.width || e.closest('svg') || e.closest('.scroller') || e.closest('thead')) return false;
    return box.right > innerWidth + 0.5 || box.left < -0.5;
}).map(e => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("name", ["demo", "odd", "stopped"])
def test_the_page_asks_for_nothing_and_complains_of_nothing(
    browser: Any, files: dict[str, str], name: str
) -> None:
    with Visit(browser, files[name]) as visit:
        visit.page.wait_for_timeout(300)
        assert [url for url in visit.requests if not url.startswith("data:")] == [files[name]]
        assert visit.complaints == []


def test_hostile_text_is_shown_and_does_nothing(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["odd"]) as visit:
        page = visit.page
        page.wait_for_timeout(300)
        assert (
            page.title() == "方言辞典の蒸留 </script><script>document.title='owned'</script> · Inbond report"
        )
        for tag in ("script", "img", "iframe", "object", "form", "[onerror]", "[onmouseover]", "[style]"):
            assert page.locator(f"{tag} >> visible=true").count() + page.locator(tag).count() == 0, tag
        assert page.locator("a:not([href^='#'])").count() == 0
        text = page.locator("main").inner_text()
        assert "<img src=x onerror=" in text
        assert "{{7*7}}" in text
        assert "␛[31mred␛[0m␀␇␈" in text
        assert "[U+202E]gnirts desrever" in text
        page.mouse.move(200, 400)
        assert page.title().startswith("方言辞典")


def test_even_a_script_that_got_in_would_not_run(browser: Any, tmp_path: Path) -> None:
    evil = render_page(demo()).replace("<main>", "<main><script>document.title = 'owned'</script>", 1)
    (tmp_path / "evil.html").write_text(evil, encoding="utf-8")
    with Visit(browser, (tmp_path / "evil.html").as_uri()) as visit:
        assert visit.page.title() == "demo · Inbond report"
        assert any("Content Security Policy" in complaint for complaint in visit.complaints)


def test_everything_can_be_read_without_javascript(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["demo"], java_script_enabled=False) as visit:
        page = visit.page
        for words in ("May I use it?", "16 of the teacher’s 30 layers", "灯台とは、海岸にあり"):
            assert page.get_by_text(words).first.is_visible(), words
        assert page.locator("svg text", has_text="4.74 nats").is_visible()
        for section in page.locator("section").all():
            assert section.is_visible()
        page.get_by_text("The recipe, as it ran").click()
        assert page.get_by_text("limit: 560").is_visible()


def test_the_lineage_is_one_picture_at_any_width(browser: Any, files: dict[str, str]) -> None:
    for width, shown, hidden in ((1280, "wide", "column"), (360, "column", "wide")):
        with Visit(browser, files["demo"], viewport={"width": width, "height": 800}) as visit:
            assert visit.page.locator(f"svg.lineage.{shown}").is_visible()
            assert visit.page.locator(f"svg.lineage.{hidden}").is_hidden()


def test_type_in_pictures_keeps_its_size_on_a_phone(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["demo"], viewport={"width": 360, "height": 800}) as visit:
        sizes = visit.page.evaluate(
            "() => [...document.querySelectorAll('svg text')].filter(t => t.getBoundingClientRect().width)"
            ".map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
        )
        assert len(sizes) > 20
        assert min(sizes) >= 9.5


def test_labels_stay_inside_their_boxes(browser: Any, files: dict[str, str]) -> None:
    for width in (360, 1280):
        with Visit(browser, files["demo"], viewport={"width": width, "height": 800}) as visit:
            assert visit.page.evaluate(SPILLED) == []


SPILLED = """() => [...document.querySelectorAll('.node')].flatMap(node => {
    const box = node.querySelector('rect').getBoundingClientRect();
    return [...node.querySelectorAll('text')].filter(t => {
        const own = t.getBoundingClientRect();
        return own.right > box.right || own.bottom > box.bottom + 1 || own.left < box.left;
    }).map(t => t.textContent);
})"""


def test_the_keyboard_reaches_every_link_and_fold_in_order(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["demo"]) as visit:
        page = visit.page
        wanted = page.evaluate(
            "() => [...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')]"
            ".filter(e => e.getBoundingClientRect().width).length"
        )
        assert wanted >= 15
        seen = []
        for _ in range(wanted):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("() => document.activeElement.getBoundingClientRect().top + scrollY"))
            outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
        assert len(seen) == wanted
        assert seen == sorted(seen) or max(a - b for a, b in itertools.pairwise(seen)) < 40
        page.keyboard.press("Shift+Tab")
        page.locator("summary").last.focus()
        page.keyboard.press("Enter")
        assert page.get_by_text("limit: 560").is_visible()


CONTRAST = """() => {
    const parse = c => c.match(/[\\d.]+/g).map(Number);
    const light = c => {
        const [r, g, b] = c.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const ground = e => {
        for (; e; e = e.parentElement) {
            const c = parse(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] === 1) return c.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const below = [];
    let seen = 0;
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!own || !e.getBoundingClientRect().width || e.closest('title, desc, style')) continue;
        const style = getComputedStyle(e);
        const back = e.closest('.node')
            ? parse(getComputedStyle(e.closest('.node').querySelector('rect')).fill) : ground(e);
        const fore = parse(e.closest('svg') ? style.fill : style.color).slice(0, 3);
        const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
        seen += 1;
        const large = parseFloat(style.fontSize) >= 24;
        if ((a + .05) / (b + .05) < (large ? 3 : 4.5))
            below.push([e.tagName, e.className.baseVal ?? e.className, ((a + .05) / (b + .05)).toFixed(2)]);
    }
    return {seen, below};
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["demo", "odd", "stopped"])
def test_contrast_is_enough_in_light_and_dark(
    browser: Any, files: dict[str, str], scheme: str, name: str
) -> None:
    with Visit(browser, files[name], color_scheme=scheme) as visit:
        found = visit.page.evaluate(CONTRAST)
        assert found["seen"] > 100
        assert found["below"] == []


def test_light_and_dark_differ(browser: Any, files: dict[str, str]) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        with Visit(browser, files["demo"], color_scheme=scheme) as visit:
            grounds.append(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(251, 250, 247)", "rgb(22, 20, 17)"]


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (360, 800)])
def test_the_gates_are_seen_without_scrolling(
    browser: Any, files: dict[str, str], width: int, height: int
) -> None:
    with Visit(browser, files["demo"], viewport={"width": width, "height": height}) as visit:
        box = visit.page.locator("#gates-at-a-glance").bounding_box()
        assert box["y"] + box["height"] < height
        for words in ("Passed", "Cannot tell", "Failed"):
            assert visit.page.locator("#gates-at-a-glance").get_by_text(words).is_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_a_stopped_run_says_so_before_anything_can_be_scrolled(
    browser: Any, files: dict[str, str], width: int
) -> None:
    with Visit(browser, files["stopped"], viewport={"width": width, "height": 800}) as visit:
        box = visit.page.get_by_role("heading", name="No student was handed out").bounding_box()
        assert box["y"] + box["height"] < 400
        box = visit.page.locator("#stopped").bounding_box()
        assert box["y"] + box["height"] < 850


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["demo", "odd"])
def test_words_in_pictures_do_not_cover_one_another(
    browser: Any, files: dict[str, str], name: str, width: int
) -> None:
    with Visit(browser, files[name], viewport={"width": width, "height": 800}) as visit:
        assert visit.page.evaluate(COVERED) == []


COVERED = """() => [...document.querySelectorAll('#gates .chart, #runs .chart')].flatMap(chart => {
    const texts = [...chart.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    return texts.flatMap(([said, a], i) => texts.slice(i + 1).filter(([, b]) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3).map(([other]) => [said, other]));
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_dots_and_limits_stand_out_from_the_ground(
    browser: Any, files: dict[str, str], scheme: str
) -> None:
    with Visit(browser, files["odd"], color_scheme=scheme) as visit:
        found = visit.page.evaluate(STROKES)
    with Visit(browser, files["demo"], color_scheme=scheme) as visit:
        found += visit.page.evaluate(STROKES)
    assert {name for name, _ in found} >= {
        "trace held-out",
        "trace outside",
        "whisker care",
        "limit",
        "dot quiet",
    }
    assert [each for each in found if each[1] < 3] == []


STROKES = """() => {
    const light = c => {
        const [r, g, b] = c.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const parse = c => c.match(/[\\d.]+/g).map(Number).slice(0, 3);
    const ground = light(parse(getComputedStyle(document.body).backgroundColor));
    return [...document.querySelectorAll('.trace, .whisker, .limit, .chart .dot')].map(e => {
        const style = getComputedStyle(e);
        const own = light(parse(e.classList.contains('dot') ? style.fill : style.stroke));
        const [a, b] = [own, ground].sort((x, y) => y - x);
        return [e.className.baseVal, (a + .05) / (b + .05)];
    });
}"""


def test_languages_and_directions_are_set(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["demo"]) as visit:
        page = visit.page
        assert page.locator("p.said[lang=ja]").count() == 4
        arabic = page.locator("p.said[lang=ar]").first
        assert arabic.evaluate("e => getComputedStyle(e).direction") == "rtl"
        english = page.locator("p.said:not([lang])").first
        assert english.evaluate("e => getComputedStyle(e).direction") == "ltr"


def test_readers_of_the_screen_get_names_headers_and_pictures(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["demo"], viewport={"width": 360, "height": 800}) as visit:
        page = visit.page
        for picture in page.get_by_role("img").all():
            assert picture.locator("title").first.text_content()
            assert picture.locator("desc").first.text_content()
        assert page.get_by_role("img").count() == 12
        assert page.get_by_role("table").count() == 9  # folded tables are tables still
        assert page.get_by_role("columnheader", name="Finding").count() == 2
        assert page.get_by_role("rowheader", name="Parameters").count() == 1
        assert page.get_by_role("navigation", name="On this page").count() == 1
        assert page.locator("html").get_attribute("lang") == "en"


def test_it_prints(browser: Any, files: dict[str, str]) -> None:
    with Visit(browser, files["demo"]) as visit:
        pdf = visit.page.pdf(format="A4")
        assert pdf.startswith(b"%PDF")
        assert 3 <= pdf.count(b"/Type /Page\n") <= 20
        visit.page.emulate_media(media="print")
        assert visit.page.get_by_text("limit: 560").is_visible()  # folded parts are printed open
        assert visit.page.locator("nav").is_hidden()
