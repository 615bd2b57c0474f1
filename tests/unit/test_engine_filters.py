"""What the filters drop and what they leave alone, and that they never repeat what they found."""

from __future__ import annotations

import json
import random
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.engine import credentials, languages, personal, refusals
from inbond.engine.filters import Candidate, FilterConfig, apply
from inbond.errors import InputError, MissingExtraError
from inbond.ledger.records import Row
from inbond.types import Message, Origin, Prompt, Record

ORIGIN = Origin("scripted", "self-hosted", "author", {}, None)
NOTHING = FilterConfig(
    empty=False,
    truncated=False,
    refused=False,
    secrets=False,
    personal_data=False,
    duplicates=False,
    near_duplicates=None,
)


def candidate(completion: str, prompt: Prompt = "Say something.", finish="stop") -> Candidate:
    return Candidate(Row(Record(prompt, completion), ORIGIN, finish=finish))


def reasons(candidates: list[Candidate], config: FilterConfig | None = None) -> dict[str, int]:
    return dict(apply(candidates, config or FilterConfig()).dropped)


# One reason each ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (candidate(" \n\t　"), "empty"),
        (candidate("It is a", finish="length"), "truncated"),
        (candidate("Some words", finish="content_filter"), "refused"),
        (candidate("I'm sorry, but I can't assist with that request."), "refused"),
        (candidate("Use AKIAIOSFODNN7EXAMPLQ to log in."), "secret: AWS Access Key"),
        (candidate('db_password = "Vq8zLp3n7w"'), "secret: Secret Keyword"),
        (candidate("Write to taro.yamada@kaisha.co.jp please."), "personal data: e-mail address"),
        (candidate("Fine.", prompt="My card is 4539 1488 0343 6467"), "personal data: payment card number"),
    ],
)
def test_a_row_is_dropped_with_its_reason(row: Candidate, reason: str) -> None:
    assert reasons([row]) == {reason: 1}


def test_a_good_row_stays_and_keeps_its_number() -> None:
    rows = [
        candidate(""),
        candidate("Water is wet."),
        candidate("", prompt="b"),
        candidate("Fire is hot.", "c"),
    ]
    result = apply(rows, FilterConfig())
    assert result.rows == (1, 3)
    assert result.kept == (rows[1], rows[3])
    assert result.to_json() == {"kept": 2, "dropped": {"empty": 2}, "examples": {"empty": [0, 2]}}


def test_a_test_that_is_off_drops_nothing() -> None:
    bad = [candidate(""), candidate("x", finish="length"), candidate("I can't assist with that.")] * 2
    bad.append(candidate("a@b.co"))
    assert reasons(bad, NOTHING) == {}


def test_what_was_found_is_never_in_the_result() -> None:
    rows = [
        candidate("token ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        candidate("mail hanako@example-company.jp"),
        candidate("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA"),
    ]
    text = json.dumps(apply(rows, FilterConfig()).to_json())
    assert "ghp_" not in text
    assert "hanako" not in text
    assert "MIIE" not in text
    assert len(apply(rows, FilterConfig()).kept) == 0


def test_at_most_three_examples_a_reason() -> None:
    result = apply([candidate("", prompt=str(i)) for i in range(9)], FilterConfig())
    assert result.dropped == {"empty": 9}
    assert result.examples == {"empty": (0, 1, 2)}


def test_what_a_person_wrote_is_no_refusal() -> None:
    own = Candidate(Row(Record("What does a polite model say?", "I can't assist with that."), ORIGIN))
    assert reasons([own]) == {}


# Refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, I can’t help with creating that.",
        "I cannot provide instructions for making weapons.",
        "Sorry, but I am unable to answer this question.",
        "As an AI language model, I cannot browse the internet.",
        "As an AI, I don't have personal opinions.",
        "I apologize, but I cannot fulfill this request.",
        "Unfortunately, I'm not able to discuss that topic.",
        "I won't help with that.",
        "申し訳ありませんが、そのご質問にはお答えできません。",
        "申し訳ございませんが、その内容については対応いたしかねます。",
        "すみませんが、お手伝いすることはできません。",
        "残念ながら、そのような情報を提供することはできません。",
        "AIである私は、医療に関する回答をすることができません。",
    ],
)
def test_refusals_are_recognised(text: str) -> None:
    assert refusals.is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that. Try restarting the router.",
        "Sorry is a word that expresses regret.",
        "I can't believe how good this cake is! Mix the flour with two eggs.",
        "I can't help but smile when I think of that summer.",
        "I can't access my account. Could you reset my password?",
        "I cannot recommend this book enough.",
        "We cannot see ultraviolet light because our lenses absorb it.",
        "Dear Ms. Sato, I'm sorry, but I can't attend the meeting on Monday.",
        "Water boils at 100 degrees. I cannot provide more detail than that.",
        "A firewall won't help with phishing.",
        "申し訳ありません。昨日の会議に遅れたことをお詫びします。",
        "「申し訳ございません」は丁寧な謝罪の言葉です。",
        "できませんでした、と彼は言った。",
        "AIとは人工知能のことで、学習や推論を行う技術です。",
    ],
)
def test_answers_are_not_mistaken_for_refusals(text: str) -> None:
    assert not refusals.is_refusal(text)


