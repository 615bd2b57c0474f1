"""Foreign text made fit to show, and numbers in plain words."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.report import wording
from inbond.report.data import Metrics, VerdictView
from inbond.report.text import clip, columns, language_of, one_line, visible, wrap
from inbond.report.wording import against, figure
from tests.report_examples import demo, odd

anything = st.text(st.characters(codec=None))  # lone surrogates too


@given(anything)
def test_visible_text_can_be_encoded_and_obeyed_by_nothing(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not set(shown) & set("\x7f\x9b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert visible(shown) == shown


@given(st.text(st.characters(categories=("L", "N", "P", "Zs"))))
def test_plain_text_of_any_language_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_control_characters_become_pictures() -> None:
    assert visible("\x1b[31mred\x00\x7f") == "␛[31mred␀␡"
    assert visible("\u202eabc") == "[U+202E]abc"
    assert visible("a\r\nb\rc") == "a\nb\nc"
    assert visible("\ud800\uffff") == "��"
    assert one_line(" a\n\n b\t") == "a b"


def test_cut_text_says_how_much_there_was() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("x" * 5000, 3) == "xxx… [cut: 5,000 characters in all]"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("灯台とは塔です", "ja"),
        ("灯塔是塔", "zh"),
        ("등대는 탑이다", "ko"),
        ("المنارة", "ar"),
        ("מגדלור", "he"),
        ("a lighthouse, ein Leuchtturm", ""),
        ("💡👨‍👩‍👧‍👦", ""),
        ("", ""),
    ],
)
def test_scripts_give_languages_away(text: str, language: str) -> None:
    assert language_of(text) == language


@given(anything, st.integers(3, 40), st.integers(1, 4))
def test_wrapped_lines_are_few_and_fit(text: str, width: int, lines: int) -> None:
    wrapped = wrap(text, width, lines)
    assert 1 <= len(wrapped) <= lines
    assert all(columns(line) <= width for line in wrapped)


def test_wrapping_loses_nothing_where_there_is_room_and_breaks_at_hyphens() -> None:
    assert wrap("SmolLM2-135M-Instruct", 15, 3) == ["SmolLM2-135M-", "Instruct"]
    assert wrap("a quiet evening", 8, 3) == ["a quiet", "evening"]
    assert wrap("とても長い名前", 6, 2) == ["とても", "長い…"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.params(134_515_008), "134.5 M"),
        (wording.size(269_060_552), "269.1 MB"),
        (wording.size(512), "512 bytes"),
        (wording.percent(0.504), "50%"),
        (wording.percent(0.504, 1), "50.4%"),
        (wording.percent(0.004), "0.4%"),
        (wording.percent(0.0004), "less than 0.1%"),
        (wording.percent(0.99996, 1), "more than 99.9%"),
        (wording.percent(0.996), "more than 99%"),
        (wording.percent(1, 1), "100%"),
        (wording.percent(1.5), "150%"),
        (wording.percent(0), "0%"),
        (wording.duration(192.4), "3 min 12 s"),
        (wording.duration(0.05), "0.1 s"),
        (wording.duration(7322), "2 h 2 min"),
        (wording.rate(38.6), "38.6 tokens/s"),
        (wording.dollars(0.0), "$0.00"),
        (wording.dollars(0.0042), "$0.0042"),
        (wording.number(1.17), "1.17"),
        (wording.number(0.00034), "3.4e-04"),
        (wording.number(None), "not measured"),
        (wording.number(math.nan), "not measured"),
        (wording.percent(math.inf), "not measured"),
        (wording.count(None), "not measured"),
    ],
)
def test_numbers_in_words(said: str, expected: str) -> None:
    assert said == expected


@given(st.none() | st.floats(), st.none() | st.floats())
def test_no_number_is_ever_shown_as_nan_or_infinite(a: float | None, b: float | None) -> None:
    words = [wording.number(a), wording.percent(a), wording.rate(a), wording.duration(a), wording.dollars(a)]
    words.append(wording.number(wording.ratio(a, b)))
    assert not any("nan" in word or "inf" in word or len(word) > 40 for word in words)


def test_the_outcome_of_a_whole_run() -> None:
    assert wording.outcome_sentence(demo()) == (
        "A student of 84.9 M parameters (63% of its teacher) that agrees with it on 50% of held-out tokens; "
        "KL 4.74 → 1.17 nats a token."
    )


def test_the_outcome_without_metrics_says_why() -> None:
    sentence = wording.outcome_sentence(
        replace(demo(), metrics=Metrics(not_measured="the teacher gives text only."))
    )
    assert sentence == (
        "A student of 84.9 M parameters (63% of its teacher) whose likeness to its teacher was not measured "
        "(the teacher gives text only)."
    )
    assert "whose likeness to its teacher was not measured" in wording.outcome_sentence(odd())


def test_the_outcome_with_kl_alone() -> None:
    sentence = wording.outcome_sentence(replace(demo(), metrics=Metrics(kl_after=1.2)))
    assert sentence.endswith("with KL 1.20 nats a token.")


def view(outcome: str, duties: int = 0, accepted: str | None = None) -> VerdictView:
    return VerdictView("?", {"outcome": outcome}, ({"text": "do"},) * duties, ("a fact",), accepted)


@pytest.mark.parametrize(
    ("views", "sentence"),
    [
        ((), "No verdict was recorded, so nothing here says whether you may."),
        ((view("permit"),), "Yes, as asked without further obligations."),
        ((view("permit-with-obligations", 1), view("permit")), "Yes, as asked, if you keep 1 obligation."),
        ((view("permit"), view("review")), "Not settled: a person must decide, 1 open point."),
        ((view("review"), view("deny")), "No. The reasons are below."),
        (
            (view("review", accepted="we hold a contract"),),
            "A person decided to go on, and the reason is recorded. Read it before you rely on it.",
        ),
        ((VerdictView("?", {}),), "Not settled: a person must decide."),
    ],
)
def test_may_i_use_it(views: tuple[VerdictView, ...], sentence: str) -> None:
    assert wording.permission_sentence(replace(demo(), verdicts=views)) == sentence


@given(st.floats(0, 100), st.floats(0.01, 2))
def test_a_ratio_is_never_rounded_over_its_limit(value: float, limit: float) -> None:
    limit = round(limit, 2)
    said = float(against(value, limit).replace(",", ""))
    assert said == pytest.approx(value, abs=0.0051, rel=0.06)
    if abs(value - limit) > 1e-6:
        assert (said < limit) == (value < limit)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.9312, "0.931"), (4.744, "4.74"), (1170.2, "1,170"), (0.0, "0.000"), (None, "not measured")],
)
def test_measures_of_any_size_are_said_with_about_three_digits(value: float | None, words: str) -> None:
    assert figure(value) == words
