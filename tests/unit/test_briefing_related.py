"""Which earlier briefings belong to a new one: few, the likest first, none below the limit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.briefing.briefing import Briefing
from inbond.briefing.related import MOST, related
from inbond.briefing.telling import Telling
from tests.briefing_days import OTHER, STRIKE, STRIKE_TOO, TEXTS, told

NEW = Telling.of(told("new", *STRIKE))


def ids(earlier: list[Briefing]) -> list[str]:
    return [each.id for each in related(NEW, earlier)]


def test_the_likest_first_and_what_has_nothing_to_do_with_it_not_at_all() -> None:
    near, nearer, far = told("1", *STRIKE_TOO), told("2", *STRIKE), told("3", *OTHER)
    assert ids([near, far, nearer]) == [nearer.id, near.id]
    first = related(NEW, [nearer])[0]
    assert first.model_dump() == {
        "id": nearer.id, "title": STRIKE[0], "date": "2026-11-20", "site": "news.example"
    }  # fmt: skip
    assert related(NEW, []) == ()


def test_few_and_neither_itself_nor_its_own_article() -> None:
    many = [told(f"{n}", *STRIKE) for n in range(MOST + 3)]
    assert len(ids(many)) == MOST
    again = told("again", *STRIKE, source={"url": "https://www.news.example/new"})
    assert ids([told("new", *STRIKE), again]) == []


def test_an_article_that_was_briefed_twice_is_listed_by_the_later() -> None:
    old = told("old", *STRIKE, made_at="2026-11-20T09:00:00Z")
    later = told("later", *STRIKE_TOO, made_at="2026-11-21T09:00:00Z", source={"url": old.source.url})
    assert ids([old, later]) == [later.id]


def test_a_rare_number_says_more_than_a_common_one() -> None:
    new = Telling("x", "Outlook", "Sales of 84,213 units")
    common = [told(f"c{n}", "Report", f"Results of {n + 500} and 31") for n in range(6)]
    rare = told("rare", "Shipping", "Exactly 84,213 units")
    found = related(new, [*common, rare])
    assert [each.id for each in found][:1] == [rare.id]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), st.data())
@settings(deadline=None, max_examples=40)
def test_the_order_in_which_they_come_does_not_matter(
    texts: list[tuple[str, str]], data: st.DataObject
) -> None:
    earlier = [told(f"{n}", title, summary) for n, (title, summary) in enumerate(texts)]
    assert related(NEW, data.draw(st.permutations(earlier))) == related(NEW, earlier)