# Secrets and personal data ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Set the password to something long and unique.",
        'password = "<your password>"',
        'api_key = os.environ["KEY"]',
        "The secret of good bread is time.",
        'id = "123e4567-e89b-12d3-a456-426614174000"',
        'He said "internationalization" is a long word.',
        "git commit 9fceb02d0ae598e95dc970b74767f19372d61af8 is the one.",
        "",
        "秘密は誰にも言わないでください。",
    ],
)
def test_talk_about_secrets_is_not_a_secret(text: str) -> None:
    assert credentials.find(text) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Ask bob.smith+news@mail.acme.io", "e-mail address"),
        ("連絡先：ｈａｎａｋｏ＠ｋａｉｓｈａ．ｊｐ まで", "e-mail address"),
        ("Call +81 3-1234-5678.", "telephone number"),
        ("電話は03-1234-5678です", "telephone number"),
        ("携帯 ０９０－１２３４－５６７８", "telephone number"),
        ("Phone: (650) 253-0000", "telephone number"),
        ("Ring 020 7946 0958 in London", "telephone number"),
        ("Amex 378282246310005", "payment card number"),
        ("IBAN GB82 WEST 1234 5698 7654 32 please", "bank account number (IBAN)"),
        ("DE89370400440532013000", "bank account number (IBAN)"),
        ("SSN 219-09-9999", "social security number"),
        ("マイナンバーは 1234 5678 9018 です", "My Number"),
        ("from 81.2.69.142 at noon", "IP address"),
        ("host 2a02:26f0:3100::1f18 up", "IP address"),
    ],
)
def test_personal_data_are_found(text: str, kind: str) -> None:
    assert personal.find(text, ("US", "GB", "JP")) == kind


@pytest.mark.parametrize(
    "text",
    [
        "Write to someone@example.com or root@localhost.",
        "The years 1990-2020 and 2024-01-02 12:34:56.",
        "pi is 3.14159265358979 and 6502530000 is a number.",
        "1,234,567,890 people",
        "17 + 25 = 42, and 100 200 300 400",
        "4539 1488 0343 6468 fails the check digit",
        "GB82 WEST 1234 5698 7654 33 fails too",
        "192.168.0.1, 127.0.0.1 and 203.0.113.7 are nobody's",
        "Upgrade to version 4.17.21.3 now",
        "use std::vector and ::1 and a::b",
        "at 12:34:56:78 on the tape",
        "マイナンバーは 1234 5678 9012 です",
        "ISBN 978-4-00-310101-8",
        "x@y",
        "",
    ],
)
def test_ordinary_text_is_not_personal_data(text: str) -> None:
    assert personal.find(text, ("US", "GB", "JP")) is None


def test_national_numbers_need_their_region() -> None:
    assert personal.find("電話は03-1234-5678です", ("US",)) is None
    assert personal.find("+81 3-1234-5678", ()) == "telephone number"


def test_long_lines_do_not_stop_the_filters() -> None:
    long = "password = " * 40_000 + "(" * 50_000 + "1 " * 50_000 + "a@" * 20_000 + "AB12 " * 10_000
    start = time.perf_counter()
    apply([candidate(long)], FilterConfig())
    assert time.perf_counter() - start < 20


def test_a_secret_behind_a_long_line_is_found() -> None:
    assert credentials.find("x " * 3000 + "AKIAIOSFODNN7EXAMPLQ") == "AWS Access Key"
    for before in range(3900, 4010, 7):
        assert credentials.find(" " * before + "AKIAIOSFODNN7EXAMPLQ ok") == "AWS Access Key"


@settings(max_examples=150)
@given(st.text(max_size=300))
def test_no_text_makes_a_filter_fail(text: str) -> None:
    result = apply([candidate(text, prompt=text or "p")], FilterConfig(languages=("en",)))
    assert len(result.rows) + sum(result.dropped.values()) == 1


