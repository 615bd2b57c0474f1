"""A day's content and its feed: each briefing in one entry, the best speaks, the same bytes, valid Atom."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.briefing.briefing import Briefing
from inbond.briefing.day import Day, made_within, main_language, model_name, of_day, span
from inbond.briefing.feed import feed_of
from inbond.errors import InputError, NewerFormatError
from inbond.report.briefing_day_page import render_briefing_day
from inbond.report.text import visible
from tests.briefing_days import OTHER, STRIKE, STRIKE_TOO, TEXTS, point, told

DATE = date(2026, 11, 23)
WITHIN = span(DATE, UTC)
ATOM = "{http://www.w3.org/2005/Atom}"


def of(*briefings: Briefing, title: str = "") -> Day:
    return of_day(DATE, WITHIN, briefings, title)


@st.composite
def days(draw: st.DrawFn) -> list[Briefing]:
    count = draw(st.integers(1, 6))
    return [
        told(
            f"{n}", draw(TEXTS), draw(TEXTS), score=draw(st.sampled_from([None, 0, 2, 5])),
            made_at=f"2026-11-23T0{draw(st.integers(0, 9))}:00:00Z", tags=[draw(TEXTS)],
            points=[point(draw(TEXTS), draw(TEXTS))], model={"uri": draw(TEXTS), "identity": "x"},
            source={"title": draw(TEXTS), "url": draw(st.sampled_from(["", "https://a.example/1", f"https://a.example/{n}"]))},
        )
        for n in range(count)
    ]  # fmt: skip


@given(days(), st.data())
@settings(deadline=None, max_examples=60)
def test_in_any_order_the_same_bytes_and_each_briefing_in_one_entry(
    found: list[Briefing], data: st.DataObject
) -> None:
    day, again = of(*found), of(*data.draw(st.permutations(found)))
    assert day == again == Day.from_json(day.to_json())
    assert feed_of([day], "t") == feed_of([again], "t")
    assert render_briefing_day(day, "../../") == render_briefing_day(again, "../../")
    ids = [source.id for entry in day.entries for source in entry.sources]
    assert len(ids) == len(set(ids))
    assert {entry.briefing for entry in day.entries} <= set(ids) <= {each.id for each in found}
    assert len({entry.id for entry in day.entries}) == len(day.entries)
    addresses = [source.url for entry in day.entries for source in entry.sources if source.url]
    assert sorted(addresses) == sorted({each.source.url for each in found} - {""})


@given(days(), st.text(max_size=20))
@settings(deadline=None, max_examples=60)
def test_whatever_they_say_the_feed_is_xml_and_has_what_atom_demands(
    found: list[Briefing], title: str
) -> None:
    day = of(*found)
    data = feed_of([day], title)
    root = ElementTree.fromstring(data)
    assert root.tag == f"{ATOM}feed"
    demanded(root)
    entries = root.findall(f"{ATOM}entry")
    assert [node.findtext(f"{ATOM}id") for node in entries] == [entry.id for entry in day.entries]
    for node in entries:
        demanded(node)
        assert "machine-written" in (node.findtext(f"{ATOM}author/{ATOM}name") or "")
        alternates = [link for link in node.findall(f"{ATOM}link") if link.get("rel") == "alternate"]
        assert len(alternates) <= 1
        content = node.find(f"{ATOM}content")
        assert content is not None
        assert content.get("type") == "xhtml"
        assert [child.tag for child in content] == ["{http://www.w3.org/1999/xhtml}div"]
    text = data.decode()
    assert "Training took 12 days" not in text, "no words of the article"
    assert "訓練は64個のチップ" not in text, "no translation"


def demanded(node: ElementTree.Element) -> None:
    """RFC 4287, 4.1.1 and 4.1.2: exactly one id, title and updated, each in its form."""
    for name in ("id", "title", "updated"):
        assert len(node.findall(f"{ATOM}{name}")) == 1, name
    id_ = UUID((node.findtext(f"{ATOM}id") or "").removeprefix("urn:uuid:"))
    assert (id_.version, id_.variant) == (8, "specified in RFC 4122")
    datetime.fromisoformat(node.findtext(f"{ATOM}updated") or "")
    assert node.findall(f"{ATOM}author")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_no_word_of_the_feed_is_obeyed(word: str) -> None:
    """Neither what turns the reading direction nor what a terminal would: as on the pages."""
    word = f"a\u202e\u2066\x1b{word}z"
    source = {"title": word, "site": word, "from": "f", "url": ""}
    linked = {**source, "url": f"https://news.example/{word.encode().hex()}"}
    texts = {"points": [point(word, word)], "tags": [word], "summary": word}
    day = of(told("1", word, source=source, **texts), told("2", *OTHER, source=linked))
    text = feed_of([day], word).decode()
    assert "[U+202E]" in text
    assert visible(text) == text


def test_a_reader_of_feeds_understands_it() -> None:
    day = of(told("1", *STRIKE, points=[point("Ships", "60 <wait>.")], tags=["ports"]), told("2", *OTHER))
    read = feedparser.parse(feed_of([day], "News & <more>"))
    assert not read.bozo, read.get("bozo_exception")
    assert read.version == "atom10"
    assert read.feed.title == "News &amp; &lt;more&gt;" or read.feed.title == "News & <more>"
    first = next(entry for entry in read.entries if entry.title == STRIKE[0])
    assert first.link == "https://news.example/1"
    assert first.author == "api:example/m (machine-written)"
    assert [tag.term for tag in first.tags] == ["ports"]
    assert "60 &lt;wait&gt;." in first.content[0].value
    assert "機械（api:example/m）の意見であり" in first.content[0].value
    assert "No licence to the articles is given" in read.feed.rights


def test_the_best_score_speaks_then_the_longest_and_all_sources_are_named() -> None:
    short, long = told("1", *STRIKE, score=4), told("2", *STRIKE_TOO, score=4)
    low = told("3", *STRIKE, score=1, points=[point("x" * 200, "y" * 200)])
    entry = of(short, long, low).entries[0]
    assert (entry.merged, entry.title, entry.briefing) == (3, STRIKE_TOO[0], long.id)
    assert [source.id for source in entry.sources] == [long.id, short.id, low.id]
    assert entry.score == "4.0"


def test_the_same_article_again_is_no_second_source() -> None:
    one = told("1", *STRIKE, score=2)
    again = told("2", *STRIKE_TOO, score=5, source={"url": one.source.url + "?utm_source=x"})
    entry = of(one, again).entries[0]
    assert (entry.merged, [source.id for source in entry.sources]) == (1, [again.id])


def test_by_score_then_breadth_and_what_has_none_last() -> None:
    none = told("0", "Nothing", "No score here", score=None)
    broad = [told("1", *STRIKE, score=3), told("2", *STRIKE_TOO, score=3)]
    narrow = told("3", *OTHER, score=3, made_at="2026-11-23T00:00:00Z")
    best = told("4", "Quite another matter", "The glacier lost ice", score=5)
    assert [entry.title for entry in of(none, narrow, *broad, best).entries] == [
        "Quite another matter", STRIKE_TOO[0], OTHER[0], "Nothing"
    ]  # fmt: skip


def test_an_entry_keeps_its_name_when_more_is_told_later() -> None:
    first = told("1", *STRIKE, made_at="2026-11-23T08:00:00Z")
    later = told("2", *STRIKE_TOO, made_at="2026-11-23T10:00:00Z", score=5)
    before, after = of(first), of(first, later)
    assert before.id == after.id
    assert before.entries[0].id == after.entries[0].id
    assert (after.entries[0].published, after.entries[0].updated) == (first.made_at, later.made_at)


def test_what_has_no_title_is_called_as_its_source() -> None:
    assert of(told("1", "")).entries[0].title == "Source of 1"


def test_a_day_is_one_of_the_readers_clock() -> None:
    tokyo, york = (span(DATE, ZoneInfo(name)) for name in ("Asia/Tokyo", "America/New_York"))
    late = told("1", *STRIKE, made_at="2026-11-22T15:00:00Z")
    assert made_within([late], *tokyo) == [late]
    assert made_within([late], *WITHIN) == []
    assert made_within([late], *york) == []
    never = told("2", *STRIKE, made_at="2026-13-45T99:00:00Z")
    assert made_within([never], *WITHIN) == []
    changed = span(date(2026, 11, 1), ZoneInfo("America/New_York"))
    assert (changed[1] - changed[0]).total_seconds() == 25 * 3600


def test_the_language_of_most() -> None:
    found = [told("1", "x"), told("2", "x", language="en"), told("3", "x", language="en")]
    assert main_language(found) == "en"
    assert main_language(found[:2]) == "en"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("gguf:/home/me/models/a.gguf", "gguf:a.gguf"), ("gguf:models/a.gguf#q4", "gguf:a.gguf#q4"),
        ("hf:./mine/model/", "hf:model"), ("hf:org/name", "hf:org/name"), ("api:host:80/m", "api:host:80/m"),
        ("gguf:C:\\models\\a.gguf", "gguf:a.gguf"), ("", ""),
    ],
)  # fmt: skip
def test_others_do_not_see_the_folders_of_this_machine(uri: str, name: str) -> None:
    assert model_name(uri) == name


def test_it_says_whose_words_these_are() -> None:
    assert "A score is a machine's opinion, not fact." in of(told("1", *STRIKE)).to_json()["notice"]


def test_what_is_no_day_is_refused() -> None:
    value = of(told("1", *STRIKE)).to_json()
    with pytest.raises(NewerFormatError):
        Day.from_json(value | {"format": "inbond.briefing-day/2"})
    with pytest.raises(InputError, match="entries"):
        Day.from_json(value | {"entries": []})
    for wrong in ([], {}, "x", value | {"more": 1}):
        with pytest.raises(InputError):
            Day.from_json(wrong)


def test_several_days_are_one_feed_the_newest_first() -> None:
    first = of(told("1", *STRIKE, made_at="2026-11-23T08:00:00Z"))
    next_day = date(2026, 11, 24)
    second = of_day(next_day, span(next_day, UTC), [told("2", *OTHER, made_at="2026-11-24T08:00:00Z")])
    data = feed_of([first, second], "All")
    assert data == feed_of([second, first], "All")
    read = feedparser.parse(data)
    assert [entry.title for entry in read.entries] == [OTHER[0], STRIKE[0]]
    assert read.feed.id not in (first.id, second.id)
    assert read.feed.updated == "2026-11-24T08:00:00Z"
    assert feedparser.parse(feed_of([first], "All")).feed.id == first.id


def test_the_page_shows_what_it_should_and_obeys_nothing() -> None:
    day = of(
        told("1", "<script>alert(1)</script>\x07", "Sum", tags=["<b>"], points=[point("Head", "Fact.")]),
        told("2", *OTHER, source={"url": "", "title": "", "from": "mine.html"}, score=None),
    )  # fmt: skip
    page = render_briefing_day(day, "../../")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;␇" in page
    assert f'href="../../{day.entries[0].briefing}/index.html#b3"' in page
    assert "意見であり、事実ではない" in page
    assert "mine.html" in page
    assert "Training took 12 days" not in page
    public = render_briefing_day(day, None)
    assert "../" not in public
    assert 'href="https://news.example/1"' in public
