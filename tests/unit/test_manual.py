"""Pages of the manual: their titles, headings, links and order, and what is told when something is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual.__main__ import main
from manual.contents import read as read_contents
from manual.pages import read, relative, resolve, slug
from manual.site import build, gather

LINES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40)
SECTION = '[[section]]\ntitle = "A"\nsays = "b"\nfolder = ""\npages = ["a.md"]\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs/adr").mkdir(parents=True)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n", "utf-8")
    (tmp_path / "docs/a.md").write_text("# A\n\n## One `code` two\n\nSee [b](adr/b.md#c).\n", "utf-8")
    (tmp_path / "docs/adr/b.md").write_text("# B\n\n## C\n\n[back](../a.md#one-code-two)\n", "utf-8")
    return tmp_path


@given(st.lists(LINES, max_size=6))
def test_headings_have_ids_of_their_own_whatever_they_say(headings: list[str]) -> None:
    page = read("a.md", "# Title\n\n" + "\n\n".join(f"## {heading}" for heading in headings))
    anchors = [part.anchor for part in page.parts]
    assert len(anchors) == len(set(anchors)) >= 1


@given(LINES)
def test_text_of_a_page_is_never_markup_of_its_own(text: str) -> None:
    html = read("a.md", f"# Title\n\nbefore <script>{text}</script> <b onclick=x>").html(str)
    assert "<script" not in html
    assert not re.search(r"<b\b", html)


@given(st.sampled_from(["a.md", "x/a.md", "x/y/a.md"]), st.sampled_from(["b.md", "x/b.md", "z/b.md"]))
def test_a_way_there_leads_there(page: str, target: str) -> None:
    assert resolve(page, relative(page, target)) == (target, "")


def test_ids_are_those_of_code_hosts() -> None:
    assert slug("What it proves, and what not") == "what-it-proves-and-what-not"
    assert slug("`inbond run`: distil".replace("`", "")) == "inbond-run-distil"
    assert slug("A", ["a"]) == "a-1"


def test_a_page_without_a_title_is_told() -> None:
    with pytest.raises(ValueError, match=r"a\.md: a page begins with one line '# Title'"):
        read("a.md", "words")


def test_links_are_held_against_pages_headings_and_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manual.site.read_contents", lambda pages: read_contents(pages, SECTION + OTHERS))
    assert set(gather(root).pages) == {"a.md", "adr/b.md", "CHANGELOG.md"}
    for link, told in (
        ("adr/b.md#d", "a.md: adr/b.md#d: no such heading"),
        ("c.md", "a.md: c.md: no such page or file"),
        ("../../outside.md", "a.md: ../../outside.md: no such page or file"),
        ("#nowhere", "a.md: #nowhere: no such heading"),
    ):
        (root / "docs/a.md").write_text(f"# A\n\n## One `code` two\n\n[x]({link})\n", "utf-8")
        with pytest.raises(ValueError, match=re.escape(told)):
            gather(root)


OTHERS = '[[section]]\ntitle = "D"\nsays = ""\nfolder = "adr"\npages = ["CHANGELOG.md"]\n'


def test_pages_that_are_not_named_stand_in_the_section_of_their_folder() -> None:
    found = read_contents({"a.md", "c.md", "adr/b.md", "CHANGELOG.md"}, SECTION + OTHERS)
    assert [section.pages for section in found] == [("a.md", "c.md"), ("CHANGELOG.md", "adr/b.md")]


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ({"b.md", "CHANGELOG.md"}, r"there is no page: \['a\.md'\]"),
        ({"a.md", "CHANGELOG.md", "far/x.md"}, r"no section takes \['far/x\.md'\]"),
    ],
)
def test_contents_that_do_not_fit_the_pages_are_told(pages: set[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_contents(pages, SECTION + OTHERS)


def test_a_page_named_twice_is_told() -> None:
    with pytest.raises(ValueError, match=r"named twice: \['a\.md'\]"):
        read_contents({"a.md"}, SECTION + SECTION)


def test_a_folder_with_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    assert main([str(tmp_path)]) == 2
    assert "holds something else than a manual" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text("utf-8") == "mine"


def test_it_is_built_anew_over_an_earlier_one(tmp_path: Path) -> None:
    manual = gather()
    build(manual, tmp_path / "out")
    (tmp_path / "out/old.html").write_text("old", "utf-8")
    first = {
        path: path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.name != "old.html" and path.is_file()
    }
    build(manual, tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == first
    assert len(list((tmp_path / "out").rglob("*.html"))) == len(manual.pages) > 60
