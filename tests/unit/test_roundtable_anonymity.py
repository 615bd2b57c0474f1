"""What seats are not shown of each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.roundtable.anonymity import MASK, masked, names_of
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat

QUESTION = Question.make("Should tax rise?", ["Yes", "No"], "en")
SEATS = (
    Seat("太郎", "api:localhost:2024/claude-sonnet-4", identity="api:localhost:2024/claude-sonnet-4"),
    Seat("Jo", "api:localhost:8000/m"),
    Seat("Ada", "api:api.x9.ai/grok-4", model="https://gpu7.example.org:3000/v1/zorba-9b"),
)
NAMES = names_of(SEATS, QUESTION)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("I am クロード by アンソロピック.", "I am [...] by [...]."),
        ("ｸﾛｰﾄﾞです", "[...]です"),
        ("I am Ｃｌａｕｄｅ.", "I am [...]."),
        ("I am Cla\u200bu\u2060de.", "I am [...]."),
        ("I, \u0421l\u0430ud\u0435, say", "I, [...], say"),
        ("As Opus I say, or Haiku", "As [...] I say, or [...]"),
        ("trained by Google", "trained by [...]"),
        ("Microsoft Phi, Meta AI, NVIDIA", "[...], [...], [...]"),
        ("太郎は正しい", "[...]は正しい"),
        ("Jo is right", "[...] is right"),
        ("ada is right", "[...] is right"),
        ("I am zorba-9b", "I am [...]"),
        ("클로드는 말했다", "[...]는 말했다"),
        ("Qwen2.5-7B and Llama-3", "[...] and [...]"),
    ],
)
def test_a_name_is_left_out_however_it_is_written(said: str, shown: str) -> None:
    assert masked(said, NAMES) == shown


@pytest.mark.parametrize(
    "said",
    [
        "It cost 8000 dollars for 3000 people in 2024.",
        "See localhost, gpu7 and v1.",
        "jo, Johan, Joan, adamant",
        "ドラマとクロードラマ",
        "Opusculum, googled, éclaude",
        "Меня зовут Иван, 2024.",
    ],
)
def test_where_a_model_runs_and_other_words_stay(said: str) -> None:
    assert masked(said, NAMES) == said


def test_only_a_word_of_the_question_stays_and_not_a_part_of_one() -> None:
    names = names_of((), Question.make("Are chatgptish tools ok? Agemini? Do llamas dream?", ["Yes", "No"]))
    assert masked("I am Gemini; GPT; ChatGPT", names) == "I am [...]; [...]; [...]"
    assert masked("Llamas dream. I am Llama 3.", names) == "Llamas dream. I am [...]."


def test_what_the_question_speaks_of_stays_in_its_own_script() -> None:
    names = names_of((), Question.make("クロードは正しいか", ["はい", "いいえ"], "ja"))
    assert masked("クロードとジェミニ", names) == "クロードと[...]"


@given(st.text(max_size=60))
def test_what_is_masked_has_no_name_left_and_loses_nothing_else(text: str) -> None:
    shown = masked(text, NAMES)
    assert masked(shown, NAMES) == shown
    if MASK not in shown:
        assert shown == text
    around = masked(f"{text} | Ｃlaude | {text}", NAMES)
    assert around == f"{shown} | {MASK} | {shown}"
