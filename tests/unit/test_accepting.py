"""What a reason given with --accept accepts: only what it names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.recipes.accepting import addressed, reason_for, words


@pytest.mark.parametrize(
    ("text", "names", "reason"),
    [
        ("diversity: one word is enough", {"diversity"}, "one word is enough"),
        ("diversity, Generality : Ada: we looked", {"diversity", "generality"}, "Ada: we looked"),
        (
            "diversity、generality：一語だけの答えで足りる",
            {"diversity", "generality"},
            "一語だけの答えで足りる",
        ),
        ("I know what I do", set(), "I know what I do"),
        (": nothing named", set(), "nothing named"),
        ("", set(), ""),
    ],
)
def test_the_names_stand_before_the_colon(text: str, names: set[str], reason: str) -> None:
    assert addressed(text) == (names, reason)


def test_a_reason_accepts_only_what_it_names() -> None:
    assert reason_for("diversity", "diversity: Ada looked", "it") == "Ada looked"
    assert reason_for("generality", "diversity: Ada looked", "it") is None
    assert reason_for("diversity", "just let it out, diversity does not matter", "it") is None


@pytest.mark.parametrize("text", ["", "  ", "diversity:", "diversity,generality:  "])
def test_no_reason_is_refused_with_the_words_to_type(text: str) -> None:
    with pytest.raises(InputError) as caught:
        reason_for("diversity", text, "handing it out")
    assert caught.value.expected == "a reason for handing it out"
    assert '--accept "diversity: REASON"' in caught.value.fix


@given(st.lists(st.sampled_from(["diversity", "generality", "capacity", "probe"]), min_size=1, unique=True))
def test_the_words_that_are_asked_for_are_the_words_that_accept(names: list[str]) -> None:
    option = words(names)
    typed = option.removeprefix('--accept "').removesuffix('"')
    assert all(reason_for(name, typed, "it") == "REASON" for name in names)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    names, reason = addressed(text)
    assert "" not in names
    assert reason == reason.strip()
