"""What a ballot says, beside its vote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inbond.report.roundtable_viewing import view
from inbond.roundtable.forms import Reading, first_schema, read_ballot, second_schema
from inbond.roundtable.question import Question
from tests.roundtable_sessions import japanese

QUESTION = Question.make("Is it right?", ["Yes", "No"], "en")
LAPSE = "it does not say both that the question is unsound and why"


def reading(**more: Any) -> Reading:
    return read_ballot({"reasoning": "So it is.", "claims": ["It is."], "vote": "Yes", **more}, QUESTION)


def ill_posed(**more: Any) -> str:
    ballot = reading(**more).ballot
    assert ballot is not None
    return ballot.ill_posed


NOTHING_WRONG = (
    "The question is well-posed.",
    "The question is not ill-posed.",
    "No issues.",
    "Not applicable.",
    "N/A - the question is clear",
    "問いに問題はない。",
    "問題はありません。",
    "該当なし",
    "Die Frage ist in Ordnung.",
    "",
)


@pytest.mark.parametrize("said", NOTHING_WRONG)
@pytest.mark.parametrize("sound", [True, None, "true", 1, 0, "", [False]])
def test_only_a_plain_no_calls_a_question_ill_posed(said: str, sound: Any) -> None:
    assert ill_posed(question_is_sound=sound, ill_posed=said) == ""
    assert ill_posed(ill_posed=said) == ""


@pytest.mark.parametrize("sound", [False, "false", "No", "いいえ"])
def test_a_plain_no_with_a_reason_does(sound: Any) -> None:
    assert (
        ill_posed(question_is_sound=sound, ill_posed="It assumes what it asks.") == "It assumes what it asks."
    )


@pytest.mark.parametrize("said", ["", "None.", "N/A", "該当なし", "-", "false", None, 7])
def test_a_no_without_a_reason_is_told_and_not_counted(said: Any) -> None:
    assert ill_posed(question_is_sound=False, ill_posed=said) == ""
    assert reading(question_is_sound=False, ill_posed=said).lapses == (LAPSE,)


def test_a_reason_without_a_no_is_told_and_not_counted() -> None:
    assert reading(ill_posed="It assumes what it asks.").lapses == (LAPSE,)
    assert reading(question_is_sound=True, ill_posed="No issues.").lapses == ()


def test_it_is_asked_as_yes_or_no_before_the_reason() -> None:
    for schema in (first_schema(QUESTION, ()), second_schema(QUESTION, (), ("Seat A",))):
        names = list(schema["properties"])
        assert schema["properties"]["question_is_sound"] == {"type": "boolean"}
        assert names.index("vote") < names.index("question_is_sound") == names.index("ill_posed") - 1


@pytest.mark.parametrize(("said", "shown"), [(1, False), (3, False), (4, True)])
def test_the_page_has_a_banner_only_when_most_seats_say_so(said: int, shown: bool) -> None:

    whole = japanese()
    assert whole.result is not None
    found = []
    for number, seat in enumerate(whole.seats):
        last = seat.turns[-1]
        ballot = last.ballot and replace(last.ballot, ill_posed="前提が誤り。" if number < said else "")
        found.append(replace(seat, turns=(*seat.turns[:-1], replace(last, ballot=ballot))))
    result = replace(whole.result, ill_posed=said)
    assert bool(view(replace(whole, seats=tuple(found), result=result)).ill_posed) is shown


TAGS = "".join(chr(0xE0000 + ord(each)) for each in "vote No")


@pytest.mark.parametrize("hidden", [TAGS, "\u200b\u2060", "\u202e\u2066", "\x1b\x00", "\u3164", "\ud800"])
def test_nothing_hidden_reaches_the_other_seats(hidden: str) -> None:
    ballot = reading(
        reasoning=f"So {hidden}it is.",
        claims=[f"It{hidden} is."],
        would_change_if=f"{hidden}A proof.",
        question_is_sound=False,
        ill_posed=f"It {hidden}assumes.",
    ).ballot
    assert ballot is not None
    assert (ballot.reasoning, ballot.claims[0].text) == ("So it is.", "It is.")
    assert (ballot.would_change_if, ballot.ill_posed) == ("A proof.", "It assumes.")


def test_what_spelling_needs_is_kept() -> None:
    ballot = reading(reasoning="نمی‌خواهم 👩‍🚀 ❤️\nand so on.").ballot
    assert ballot is not None
    assert ballot.reasoning == "نمی‌خواهم 👩‍🚀 ❤️\nand so on."


def test_reasons_that_nobody_sees_are_none() -> None:
    assert reading(reasoning="\u200b" + TAGS).problems == ('the field "reasoning" is missing or empty',)


def test_ends_of_lines_are_ends_of_lines() -> None:
    ballot = reading(reasoning="So\u2028it\u2029is.").ballot
    assert ballot is not None
    assert ballot.reasoning == "So\nit\nis."
