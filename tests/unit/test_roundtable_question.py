"""What is asked: no two options that read or look the same, and no vote that may mean two things."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.roundtable.forms import read_ballot
from inbond.roundtable.likeness import look, same
from inbond.roundtable.question import Option, Question

ID_LIKE = [letter + digit for letter, digit in product("BCDFGHJKLMNPQRSTVWXZ", "23456789")]


def vote(question: Question, said: str) -> str | None:
    """The label that a vote is counted for."""
    ballot = read_ballot({"reasoning": "It is so.", "vote": said}, question).ballot
    assert ballot is not None
    return None if ballot.vote is None else question.option(ballot.vote).label


@given(
    st.text(min_size=1, max_size=20), st.lists(st.sampled_from(ID_LIKE), min_size=2, max_size=20, unique=True)
)
def test_a_vote_for_a_label_that_looks_like_an_id_is_for_that_label(text: str, labels: list[str]) -> None:
    question = Question.make(f"Which, {text}?", labels)
    assert not {same(option.id) for option in question.options} & set(map(same, labels))
    assert len({option.id for option in question.options}) == len(labels)
    for option in question.options:
        for said in (option.label, option.id, option.id.lower(), f"{option.id}: {option.label}"):
            assert vote(question, said) == option.label


@given(st.lists(st.sampled_from(ID_LIKE), min_size=2, max_size=20, unique=True))
def test_no_id_is_what_a_label_says_within_marks(labels: list[str]) -> None:
    question = Question.make("Which?", [f"({label})" for label in labels])
    assert not {same(option.id) for option in question.options} & set(map(same, labels))


def test_every_digit_of_a_letter_may_be_taken() -> None:
    for letter in "BCDFGHJKLMNPQRSTVWXZ":
        Question.make("Which?", [letter + digit for digit in "23456789"])


def test_a_vote_that_may_mean_two_options_is_none() -> None:
    question = Question("Which quarter?", "en", (Option("Q2", "Q3"), Option("Q3", "Q2"), Option("K4", "Q4")))
    found = read_ballot({"reasoning": "It is so.", "vote": "Q2"}, question)
    assert found.ballot is None
    assert found.problems == (
        "the vote 'Q2' may mean more than one option; it is one of: Q2, Q3, K4, abstain",
    )
    assert vote(question, "Q4") == "Q4"


@pytest.mark.parametrize("label", ["abstain", "Abstain", "ＡＢＳＴＡＩＮ", "аbstain", "(abstain)!"])
def test_no_option_is_called_as_an_abstention_is(label: str) -> None:
    with pytest.raises(InputError, match="no option called 'abstain'"):
        Question.make("How should the delegate vote?", ["Yes", label])


def test_where_nobody_may_abstain_it_is_an_option_like_any_other() -> None:
    question = Question.make("How should the delegate vote?", ["Yes", "Abstain"], allow_abstain=False)
    assert vote(question, "abstain") == "Abstain"


@pytest.mark.parametrize(
    "labels",
    [
        ["No", "No\ufe0f"],
        ["はい", "はい\u200d"],
        ["Yes", "Y\u0435s"],
        ["YES", "Ｙｅｓ"],
        ["\u0391", "A"],
        ["\u0421\u041e\u0420", "COP"],
    ],
)
def test_options_that_look_the_same_are_refused(labels: list[str]) -> None:
    with pytest.raises(InputError, match="which read the same"):
        Question.make("Is it right?", labels)


@pytest.mark.parametrize(
    "label",
    [
        "No\u200b",
        "No\u2060",
        "ok\u202ekcatta",
        "x\U000e0041",
        "x\u00ad",
        "a\nb",
        "a\u2028b",
        "\u200c",
        "x\u3164",
    ],
)
def test_what_is_not_seen_or_turns_the_line_around_is_no_label(label: str) -> None:
    with pytest.raises(InputError, match="all of which are seen"):
        Question.make("Is it right?", ["Yes", label])


def test_what_spelling_needs_is_a_label() -> None:
    labels = ["می‌خواهم", "👩‍🚀", "क्‍ष", "❤️", "はい", "Да", "Нет"]
    found = Question.make("Is it right?", labels)
    assert [option.label for option in found.options] == labels


@given(st.text(max_size=30))
def test_what_reads_the_same_reads_the_same_twice(text: str) -> None:
    assert same(same(text)) == same(text)
    assert look(same(text)) == look(text)
    assert same(f" {text}\u200b") == same(text)
