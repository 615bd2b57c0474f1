"""One question of a briefing by itself: what is wrong with a reply, and the verifier that says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.briefing import prompting, questions, ruling, saying, translating
from inbond.briefing.article import Article
from inbond.briefing.prompting import Ask
from inbond.engine.verifying.opening import Chosen, Rules
from inbond.engine.verifying.sandbox import Limits
from tests.briefing_examples import article
from tests.briefing_model import answer

ARTICLE = article()
ASKS = {questions.kind_of(ask): ask for ask in questions.first(ARTICLE, "ja")}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def reply(ask: Ask, told: Article = ARTICLE) -> str:
    return answer(prompting.messages(ask, told, "ja", described=False, shown=prompting.SHOWN))


def changed(kind: questions.Kind, change: Callable[[Any], None]) -> str:
    value = json.loads(reply(ASKS[kind]))
    change(value)
    return json.dumps(value, ensure_ascii=False)


def checks_of(kind: questions.Kind, text: str) -> set[str]:
    return {each.check for each in questions.wrong(ASKS[kind], text, ARTICLE, "ja")}


def test_the_first_questions_are_those_that_are_due_before_any_reply() -> None:
    assert set(ASKS) == set(questions.KINDS)
    in_its_own = {questions.kind_of(ask) for ask in questions.first(ARTICLE, "en")}
    assert in_its_own == {"head", "points", "opinion"}, "nothing is translated"


@pytest.mark.parametrize("kind", questions.KINDS)
def test_nothing_is_wrong_with_a_right_reply(kind: questions.Kind) -> None:
    assert questions.wrong(ASKS[kind], reply(ASKS[kind]), ARTICLE, "ja") == ()


@pytest.mark.parametrize("kind", questions.KINDS)
@pytest.mark.parametrize("text", ["", "I cannot do that.", "[1, 2]", '{"a": 1', "{}"])
def test_no_reply_of_another_form_passes(kind: questions.Kind, text: str) -> None:
    assert questions.wrong(ASKS[kind], text, ARTICLE, "ja")


def _drop(value: Any) -> None:
    value["blocks"].pop()


def _number(value: Any) -> None:
    value["blocks"][0]["text"] += "12345"


def _leave(value: Any) -> None:
    longest = max(ASKS["translate"].blocks, key=lambda block: len(block.text))  # type: ignore[union-attr]
    next(each for each in value["blocks"] if each["id"] == longest.id)["text"] = longest.text


def _invent(value: Any) -> None:
    value["points"][0]["quote"] = "words that the article never had in it"


def _no_block(value: Any) -> None:
    value["impact"].append({"text": "ほかの組織にも広く影響が及ぶ可能性がある。", "blocks": ["b999"]})


def _axes(value: Any) -> None:
    value["axes"]["reach"] = 6


@pytest.mark.parametrize(
    ("kind", "change", "check"),
    [
        ("translate", _drop, "ids"),
        ("translate", _number, "numbers"),
        ("translate", _leave, "untranslated"),
        ("points", _invent, "quote"),
        ("opinion", _no_block, "ids"),
        ("head", _axes, "axes"),
        ("head", lambda value: value.pop("tags"), "reply"),
    ],
)
def test_half_right_is_wrong_and_says_why(
    kind: questions.Kind, change: Callable[[Any], None], check: str
) -> None:
    text = changed(kind, change)
    assert check in checks_of(kind, text)
    ruled = ruling.rule(text, ruling.expectation(ARTICLE, "ja", ASKS[kind]))
    assert (ruled.outcome, ruled.kind) == ("failed", f"{kind}: {check}")


def test_what_a_briefing_would_take_in_part_is_not_learnt_whole() -> None:
    text = changed("points", lambda value: value["points"].append({"heading": "?"}))
    ask = ASKS["points"]
    assert isinstance(ask, saying.Ask)
    taken = saying.saying(ARTICLE, "ja", {ask.key: text})
    assert taken.points, "make takes the right ones"
    assert not any(due.question == "points" for due in taken.due)
    assert questions.wrong(ask, text, ARTICLE, "ja")


@given(JSON)
@settings(max_examples=60, deadline=None)
def test_whatever_is_expected_there_is_a_ruling(expected: Any) -> None:
    assert ruling.rule("{}", expected).outcome == "cannot-tell"


@given(st.sampled_from(questions.KINDS), JSON)
@settings(max_examples=100, deadline=None)
def test_whatever_is_replied_there_is_a_ruling_and_none_lets_it_pass(kind: Any, value: Any) -> None:
    expected = ruling.expectation(ARTICLE, "ja", ASKS[kind])
    assert ruling.rule(json.dumps(value), expected).outcome == "failed"


@pytest.mark.parametrize("number", ["1" + "兆" * 90_000, "9" * 90_000])
def test_a_number_without_end_is_wrong_and_breaks_nothing(number: str) -> None:
    text = changed("head", lambda value: value.update(summary=f"費用は{number}円である。"))
    ruled = ruling.rule(text, ruling.expectation(ARTICLE, "ja", ASKS["head"]))
    assert (ruled.outcome, ruled.kind) == ("failed", "head: length")


def test_every_module_that_checks_is_part_of_the_verifiers_digest() -> None:
    package = Path(ruling.__file__).parents[1]
    waiting, seen = ["briefing/checks.py", "briefing/claims.py", "briefing/questions.py"], set[str]()
    while waiting:
        seen.add(name := waiting.pop())
        told = re.findall(
            r"^from inbond\.(briefing|engine)(?:\.(\w+))? import (.+)", (package / name).read_text(), re.M
        )
        named = [
            f"{part}/{word}.py" for part, one, many in told for word in ([one] if one else many.split(", "))
        ]
        waiting += [each for each in named if each not in seen]
    assert seen - set(ruling._RULED_BY) <= {
        "briefing/prompting.py",
        "briefing/briefing.py",
        "engine/fence.py",
    }
    assert {"briefing/number_words.py", "engine/wrong_language.py"} <= seen


def test_the_verifier_runs_apart_and_names_what_it_rules_by() -> None:
    rules = Rules(ruling.NAME, ruling.source())
    chosen = Chosen("briefing", Limits(seconds=30.0), rules=rules)
    assert chosen.tool == f"tool:inbond.briefing@{ruling.source()[7:19]}"
    other = Chosen("briefing", Limits(seconds=30.0), rules=Rules(ruling.NAME, "sha256:0"))
    assert other.to_json() != chosen.to_json()
    verifier = chosen.open()
    try:
        for kind, ask in ASKS.items():
            expected = json.loads(json.dumps(ruling.expectation(ARTICLE, "ja", ask)))
            assert verifier.check(reply(ask), expected).outcome == "passed", kind
            assert verifier.check("no", expected).outcome == "failed", kind
    finally:
        verifier.close()


def test_a_long_article_is_ruled_on_batch_by_batch() -> None:
    asks = [ask for ask in questions.first(ARTICLE, "ja") if isinstance(ask, translating.Ask)]
    for ask in asks:
        ruled = ruling.rule(reply(ask), ruling.expectation(ARTICLE, "ja", ask))
        assert ruled.outcome == "passed"