# Languages ----------------------------------------------------------------------------------------------

GERMAN = "Das Wasser ist eine klare Flüssigkeit und bedeckt den größten Teil der Erde."
JAPANESE = "水は透明な液体で、地球の表面の大部分を覆っています。"
ENGLISH = "Water is a clear liquid and covers the greatest part of the earth."


@pytest.mark.parametrize(("text", "code"), [(GERMAN, "de"), (JAPANESE, "ja"), (ENGLISH, "en")])
def test_languages_are_told(text: str, code: str) -> None:
    assert languages.tell(text) == code


def test_other_languages_go_and_short_texts_stay() -> None:
    rows = [candidate(GERMAN, "a"), candidate(JAPANESE, "b"), candidate(ENGLISH, "c"), candidate("Ja.", "d")]
    result = apply(rows, FilterConfig(languages=("ja",)))
    assert result.rows == (1, 3)
    assert result.dropped == {"wrong language": 2}
    assert apply(rows, FilterConfig()).rows == (0, 1, 2, 3)


# Duplicates ---------------------------------------------------------------------------------------------


def test_the_first_of_equal_records_stays() -> None:
    rows = [candidate("Yes."), candidate("Yes."), candidate("Yes.", prompt="Other?")]
    assert apply(rows, FilterConfig()).rows == (0, 2)
    assert reasons(rows) == {"duplicate": 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ENGLISH * 2, (ENGLISH * 2).upper() + " !!"),
        (JAPANESE, "水は透明な液体で、地球の表面の大部分を覆っています！"),
        ("ＡＢＣ１２３ is the code of this thing", "abc123 is  the code of this thing."),
    ],
)
def test_near_duplicates_go(one: str, other: str) -> None:
    assert reasons([candidate(one), candidate(other)]) == {"near duplicate": 1}
    assert reasons([candidate(one), candidate(other, prompt="Something else entirely?")]) == {}


def test_answers_to_one_template_are_not_near_duplicates() -> None:
    frame = "Please read the following review with great care and say whether it is good or bad: "
    words = ["splendid acting", "dreadful sound", "a dull plot", "lovely costumes", "bad seats", "warm tea"]
    rows = [candidate("good" if i % 2 else "bad", frame * 3 + word) for i, word in enumerate(words)]
    assert reasons(rows) == {}
    long = "A definition, in one clear and simple sentence for young readers of any age, follows here: "
    rows = [candidate(long * 2 + word, word * 4) for word in words]
    assert reasons(rows) == {}


def test_conversations_are_compared_by_what_was_said() -> None:
    talk = (Message("system", "Be brief."), Message("user", "What is water, in a sentence?"))
    rows = [candidate(ENGLISH, talk), candidate(ENGLISH + "!", talk)]
    assert reasons(rows) == {"near duplicate": 1}


def test_filtering_what_was_filtered_changes_nothing() -> None:
    random.seed(7)
    words = ["water", "fire", "earth", "air", "stone", "river", "cloud", "seed", "leaf"]
    rows = [candidate(" ".join(random.choices(words, k=8)), random.choice(words)) for _ in range(200)]
    once = apply(rows, FilterConfig())
    again = apply(once.kept, FilterConfig())
    assert again.rows == tuple(range(len(once.kept)))


# Mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            FilterConfig(languages=("japanese",)),
            "expected languages: codes of languages that can be told apart",
        ),
        (FilterConfig(languages=("xx",)), "found 'xx'; fix: correct filters.languages"),
        (FilterConfig(phone_regions=("UK",)), "phone_regions: ISO 3166 codes such as US or JP; found 'UK'"),
        (
            FilterConfig(near_duplicates=1.5),
            "near_duplicates: a similarity above 0, up to 1, or null; found 1.5",
        ),
    ],
)
def test_a_config_that_cannot_work_says_so(config: FilterConfig, text: str) -> None:
    with pytest.raises(InputError) as caught:
        apply([], config)
    assert text in str(caught.value)


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "detect_secrets.core.plugins.util", None)
    credentials.detectors.cache_clear()
    with pytest.raises(MissingExtraError) as caught:
        apply([], FilterConfig())
    assert "pip install 'inbond[filters]'" in str(caught.value)


def test_a_config_is_a_value() -> None:
    assert json.loads(json.dumps(FilterConfig(languages=("ja",)).to_json()))["languages"] == ["ja"]
