"""What is said of an article: whatever a model replies, nothing wrong is kept, and it comes to an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inbond.briefing import checks, claims, numbers, prompting, replies, saying
from inbond.briefing.article import Meta, article_of
from inbond.briefing.blocks import Piece
from inbond.briefing.claims import Ground
from inbond.briefing.saying import MOST_ASKS, Said
from tests.briefing_examples import article

ARTICLE = article()
GROUND = Ground.of(ARTICLE, "ja")
HEAD: dict[str, Any] = {
    "title": "新しいモデルの公開について",
    "summary": "Acme Labsは70億パラメータのモデルを公開した。",
    "tags": ["モデル", "公開"],
    "axes": {"novelty": 1, "reach": 2, "evidence": 3},
}
POINT: dict[str, Any] = {
    "heading": "訓練の費用",
    "sentence": "訓練には12日間と約120万ドルがかかった。",
    "block": "b3",
    "quote": "Training took 12 days on 64 chips",
}
OTHERS: list[dict[str, Any]] = [
    {
        "heading": "公開",
        "sentence": "モデルは火曜日に公開された。",
        "block": "b1",
        "quote": "released a model",
    },
    {
        "heading": "長さ",
        "sentence": "一度に32,000トークンを読む。",
        "block": "b5",
        "quote": "It reads 32,000 tokens",
    },
]
OPINION: dict[str, Any] = {
    "impact": [{"text": "小さな組織にも使えるようになる見込みである。", "blocks": ["b1"]}],
    "comment": "費用の内訳は示されていないため、続報を待ちたい。",
}


def run(reply: Callable[[saying.Ask], str]) -> tuple[Said, list[saying.Ask]]:
    """Plays it to the end; the state and all that was asked."""
    given_: dict[str, str] = {}
    asked: list[saying.Ask] = []
    while (state := saying.saying(ARTICLE, "ja", given_)).due:
        asked += state.due
        given_ |= {ask.key: reply(ask) for ask in state.due}
    return state, asked


def right(ask: saying.Ask) -> str:
    if ask.question == "points":
        return json.dumps({"points": [POINT, *OTHERS]})
    return json.dumps(HEAD if ask.question == "head" else OPINION)


def holds(state: Said) -> None:
    """What must be true of any state, whatever was replied."""
    for point in state.points:
        assert checks.quote(point.quote, ARTICLE.by_id[point.block], point.block) == ()
        for text in (point.heading, point.sentence):
            assert set(numbers.written(text)) <= GROUND.known
    for text in (state.title, state.summary, state.comment, *(each.text for each in state.impact)):
        assert set(numbers.written(text)) <= GROUND.known
        assert "://" not in text
    assert all(block in ARTICLE.by_id for each in state.impact for block in each.blocks)
    assert len(state.points) <= saying.MOST_POINTS
    assert len(state.tags) == len({tag.casefold() for tag in state.tags}) <= claims.MOST_TAGS
    told = {each.part for each in state.left_out}
    for part in (*saying.HEAD, *saying.OPINION):
        assert (part in told) == (getattr(state, part) in ("", (), None)), part
    assert ("points" in told) == (len(state.points) < 3)


def test_right_replies_are_asked_for_once_each() -> None:
    state, asked = run(right)
    assert [ask.key for ask in asked] == ["head/1", "points/1", "opinion/1"]
    assert (state.title, state.tags, len(state.points), state.left_out) == (
        HEAD["title"],
        ("モデル", "公開"),
        3,
        (),
    )
    holds(state)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=30)
    | st.sampled_from(["b1", "b3", "b99", "It reads 32,000 tokens", "新しいモデル", "99ドル", "x" * 900]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ONE_POINT = st.fixed_dictionaries({name: VALUES | st.just(POINT[name]) for name in POINT})
ONE_IMPACT = st.fixed_dictionaries({"text": VALUES, "blocks": VALUES | st.just(["b1"])})
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "title": VALUES | st.just(HEAD["title"]),
        "summary": VALUES | st.just(HEAD["summary"]),
        "tags": VALUES | st.lists(st.text(max_size=50), max_size=9),
        "axes": VALUES | st.dictionaries(st.sampled_from(checks.AXES), st.integers(-1, 7)),
        "points": VALUES | st.lists(ONE_POINT, max_size=8),
        "impact": VALUES | st.lists(ONE_IMPACT, max_size=5),
        "comment": VALUES | st.just(OPINION["comment"]),
    },
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(FIELDS.map(json.dumps) | st.text(max_size=60), min_size=1, max_size=9))
@example(["{" * 5000])
@example(['{"title": "\\ud800 \\u0000"}'])
def test_whatever_is_replied_it_ends_and_nothing_wrong_is_kept(texts: list[str]) -> None:
    count = iter(range(1_000))
    state, asked = run(lambda _: texts[next(count) % len(texts)])
    assert len(asked) <= 3 * MOST_ASKS
    assert len({ask.key for ask in asked}) == len(asked)
    holds(state)
    for ask in asked:
        told = prompting.messages(ask, ARTICLE, "ja", described=True, shown=12_000)
        assert told[1].content.count("<<<") == 1


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["head/1", "points/1", "opinion/1", "head/2"]), FIELDS.map(json.dumps))
)
def test_the_same_replies_give_the_same_state_in_any_order(given_: dict[str, str]) -> None:
    one = saying.saying(ARTICLE, "ja", given_)
    assert saying.saying(ARTICLE, "ja", dict(reversed(given_.items()))) == one
    assert saying.saying(ARTICLE, "ja", {**given_, "opinion/3": "{}", "other/1": "x"}) == one


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quote": "Training took 13 days on 64 chips"}, "do not stand in it"),
        ({"quote": "days"}, "too short to be evidence"),
        ({"block": "b1"}, "do not stand in it"),
        ({"block": "b42"}, "no such block"),
        ({"sentence": "訓練には13日間かかった。"}, "says 13, a number that the article does not have"),
        ({"heading": "5倍の速さ"}, "says 5, a number"),
        ({"sentence": "It took them a long time to train this model of theirs."}, "not in the language 'ja'"),
        ({"sentence": "訓練は長かった。費用も高かった。"}, "more than one sentence"),
        ({"sentence": "詳しくは https://evil.example/ を見よ。"}, "an address"),
        ({"sentence": "長" * 300}, "too long"),
        ({"heading": ""}, "missing or empty"),
        ({"heading": 7}, "missing or empty"),
    ],
)
def test_a_wrong_point_is_told_and_the_right_ones_stay(change: dict[str, Any], said: str) -> None:
    wrong = {**POINT, **change}
    reply = {"points": [wrong, OTHERS[0]]}
    asked: list[saying.Ask] = []
    state, asked = run(lambda ask: json.dumps(reply) if ask.question == "points" else right(ask))
    assert [point.block for point in state.points] == ["b1"]
    again = next(ask for ask in asked if ask.key == "points/2")
    assert said in " ".join(map(str, again.problems))
    assert (again.kept, again.least, again.most) == (("公開",), 2, 4)
    words = prompting.messages(again, ARTICLE, "ja", described=False, shown=12_000)[1].content
    assert said.split("'")[0] in words
    assert "公開" in words
    (left,) = state.left_out
    assert left.part == "points"
    assert left.why.startswith("1 of at least 3 came right")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": "Acme releases an open model"}, "came back as it was"),
        ({"title": ""}, "the title is missing"),
        ({"summary": "モデルを公開した。費用も示した。"}, "the summary has more than one sentence"),
        ({"summary": "モデルは99億パラメータである。"}, "99"),
        ({"tags": ["A", "a"]}, "a tag stands twice"),
        ({"tags": []}, "there are 0 tags"),
        ({"tags": ["x"] * 9}, "there are 9 tags"),
        ({"tags": "モデル"}, "no list of texts"),
        ({"axes": {"novelty": 9, "reach": 1, "evidence": 1}}, "a whole number from 0 to 5"),
        ({"axes": {"novelty": 4.8, "reach": 1, "evidence": 1}}, "a whole number from 0 to 5"),
        ({"axes": {"novelty": 1, "reach": 1, "evidence": 1, "score": 5}}, "and nothing else"),
    ],
)
def test_a_wrong_field_of_the_head_is_asked_for_alone(change: dict[str, Any], said: str) -> None:
    (name,) = change
    first = json.dumps({**HEAD, **change})
    state, asked = run(lambda ask: first if ask.key == "head/1" else right(ask))
    again = next(ask for ask in asked if ask.key == "head/2")
    assert again.wanted == (name,)
    assert said in " ".join(map(str, again.problems))
    assert state.left_out == ()
    schema = prompting.schema(again)
    assert list(schema["properties"]) == [name]


def test_an_opinion_that_cites_no_block_is_left_out_and_the_comment_stays() -> None:
    wrong = {
        "impact": [{"text": "広く使われるようになる見込みである。", "blocks": []}],
        "comment": OPINION["comment"],
    }
    state, _ = run(lambda ask: json.dumps(wrong) if ask.question == "opinion" else right(ask))
    assert (state.impact, state.comment) == ((), OPINION["comment"])
    assert [(each.part, each.why) for each in state.left_out] == [
        ("impact", "it names no block that it rests on")
    ]


def test_a_title_in_the_readers_language_is_not_asked_for() -> None:
    state = saying.saying(ARTICLE, "en", {})
    assert state.title == ARTICLE.meta.title
    assert state.due[0].wanted == ("summary", "tags", "axes")


def test_a_short_article_needs_fewer_points() -> None:
    short = article_of(
        [Piece("paragraph", "The library closes on Monday for repairs.")], Meta(title="Closed"), source="x"
    )
    given_ = {
        "points/1": json.dumps(
            {
                "points": [
                    {
                        **POINT,
                        "sentence": "図書館は月曜日に閉まる。",
                        "heading": "休館",
                        "block": "b1",
                        "quote": "closes on Monday",
                    }
                ]
            }
        )
    }
    assert [ask.question for ask in saying.saying(short, "ja", given_).due] == ["head", "opinion"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One sentence.", 1), ("Two. Sentences.", 2), ("Dr. Smith of Acme Inc. spoke.", 1), 
        ("In the U.S. officials agreed.", 1),
        ("Version 2.3.1 is out", 1), ("It grew by 3.5 percent.", 1), ("Really? Yes.", 2), ("一文である。", 1),
        ("一文。二文。", 2), ("「始まった。今日だ。」と述べた。", 1),
        ("He said “Go. Now.” and left.", 1), ("", 1),
        ("جملة أولى. جملة ثانية.", 2), ("すごい！本当に？はい。", 3), ("A. B. Miller wrote it.", 1),
    ],
)  # fmt: skip
def test_sentences_are_counted_with_care(text: str, count: int) -> None:
    assert claims.sentences(text) == count


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '```json\n{"a": 1}\n```',
        'Here it is:\n{"a": 1}\nDone.',
        '<think>hm {"b": 2}</think>{"a": 1}',
    ],
)
def test_an_object_is_read_out_of_what_stands_around_it(text: str) -> None:
    assert replies.read(text) == {"a": 1}


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"a": 1, "a": 2}', '{"a": NaN}', "{", "{" * 9_000, "x" * 500_000]
)
def test_what_is_no_object_is_none(text: str) -> None:
    assert replies.read(text) is None


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    ["あ" * 300_000, "a.a" * 100_000, "。あ" * 150_000, "." * 300_000 + "x", "a. B " * 60_000,
     "「" * 300_000 + "x", "a b@" * 70_000, "https://" * 40_000, "https://" + "(a" * 150_000,
     "two and a half " * 20_000, "1 111" * 60_000, "Aa bb" * 60_000],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_a_reply_of_any_length_is_judged_in_time(text: str) -> None:
    found = claims.claim(text, "the summary", claims.MOST_SENTENCE, GROUND, sentence=True)
    assert "length" in [each.check for each in found]
    assert claims.sentences(text) == (150_001 if "。" in text else 1)


@pytest.mark.parametrize("number", ["1" + "兆" * 90_000, "9" * 1_000_001])
def test_a_number_that_is_too_long_is_one_that_the_article_does_not_have(number: str) -> None:
    found = claims.claim(
        f"費用は{number}円である。", "the summary", claims.MOST_SENTENCE, GROUND, sentence=True
    )
    assert {each.check for each in found} == {"length", "numbers"}


def test_a_claim_is_read_as_its_own_language_writes_numbers() -> None:
    source = article_of(
        [Piece("paragraph", "The firm employs 12,000 people in Berlin.")], Meta(language="en"), source="x"
    )
    ground = Ground.of(source, "de")

    def unknown(text: str) -> list[str]:
        return [each.check for each in claims.claim(text, "the summary", 400, ground, sentence=True)]

    assert unknown("Das Unternehmen beschäftigt 12.000 Menschen.") == []
    assert unknown("Das Unternehmen beschäftigt 12 Menschen.") == ["numbers"]
    assert unknown("Das Unternehmen beschäftigt 1.200 Menschen.") == ["numbers"]
