"""Articles out of strangers' bytes: gold pages are read as they were written; nothing harmful is left."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.briefing.article import Article, Meta, article_of
from inbond.briefing.blocks import Block, Piece, number, plain, reading_minutes
from inbond.briefing.decoding import decode
from inbond.briefing.pages import read_page
from inbond.briefing.rendering import to_html
from inbond.briefing.texts import read_markdown, read_pdf, read_plain
from inbond.errors import InputError
from tests.growing import cpu_ratio

PAGES = Path(__file__).parents[1] / "gold_pages"
INDEX: list[dict[str, Any]] = json.loads((PAGES / "pages.json").read_text(encoding="utf-8"))


def page_of(name: str) -> Article:
    return read_page(decode((PAGES / f"{name}.html").read_bytes(), source=name), source=name)


@pytest.mark.parametrize(
    "page", [each for each in INDEX if each["outcome"] != "list"], ids=lambda p: p["name"]
)
def test_a_gold_page_is_read_as_it_was_written(page: dict[str, Any]) -> None:
    article = page_of(page["name"])
    text = plain(article.blocks)
    wanted = (PAGES / f"{page['name']}.txt").read_text(encoding="utf-8")
    assert text.split() == wanted.split()
    assert (article.meta.title, article.meta.language) == (page["title"], page["language"])
    assert article.meta.date in ("", page["date"])
    assert [word for word in page["never"] if word in text] == []
    assert bool(article.notices) == (page["outcome"] == "paywall")


@pytest.mark.parametrize("name", [each["name"] for each in INDEX if each["outcome"] == "list"])
def test_a_list_of_articles_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="this is a list of articles"):
        page_of(name)


def test_code_keeps_its_lines_and_ids_follow_the_order() -> None:
    blocks = page_of("07-docs-en-code").blocks
    assert [block.id for block in blocks] == [f"b{n}" for n in range(1, len(blocks) + 1)]
    assert blocks[2].kind == "code"
    assert "\n    for entry in journal:\n        print" in blocks[2].text


def test_a_wall_tells_how_much_is_open() -> None:
    article = page_of("26-paywall-ja")
    length = len(article.blocks[0].text)
    assert article.notices == (f"only {length} characters are open: the rest is for subscribers",)


def test_a_page_without_text_is_refused() -> None:
    with pytest.raises(InputError, match="no text that could be read"):
        read_page("<html><body><div id=root></div><script>draw()</script></body></html>", source="a page")
    with pytest.raises(InputError, match="nested"):
        read_page("<div>" * 5000 + "x", source="a page")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="bytes that are no text"):
        decode(b"\x89PNG\r\n\x1a\n\x00\x00\x00", source="a picture")


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_utf_8_is_read_whatever_was_said(text: str) -> None:
    assert decode(text.encode(), "shift_jis", source="x") == text.removeprefix("\ufeff")


LETTERS = st.text(st.characters(min_codepoint=0xA1, exclude_categories=("Cs", "Cc")), min_size=8)


@given(
    LETTERS,
    LETTERS,
    st.sampled_from([b"\xff", b"\xe3\x81", b"\x80"]),
    st.sampled_from(["", "utf-8", "cp1252"]),
)
def test_utf_8_with_a_bad_byte_stays_utf_8_with_a_hole(
    before: str, after: str, bad: bytes, said: str
) -> None:
    words = " of the harbour " * 20
    data = (words + before).encode() + bad + (after + words).encode()
    assert decode(data, said, source="x") == f"{words}{before}\ufffd{after}{words}"


@pytest.mark.parametrize("letter", ["é", "市", "😀"])
def test_a_page_cut_within_a_letter_keeps_the_others(letter: str) -> None:
    for text in ("Only ASCII stands before it, ", "déjà élu, "):
        data = f"<meta charset=utf-8><p>{text}{letter}".encode()[:-1]
        assert decode(data, source="x") == f"<meta charset=utf-8><p>{text}\ufffd"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Le comité déjà élu a décidé à l'été. Un CAFÉ» naïf, près du château."),
        ("cp932", "港の委員会は月曜日、クレーンを冬の嵐の前に修理すると発表した。"),
        ("euc_jp", "港の委員会は月曜日、クレーンを冬の嵐の前に修理すると発表した。"),
    ],
)
def test_what_is_not_utf_8_is_not_read_as_such_whatever_it_says(encoding: str, text: str) -> None:
    assert decode(f"<meta charset=utf-8>{text}".encode(encoding), "utf-8", source="x").endswith(text)


def test_a_reader_is_told_of_letters_that_could_not_be_read() -> None:
    page = "<meta charset=utf-8><title>Le comité</title><article><p>Le comité déjà élu a d%scidé.</p>"
    data = (page % "XX" + "<p>Tout le monde était d'accord.</p></article>").encode().replace(b"XX", b"\xff")
    article = read_page(decode(data, source="x"), source="x")
    assert article.blocks[0].text == "Le comité déjà élu a d\ufffdcidé."
    assert article.notices == ("\ufffd stands for letters that could not be read, 1 in all",)


@given(st.binary(max_size=300), st.text(max_size=12))
def test_any_bytes_are_text_or_refused(data: bytes, said: str) -> None:
    try:
        assert isinstance(decode(data, said, source="x"), str)
    except InputError as error:
        assert "text in x" in error.expected


def test_markdown_and_plain_text_give_the_same_kinds_of_blocks() -> None:
    article = read_markdown(
        "# Title\n\nFirst `a = 1` line\nsecond.\n\n- one\n  - two\n\n> said\n\n```py\nx\n  y\n```\n\n"
        "| A | B |\n|---|---|\n| 1 | 2 |\n\n<script>alert(1)</script>\n",
        source="x",
    )
    assert article.meta.title == "Title"
    assert [(block.kind, block.text, block.level) for block in article.blocks] == [
        ("paragraph", "First `a = 1` line second.", 0), ("item", "one", 1), ("item", "two", 2),
        ("quote", "said", 0), ("code", "x\n  y", 0), ("row", "A | B", 0), ("row", "1 | 2", 0),
        ("paragraph", "<script>alert(1)</script>", 0),
    ]  # fmt: skip
    text = read_plain("題名\n\n一行目の\n続きです。\n\n二つ目。", source="x")
    assert (text.meta.title, [block.text for block in text.blocks]) == (
        "題名",
        ["一行目の続きです。", "二つ目。"],
    )


def test_a_pdf_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="a PDF with text in x"):
        read_pdf(b"%PDF-1.7 not really", source="x")


WORDS = [*"<>\"'`=/ :&", "script", "img", "onerror", "javascript:", "a", "href", "http://x", "svg", "style"]
HOSTILE = st.lists(st.sampled_from(WORDS), max_size=30).map("".join)


@given(HOSTILE, st.sampled_from(["paragraph", "heading", "item", "code", "quote", "row"]))
def test_no_text_of_a_block_becomes_an_element_of_its_own(text: str, kind: Any) -> None:
    from lxml import html

    tree = html.fragment_fromstring(to_html(Block("b1", kind, text, 2)), create_parent="div")
    for element in tree.iter():
        assert element.tag in {"div", "a", "code", "pre", "p", "li", "h2", "blockquote", "td", "br"}
        assert set(element.attrib) <= {"href", "rel"}
        assert element.get("href", "http").startswith("http")


def test_reading_time_counts_words_or_letters() -> None:
    assert reading_minutes(number([Piece("paragraph", "word " * 2200)])) == 10
    assert reading_minutes(number([Piece("paragraph", "字" * 5000)])) == 10
    assert reading_minutes(()) == 1


@pytest.mark.parametrize(
    "head",
    [
        lambda n: "<?xml" + " " * n, lambda n: "<?a" * n,
        lambda n: "<meta name=author content='" + "{" * n + "'>",
        lambda n: "<meta property=og:site_name content='" + "&lt;" * n + "'>", lambda n: "<!-- x -->" * n,
    ],
)  # fmt: skip
def test_what_stands_before_a_text_takes_no_square_of_the_time(head: Callable[[int], str]) -> None:
    text = "<p>The committee of the harbour said so on Monday.</p><p>The boats must wait until Thursday.</p>"

    def read(count: int) -> None:
        assert len(read_page(f"{head(count)}<p></p><article>{text}", source="x").blocks) == 2

    assert cpu_ratio(read, 5_000) < 30


def test_reading_a_page_runs_no_recursion_of_its_own_on_depth() -> None:
    deep = "<p>Some words that are read.</p>" + "<span>" * (sys.getrecursionlimit() * 2)
    with pytest.raises(InputError, match="nested"):
        read_page(deep, source="x")


@pytest.mark.parametrize("word", ["カイゼン", "한글"])
def test_a_foreign_word_does_not_make_an_article_one_of_its_language(word: str) -> None:
    pieces = [Piece("paragraph", f"The crane number {each} would be mended before winter.") for each in "345"]
    told = article_of(
        [*pieces, Piece("paragraph", f"It is called {word} there.")], Meta(language="en"), source="x"
    )
    assert told.meta.language == "en"


def test_code_and_addresses_do_not_tell_the_language() -> None:
    code = "\n".join(f"def handle_{each}(request): return respond(request, status=200)" for each in range(40))
    link = "詳しくは https://example.org/documentation/reference/configuration/options を参照してください。"
    pieces = [Piece("paragraph", "まず関数を書く。"), Piece("code", code), Piece("paragraph", link)]
    assert article_of(pieces, Meta(), source="x").meta.language == "ja"
