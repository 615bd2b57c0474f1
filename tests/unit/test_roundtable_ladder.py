"""How a ballot is got out of a model that does what it likes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.roundtable.ballots import Ballot
from inbond.roundtable.due import Ask
from inbond.roundtable.forms import read_ballot
from inbond.roundtable.ladder import MOST_READ, RUNGS, Read, read
from inbond.roundtable.protocol import session
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat, Turn
from tests import roundtable_scripted as scripted
from tests import roundtable_simulated as simulated

QUESTION = Question.make("Is it right?", ["Yes", "No"], "en")
YES, NO = (option.id for option in QUESTION.options)


def reader(value: Any) -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    found = read_ballot(value, QUESTION)
    return found.ballot and found.ballot.to_json(), found.problems, found.lapses


def reading(text: str, finish: str = "stop") -> Read:
    return read("json_schema", text, finish, len(text), reader)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (scripted.ballot(NO), "json_schema"),
        (f"```json\n{scripted.ballot(NO)}\n```", "json_schema"),
        (f"<think>\nVOTE: {YES}\n</think>{scripted.ballot(NO)}", "json_schema"),
        (f"Here is my vote:\n{scripted.ballot(NO)}\nThank you.", "json_object"),
        (f"It is wrong.\nCLAIM: It harms.\n**VOTE: {NO}**", "line"),
        ("It is wrong.\nVOTE：No", "line"),
    ],
)
def test_a_vote_is_found_where_it_is_said(text: str, path: str) -> None:
    found = reading(text)
    assert found.value is not None
    assert (found.path, found.value["vote"]) == (path, NO)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the reply is not in the form that was asked for"),
        ("I would vote No, since it harms.", "the reply is not in the form that was asked for"),
        (f"VOTE: {NO}\nOr perhaps not.", "the reply is not in the form that was asked for"),
        (f"{scripted.ballot(NO)} or rather {scripted.ballot(YES)}", "the reply is not in the form"),
        ('{"vote": "' + NO + '", "vote": "' + YES + '", "reasoning": "x"}', "the reply is not in the form"),
        (scripted.ballot("maybe"), "the vote 'maybe' is none of: "),
        (scripted.ballot(f"{YES} or {NO}"), " is none of: "),
        (json.dumps({"reasoning": "So it is."}), 'the field "vote" is missing'),
        (json.dumps({"vote": NO}), 'the field "reasoning" is missing or empty'),
        (json.dumps({"vote": [NO], "reasoning": "x"}), 'the field "vote" is missing or no text'),
    ],
)
def test_what_is_no_vote_is_none(text: str, problem: str) -> None:
    found = reading(text)
    assert (found.path, found.value) == ("invalid", None)
    assert problem in found.problems[0]


def test_a_reply_of_two_megabytes_is_not_looked_through() -> None:
    found = reading(scripted.ballot(NO, reasoning="a" * 2_000_000))
    assert found.value is None
    assert found.problems[0].startswith("the reply has 2,000,")
    assert found.problems[0].endswith(f"no more than {MOST_READ:,} are looked at")


HOSTILE = (
    "{" * 60_000,
    '{"a":' * 12_000,
    "<think>" * 9_000,
    "VOTE:" + " " * 60_000,
    "VOTE: a" + "!" * 60_000 + "b!",
    ("CLAIM" + " " * 500 + "\n") * 100 + "VOTE: x",
    "* " * 30_000,
    json.dumps({"vote": YES, "reasoning": "GPT-" * 15_000, "claims": ["a. " * 20_000]}),
)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_reply_takes_long_to_read(text: str) -> None:
    reading(text)


def test_a_reply_that_was_cut_is_said_to_be_cut() -> None:
    assert reading(scripted.ballot(NO)[:80], "length").problems == (
        "the reply was cut off at its greatest length; be shorter",
    )


FIELDS = ("vote", "reasoning", "claims", "text", "confidence", "influenced_by", "rebuttal", "seat", "effect")
leaves = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from((YES, NO, "abstain", "Seat A", "c1", "adopted"))
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=12,
)


@given(st.text(max_size=300) | st.builds(json.dumps, values))
def test_whatever_is_said_a_vote_is_read_only_where_it_stands(text: str) -> None:
    found = reading(text)
    assert (found.value is None) == (found.path == "invalid") == bool(found.problems)
    if found.value is not None:
        ballot = Ballot.from_json(found.value)
        said = [text.casefold().count(word) for word in ("yes", "no", "abstain", YES.lower(), NO.lower())]
        assert any(said)
        assert ballot.vote in (YES, NO, None)
        assert 1 <= len(ballot.claims) <= 3
        json.dumps(found.value, allow_nan=False)


@given(values)
def test_second_answers_are_read_whatever_they_hold(value: Any) -> None:
    read_ballot(value, QUESTION, ("Seat A",))


# The way down ----------------------------------------------------------------------------------------


def turn_of(*happen: Any) -> tuple[Turn, list[Ask]]:
    """What comes of one seat to which these things happen in turn, and what it was asked."""
    line, asked = list(happen), []

    def happens(ask: Ask) -> Any:
        asked.append(ask)
        return line.pop(0)

    events = simulated.begin(simulated.opened(QUESTION, [Seat("ada", "u")], writer=None))
    state = simulated.play(events, happens)
    assert line == [], "all of it happened"
    found = session(state).seats[0].last
    assert found is not None
    return found, asked


def test_a_host_that_cannot_is_asked_on_the_next_rung() -> None:
    cannot = simulated.failed("rejected")
    turn, asked = turn_of(cannot, cannot, cannot, simulated.answered(f"It harms.\nVOTE: {NO}"))
    assert [ask.rung for ask in asked] == list(RUNGS)
    assert [ask.form.kind if ask.form else None for ask in asked] == [
        "json-schema",
        "tool",
        "json-object",
        None,
    ]
    assert (turn.status, turn.path) == ("voted", "line")


def test_a_host_that_cannot_do_anything_is_an_error() -> None:
    turn, _ = turn_of(*[simulated.failed("rejected")] * 4)
    assert (turn.status, turn.why) == ("error", "words about rejected")


def test_what_is_wrong_is_sent_back_twice_at_most() -> None:
    wrong = simulated.answered(scripted.ballot("maybe"))
    turn, asked = turn_of(wrong, wrong, wrong)
    assert (turn.status, turn.path, turn.ballot) == ("invalid", "invalid", None)
    assert turn.why.startswith("asked 3 times: the vote 'maybe' is none of: ")
    assert [ask.rung for ask in asked] == ["json_schema"] * 3
    assert "the vote 'maybe' is none of:" in asked[1].messages[-1].content
    assert len({ask.sampling.seed for ask in asked}) == 3


def test_a_host_that_ignores_the_form_is_asked_on_the_next_rung() -> None:
    turn, asked = turn_of(simulated.answered("It is wrong."), simulated.answered(scripted.ballot(NO)))
    assert [ask.rung for ask in asked] == ["json_schema", "tool"]
    assert turn.status == "voted"


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't help with that.", "申し訳ありませんが、お答えできません。"]
)
def test_a_refusal_is_no_nonsense_and_is_not_argued_with(text: str) -> None:
    turn, asked = turn_of(simulated.answered(text))
    assert (turn.status, len(asked)) == ("refused", 1)


def test_a_filter_that_refuses_is_a_refusal() -> None:
    assert turn_of(simulated.failed("refused"))[0].status == "refused"


def test_a_vote_with_a_refusal_in_its_words_is_a_vote() -> None:
    said = scripted.ballot(NO, reasoning="I cannot help with that, one would say, and yet I judge it wrong.")
    assert turn_of(simulated.answered(said))[0].status == "voted"


def test_what_passes_is_tried_again_after_a_while() -> None:
    turn, asked = turn_of(
        simulated.failed("unreachable"),
        simulated.failed("rate-limited", 7.0),
        simulated.answered(scripted.ballot(NO)),
    )
    assert [ask.wait_s for ask in asked] == [0.0, 1.0, 7.0]
    assert [ask.left_s for ask in asked] == [60.0, 59.0, 58.0]
    assert (turn.status, turn.calls) == ("voted", 3)


@pytest.mark.parametrize(
    ("reason", "times", "status"),
    [
        ("unreachable", 3, "error"),
        ("timeout", 1, "timeout"),
        ("unauthorised", 1, "error"),
        ("budget", 1, "error"),
    ],
)
def test_what_does_not_pass_is_what_it_is(reason: str, times: int, status: str) -> None:
    turn, _ = turn_of(*[simulated.failed(reason)] * times)
    assert (turn.status, turn.why) == (status, f"words about {reason}")


def test_what_the_teacher_calls_hopeless_is_not_tried_again() -> None:
    turn, asked = turn_of(simulated.failed("unreachable", retryable=False))
    assert (turn.status, len(asked)) == ("error", 1)


def test_an_answer_without_text_is_asked_for_with_another_seed() -> None:
    empty = simulated.failed("empty", retryable=False)
    turn, asked = turn_of(empty, simulated.answered(scripted.ballot(NO)))
    assert turn.status == "voted"
    assert asked[0].sampling.seed != asked[1].sampling.seed


def test_an_abstention_says_why() -> None:
    turn, _ = turn_of(simulated.answered(scripted.ballot("abstain")))
    assert (turn.status, turn.why) == ("abstained", "I cannot tell.")


# Language --------------------------------------------------------------------------------------------

JAPANESE = Question.make("蒸留攻撃は許されるか", ["はい", "いいえ"], "ja")


def japanese_turn(*texts: str) -> tuple[Turn, list[Ask]]:
    line, asked = [simulated.answered(text) if text else simulated.failed("timeout") for text in texts], []

    def happens(ask: Ask) -> Any:
        asked.append(ask)
        return line.pop(0)

    events = simulated.begin(simulated.opened(JAPANESE, [Seat("ada", "u")], writer=None))
    found = session(simulated.play(events, happens)).seats[0].last
    assert found is not None
    return found, asked


def japanese(vote: str, reasoning: str) -> str:
    id_ = scripted.id_of(JAPANESE, vote)
    return scripted.ballot(id_, reasoning=reasoning, claims=[reasoning])


WRONG = japanese("いいえ", "It takes the work of others without their leave, and that is wrong.")
RIGHT = japanese("いいえ", "他者の労力を許可なく利用するものであり、正当化できないと考えます。")


def test_a_reply_in_another_language_is_asked_for_once_more() -> None:
    turn, asked = japanese_turn(WRONG, RIGHT)
    assert len(asked) == 2
    assert asked[1].messages[-1].content == (
        "先ほどの返答は日本語ではありません。同じ答えを日本語でもう一度書いてください。"
    )
    assert turn.ballot is not None
    assert turn.ballot.reasoning.startswith("他者の労力")


@pytest.mark.parametrize("second", [WRONG, ""])
def test_a_vote_in_another_language_is_a_vote_all_the_same(second: str) -> None:
    turn, asked = japanese_turn(WRONG, second)
    assert (turn.status, len(asked)) == ("voted", 2)
