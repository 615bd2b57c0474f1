"""The page of a briefing: it says all that the briefing holds, and obeys nothing that a stranger wrote."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import html

from inbond.briefing.briefing import Briefing
from inbond.briefing.licence import checked, sharing
from inbond.errors import InputError
from inbond.report.briefing_page import WORDS, render_briefing_page
from inbond.report.page_words import LANGUAGES, table_in
from tests.briefing_examples import briefing
from tests.briefing_shown import arabic, poor, rich

SCRIPT = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>"
CONTAINERS = ("p", "li", "div", "span", "h1", "h3", "td", "q", "title")


def tree(made: Briefing) -> Any:
    return html.document_fromstring(render_briefing_page(made))


def is_dead(page: Any) -> None:
    """No script, no handler, no style, nothing loaded, no address but of the web and of this page."""
    for element in page.iter():
        if not isinstance(element.tag, str):
            continue
        assert element.tag not in ("script", "iframe", "object", "embed", "img", "base", "form", "video"), (
            element.tag
        )
        assert element.tag != "style" or element.getparent().tag == "head"
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            assert name not in ("style", "srcdoc", "src", "formaction"), name
            if name == "href" and element.tag == "a":
                assert re.match(r"https?://|#|\.\./[0-9a-f]{16}/index\.html$", value), value


def test_the_page_is_as_it_was(golden: Any) -> None:
    page = render_briefing_page(rich())
    assert page == render_briefing_page(Briefing.from_json(rich().to_json()))
    golden("briefing_page.html", page[page.index("<main>") : page.index("</main>")] + "</main>\n")


@pytest.mark.parametrize("made", [rich(), poor(), arabic()], ids=["rich", "poor", "arabic"])
def test_every_block_is_there_once_and_every_link_leads_to_one(made: Briefing) -> None:
    page = tree(made)
    is_dead(page)
    ids = page.xpath("//*[@id]/@id")
    assert len(ids) == len(set(ids))
    assert [each for each in ids if re.fullmatch(r"b\d+", each)] == [block.id for block in made.blocks]
    assert {each[1:] for each in page.xpath("//a[starts-with(@href, '#')]/@href")} <= set(ids)


def test_the_page_says_what_the_briefing_says() -> None:
    made, page = rich(), tree(rich())
    text = page.text_content()
    for said in (
        made.title,
        made.summary,
        made.comment,
        made.score,
        *made.tags,
        made.source.title,
        made.model.uri,
    ):
        assert str(said) in text
    for point in made.points:
        assert point.sentence in text
        assert point.quote in text
    machine = page.xpath("//div[@class='machine']")[0].text_content()
    assert "機械（api:example/m）が書いたもの。意見であり、事実ではない。" in machine
    assert all(each.text in machine for each in made.impact)
    assert made.comment in machine
    assert not any(point.sentence in machine for point in made.points)
    for block in made.blocks:
        if block.kind != "row":
            assert "".join(made.translation[block.id].replace("`", "").split()) in "".join(text.split())
    # The original of each translated block, one click away and no further.
    assert len(page.xpath("//section[@id='text']//details")) == 10
    assert page.xpath("//li[@id='b7']//details/div")[0].text_content() == made.by_id["b7"].text
    csp = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert csp.startswith("default-src 'none'")
    assert "script-src" not in csp


def test_what_is_missing_is_told_with_its_reasons() -> None:
    text = tree(poor()).text_content()
    for said in (
        "only 214 characters are open",
        "ない部分：タイトル、要約、タグ、スコア、要点、影響、論評",
        "13段落のうち11段落は原文のまま",
    ):
        assert said in text
    assert "検査に通る要約は得られなかった。" in text
    assert poor().source.title in text
    assert "b1: its translation is not in the language 'ja'" in text
    one = rich(
        points=[rich().to_json()["points"][0]], left_out=[{"part": "points", "why": "1 of at least 3 came"}]
    )
    assert "要点が本来より少ない" in tree(one).text_content()


def planted(text: str) -> Briefing:
    """A briefing that says ``text`` wherever a stranger or a model may say anything."""
    whole = rich().to_json()
    blocks = [
        {**block, "text": text if block["kind"] != "row" else f"{text} | b"} for block in whole["blocks"]
    ]
    return rich(
        title=text, summary=text, tags=[text], comment=text,
        points=[{"heading": text, "sentence": text, "block": "b1", "quote": text}],
        impact=[{"text": text, "blocks": ["b2"]}],
        blocks=blocks,
        translation={block["id"]: block["text"] for block in blocks},
        source={
            **whole["source"], "title": text, "author": text, "site": text, "notices": [text], "from": text,
            "url": "", "language": "",
        },
        model={"uri": text, "identity": text},
        related=[{"id": "0" * 16, "title": text, "date": text, "site": text}],
        left_out=[{"part": "axes", "why": text}], axes=None, score=None,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=60).filter(lambda text: bool(text.strip())))
@example(SCRIPT)
@example("</script></style></title><script>window.pwned=1</script>")
@example('" onmouseover="window.pwned=1" x="')
@example("javascript:window.pwned=1")
@example("`<b>` https://example.org/<script> [x](javascript:pwned())")
@example("{{ 7 * 7 }}{% raw %}")
@example("\u202egnp.exe\u2066")
def test_nothing_that_is_said_is_obeyed(text: str) -> None:
    try:
        made = planted(text)
    except InputError:  # no such text can be quoted: too short, or with a half of a letter
        return
    page = render_briefing_page(made)
    is_dead(html.document_fromstring(page))
    assert "\u202e" not in page
    if "7 * 7" in text:
        assert "{{ 7 * 7 }}" in page


def test_an_address_of_another_kind_is_no_link() -> None:
    whole = rich().to_json()
    made = rich(source={**whole["source"], "from": "javascript:alert(1)", "url": ""})
    page = tree(made)
    assert not page.xpath("//a[contains(@href, 'javascript')]")
    assert "javascript:alert(1)" in page.text_content()


def test_words_are_there_in_every_language_with_the_same_fields() -> None:
    for name, phrase in table_in(WORDS).items():
        assert set(phrase) == set(LANGUAGES), name
        assert len({tuple(sorted(re.findall(r"{(\w+)}", each))) for each in phrase.values()}) == 1, name


@pytest.mark.parametrize(
    ("declared", "spelled", "kind"),
    [
        ("", "", "private"), ("cc-by-4.0", "CC-BY-4.0", "attributed"),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "forbidden"),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-SA-4.0", "non-commercial"), ("CC0-1.0", "CC0-1.0", "free"),
        ("own", "LicenseRef-inbond-own-work", "free"), ("GPL-3.0-only", "GPL-3.0-only", "private"),
        ("CC-BY-ND-4.0 OR CC-BY-4.0", "CC-BY-ND-4.0 OR CC-BY-4.0", "attributed"),
        ("CC-BY-4.0 AND CC-BY-NC-4.0", "CC-BY-4.0 AND CC-BY-NC-4.0", "non-commercial"),
    ],
)  # fmt: skip
def test_a_declared_licence_decides_the_note(declared: str, spelled: str, kind: str) -> None:
    assert checked(declared) == spelled
    assert sharing(spelled) == kind
    whole = briefing().to_json()
    page = render_briefing_page(briefing("1", source={**whole["source"], "licence": spelled}))
    phrase = "unknown" if spelled and kind == "private" else kind
    assert table_in(WORDS)[phrase]["ja"].format(licence=spelled) in page
