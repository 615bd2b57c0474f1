"""A translation asks for each block once, again for what failed, and not for ever."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.briefing.article import Article, Meta
from inbond.briefing.blocks import Piece, number
from inbond.briefing.translating import MOST_ASKS, Ask, translation

WORDS = [f"The gate number {n} closes when the water rises above the mark." for n in range(30)]
ARTICLE = Article(
    Meta(language="en"), number([*(Piece("paragraph", each) for each in WORDS), Piece("code", "x = 1")])
)


def japanese(ask: Ask, wrong: frozenset[str] = frozenset()) -> str:
    said = [
        {
            "id": block.id,
            "text": block.text
            if block.id in wrong
            else f"水位が上がると水門{int(block.id[1:]) - 1}が閉じる。",
        }
        for block in ask.blocks
    ]
    return json.dumps({"blocks": said})


@settings(max_examples=15)
@given(st.frozensets(st.sampled_from([f"b{n}" for n in range(1, 31)])))
def test_only_what_failed_is_asked_again(wrong: frozenset[str]) -> None:
    first = translation(ARTICLE, "ja", {})
    assert [block.id for ask in first.due for block in ask.blocks] == [f"b{n}" for n in range(1, 31)]
    replies = {ask.key: japanese(ask, wrong) for ask in first.due}
    second = translation(ARTICLE, "ja", replies)
    assert {block.id for ask in second.due for block in ask.blocks} == wrong
    assert all("not translated" in str(each) for ask in second.due for each in ask.problems)
    replies |= {ask.key: japanese(ask) for ask in second.due}
    last = translation(ARTICLE, "ja", replies)
    assert (last.due, last.failed, set(last.texts)) == ((), (), set(ARTICLE.by_id))
    assert last.texts["b31"] == "x = 1"


@settings(max_examples=15)
@given(st.text(max_size=40) | st.just('{"blocks": []}') | st.just('{"blocks": [{"id": "b1", "text": 3}]}'))
def test_it_ends_whatever_is_replied(reply: str) -> None:
    replies: dict[str, str] = {}
    rounds = 0
    while (state := translation(ARTICLE, "ja", replies)).due:
        replies |= {ask.key: reply for ask in state.due}
        rounds += 1
    assert rounds == MOST_ASKS
    assert {each.block for each in state.failed} == {f"b{n}" for n in range(1, 31)}
    assert set(state.texts) == {"b31"}


def test_what_is_in_the_language_already_is_not_asked_for() -> None:
    found = translation(ARTICLE, "en", {})
    assert found.due == ()
    assert found.texts == {block.id: block.text for block in ARTICLE.blocks}
