"""What the writer may say: sentences on the claims that they cite, and nothing of the count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.roundtable import summary
from inbond.roundtable.ballots import Ballot, Claim
from inbond.roundtable.bearing import bears_on, speaks_of_count
from inbond.roundtable.session import Seat, Turn

CLAIM = "Taking outputs without leave harms those who made them, and every seat may check it."


def kept(text: str, claim: str = CLAIM) -> tuple[Any, tuple[str, ...]]:
    ballot = Ballot("I thought about it.", (Claim("c1", claim),), "K3")
    seats = (Seat("ada", "u", turns=(Turn(1, "voted", ballot),)),)
    cites = [{"seat": "Seat A", "round": 1, "claim": "c1"}]
    value, problems, _ = summary.read({"sentences": [{"text": text, "cites": cites}]}, seats, ())
    return value, problems


COUNTS = (
    "Every seat agreed that it is so.",
    "The panel decided Yes.",
    "Nearly everybody said No.",
    "5 of 6 said no.",
    "Five said no and one yes.",
    "All six of them said no",
    "Most voted against taking outputs.",
    "Taking outputs was rejected 5-1.",
    "Seat A won.",
    "La mayoría dijo que no.",
    "Die Mehrheit sagt nein.",
    "Большинство против.",
    "5対1で否決された。",
    "５対１だった。",
    "五人が反対した。",
    "ほとんどの席が反対した。",
    "すべての席が反対した。",
    "大半が反対した。",
    "圧倒的に反対だった。",
    "参加者は全員反対した。",
    "半数以上が反対した。",
    "多數反對",
    "M\u200bajority rules.",
)


@pytest.mark.parametrize("text", COUNTS)
def test_the_count_is_not_the_writers_to_say(text: str) -> None:
    assert speaks_of_count(text)
    assert kept(text, CLAIM + text)[1][1] == (
        "a sentence that speaks of the count, which is not the writer's to say"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Seat A holds that taking outputs harms their makers.",
        "Against it stands that both are lawful in some countries.",
        "Three conditions bear on whether leave was given.",
        "One claim stays open: whether a copy does harm.",
        "ある席は、事実を確かめることができると述べた。",
        "五人が助かるという主張に対し、一人の権利が挙げられた。",
    ],
)
def test_what_was_said_is(text: str) -> None:
    assert not speaks_of_count(text)


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("The result could not be clearer, and this is so.", CLAIM),
        ("Bananas are yellow.", CLAIM),
        ("空は青いとされた。", "事実は確かめることができる。"),
        ("Небо сегодня голубое.", "Копирование вредит авторам."),
        ("السماء زرقاء", "النسخ يضر بالمؤلفين"),
    ],
)
def test_a_sentence_must_share_a_word_with_what_it_cites(text: str, claim: str) -> None:
    assert kept(text, claim)[1][1] == "a sentence that shares no word with the claims that it cites"


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("Copying is harmful to those who make things.", CLAIM + " It harmfully copies."),
        ("Makers are harmed when outputs are taken.", CLAIM),
        ("事実の確認が求められた。", "事実は確かめることができる。"),
        ("Указано, что копия вредит автору.", "Копирование вредит авторам."),
        ("قيل إن نسخ الأعمال يضر بالمؤلفين", "النسخ يضر بالمؤلفين"),
        ("It is held that 12 exceeds 7.", "12 > 7"),
        ("ผู้เขียนได้รับความเสียหาย", "การคัดลอกทำให้ผู้เขียนเสียหาย"),
        ("복제는 저작자에게 해롭다고 했다.", "저작자를 해친다."),
        ("Anything at all.", "?!"),
    ],
)
def test_a_sentence_that_does_is_kept(text: str, claim: str) -> None:
    value, problems = kept(text, claim)
    assert problems == ()
    assert [each["text"] for each in value["sentences"]] == [text]


@given(st.text(max_size=80))
def test_every_text_bears_on_itself(text: str) -> None:
    assert bears_on(text, [text])
    speaks_of_count(text)
