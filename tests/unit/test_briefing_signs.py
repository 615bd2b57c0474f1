"""What a reader sees by the place of signs is said in plain letters: raised, struck out, listed in a cell."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.briefing.article import Article
from inbond.briefing.claims import Ground, claim
from inbond.briefing.pages import read_page
from inbond.errors import InputError

OTHER = "<p>The committee of the harbour said that the crane would be mended before the storms arrive.</p>"


def page(html: str) -> Article:
    return read_page(f"<title>A crane</title><article>{OTHER}{html}{OTHER}</article>", source="x")


def read(inner: str) -> str:
    tail = " and it was told so to the people of the town."
    return page(f"<p>Here {inner}{tail}</p>").blocks[1].text.removeprefix("Here ").removesuffix(tail)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("in 2020<sup>1</sup>", "in 2020"), ("in 2020<sup><a href='#f1'>1</a></sup>", "in 2020"),
        ("300<sup>[2]</sup> men", "300 men"), ("12<a href='#n'><sup>3</sup></a> men", "12 men"),
        ("the harbour<sup>12</sup>", "the harbour"), ("ended.<sup>4,5</sup> Then", "ended. Then"),
        ("400<sup>1</sup><sup>,</sup><sup>2</sup>", "400"), ("the town<sup>a</sup>", "the town"),
        ("港<sup>※1</sup>と<b>市民</b><sup>注2</sup>", "港と市民"),
        ("told<sup>[citation needed]</sup>", "told"),
    ],
)  # fmt: skip
def test_marks_of_notes_are_dropped(html: str, text: str) -> None:
    assert read(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("10<sup>6</sup>", "10^6"), ("10<sup>-6</sup>", "10^-6"), ("2<sup>n</sup>", "2^n"), ("m²", "m²"),
        ("5 m<sup>2</sup>", "5 m²"), ("5 km<sup>2</sup>", "5 km²"), ("<i>x</i><sup>2</sup>", "x²"),
        ("(a+b)<sup>2</sup>", "(a+b)²"), ("m s<sup>−2</sup>", "m s⁻²"), ("Ca<sup>2+</sup>", "Ca²⁺"),
        ("H<sub>2</sub>O", "H2O"), ("SO<sub>4</sub><sup>2-</sup>", "SO4^2-"), ("101<sub>2</sub>", "101_2"),
        ("x<sub>1</sub><sup>2</sup>", "x1^2"), ("x<sub>i</sub><sup>2</sup>", "xi²"),
        ("1<sup>st</sup>", "1st"), ("20<sup>e</sup>", "20e"), ("M<sup>me</sup>", "Mme"),
        ("<sup>1</sup>/<sub>2</sub>", "1/2"), ("3<sup>1</sup>/<sub>2</sub>", "3 1/2"),
    ],
)  # fmt: skip
def test_powers_charges_ordinals_and_fractions_stay(html: str, text: str) -> None:
    assert read(html) == text


@given(st.integers(0, 99_999), st.integers(0, 999), st.sampled_from(["sup", "sub"]))
def test_a_number_and_what_is_raised_beside_it_are_never_one(number: int, raised: int, tag: str) -> None:
    found = re.findall(r"\d+", read(f"{number}<{tag}>{raised}</{tag}>"))
    assert found[0] == str(number)
    assert found[1:] in ([], [str(raised)])


TAGS = (
    "p",
    "div",
    "span",
    "sup",
    "sub",
    "del",
    "s",
    "a",
    "li",
    "ul",
    "td",
    "tr",
    "table",
    "pre",
    "h2",
    "aside",
)
PARTS = [f"<{tag} href=#x class=paywall>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS]


@given(st.lists(st.sampled_from([*PARTS, "2020", "10", "[2]", "m", " ", "Subscribe to read", "会員限定"])))
def test_tags_in_any_order_are_an_article_or_refused(parts: list[str]) -> None:
    try:
        assert page("".join(parts)).blocks
    except InputError as error:
        assert "article" in error.expected


def test_a_summary_with_the_number_that_has_a_note_passes() -> None:
    article = page(
        "<p>The firm was founded in 2020<sup>1</sup> by people of the harbour and the committee.</p>"
    )
    assert claim("会社は2020年に設立された。", "the summary", 400, Ground.of(article, "ja")) == ()


def test_struck_words_are_left_out_and_the_reader_is_told() -> None:
    article = page(
        "<p>The price is <del>500</del> <ins>400</ins> euros, <s>or more,</s> for all of the town.</p>"
    )
    assert article.blocks[1].text == "The price is 400 euros, for all of the town."
    assert article.notices == ("words that the page strikes out are left out, 2 times",)
    assert page("<p>None of these words of the town is struck out.</p>").notices == ()


def test_a_tag_of_struck_words_left_open_loses_no_text() -> None:
    article = page("<div><s>" + "<p>The price is 400 euros for all members of the club of the town.</p>" * 6)
    assert len(article.blocks) == 8
    assert article.notices == ()


def test_a_list_and_paragraphs_in_a_cell_stand_in_its_row() -> None:
    article = page(
        "<table><tr><td>Alpha<ul><li>one</li><li>two <b>b</b></li></ul></td><td><p>c</p><p>d</p></td></tr>"
        "<tr><td><div><ol><li><p>one</p></li><li>two</li></ol></div></td><td>z</td></tr></table>"
    )
    assert [block.text for block in article.blocks[1:-1]] == ["Alpha; one; two b | c d", "one; two | z"]


def test_many_raised_signs_take_no_more_time_each() -> None:
    article = page("<p>" + "10<sup>6</sup> and 2020<sup>1</sup>, " * 4_000 + "of the town.</p>")
    assert article.blocks[1].text.startswith("10^6 and 2020, 10^6")
