"""A table runs a session, whatever its seats do, and its transcript tells all of it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inbond.errors import InputError, TamperedError
from inbond.roundtable import table, transcript
from inbond.roundtable.events import encode, make
from inbond.roundtable.question import Question
from inbond.roundtable.session import Session
from inbond.teachers import scripted as scripted_teachers
from inbond.teachers.protocols import Price, Request
from inbond.teachers.scripted import Answer, Scripted
from tests import roundtable_killed
from tests import roundtable_scripted as scripted

QUESTION = Question.make("AIに対する蒸留攻撃は許されるか", ["はい", "いいえ"], "ja")
NAMES = ("ada", "bob", "cyd", "dov", "eve", "fay")


async def test_two_rounds_of_six_seats_are_told_by_their_transcript(tmp_path: Path) -> None:
    question = Question.make("Is distilling without consent right?", ["Yes", "No"], "en")
    script = {name: scripted.voting(question, "No") for name in NAMES}
    script["ada"] = scripted.voting(question, "Yes", "No")
    script["bob"] = scripted.voting(question, "Yes")
    sat = scripted.teachers(script)
    writer = ("a writer", sat["ada"])

    held = await table.run(question, scripted.seats(*NAMES), sat, tmp_path / "s", writer=writer)

    assert held.result is not None
    assert held.result.outcome == "majority"
    assert {question.option(id_).label: n for id_, n in held.result.tally.items()} == {"Yes": 1, "No": 5}
    assert {question.option(id_).label: n for id_, n in held.result.round1.items()} == {"Yes": 2, "No": 4}
    assert [(each.seat, each.by, each.bandwagon) for each in held.turning_points] == [("ada", "cyd", False)]
    assert held.summary is not None
    assert held.summary.by == "a writer"
    assert held.rounds_held == 2
    assert held.closed_at is not None
    assert table.replay(tmp_path / "s") == held


def six(question: Question, **odd: scripted.Answers | Sequence[Answer]) -> dict[str, Scripted]:
    """Six seats that vote No, but for these."""
    usual = {name: scripted.voting(question, "いいえ", reasoning=WHY, claims=[WHY]) for name in NAMES}
    return scripted.teachers({**usual, **odd})


WHY = "他者の労力を許可なく使うことは正当化できないと考える。"


async def test_a_seat_that_fails_is_counted_and_named_and_the_rest_decides(tmp_path: Path) -> None:
    sat = six(QUESTION, fay=[scripted_teachers.failure("unauthorised")])
    held = await table.run(QUESTION, scripted.seats(*NAMES), sat, tmp_path / "s")
    assert held.result is not None
    assert held.result.outcome == "unanimous"
    assert held.result.sentence == (
        "Unanimous: “いいえ” with 5 of 5 votes and of 6 seats; 6 seated, 5 voted; 1 failed."
    )
    assert held.seat("fay").turns[0].why == "a scripted failure: unauthorised"


async def test_every_kind_of_failure_has_a_status_of_its_own(tmp_path: Path) -> None:
    def breaks(_: Request) -> Answer:
        raise RuntimeError("the model fell over")

    sat = six(
        QUESTION,
        ada=["申し訳ありませんが、その質問にはお答えできません。"],
        bob=["nonsense"] * 3,
        cyd=scripted.voting(QUESTION, "abstain", reasoning=WHY, claims=[WHY]),
        dov=breaks,
    )
    sat["eve"] = Scripted([""], latency_s=60.0)
    del sat["fay"]
    held = await table.run(QUESTION, scripted.seats(*NAMES), sat, tmp_path / "s", timeout_s=0.3)
    assert [seat.turns[0].status for seat in held.seats] == [
        "refused",
        "invalid",
        "abstained",
        "error",
        "timeout",
        "error",
    ]
    assert held.seat("dov").turns[0].why == "RuntimeError: the model fell over"
    assert held.seat("eve").turns[0].why == "no answer within the 0 s that were left of its time"
    assert held.seat("fay").turns[0].why == "there is no model for this seat"
    assert held.result is not None
    assert held.result.outcome == "no-quorum"
    assert table.replay(tmp_path / "s") == held


async def test_a_reply_of_two_megabytes_and_half_letters_are_survived(tmp_path: Path) -> None:
    huge = "あ" * 2_000_000
    sat = six(QUESTION, ada=[huge] * 3, bob=["\ud83d nonsense \x00"] * 3)
    held = await table.run(QUESTION, scripted.seats(*NAMES), sat, tmp_path / "s")
    assert [seat.turns[0].status for seat in held.seats[:2]] == ["invalid", "invalid"]
    assert (tmp_path / "s" / "transcript.jsonl").stat().st_size < 300_000
    assert held.result is not None
    assert held.result.outcome == "unanimous"


async def test_seats_of_one_model_take_turns_as_it_allows(tmp_path: Path) -> None:
    shared = Scripted(
        scripted.voting(QUESTION, "はい", reasoning=WHY, claims=[WHY]), concurrency=2, latency_s=0.01
    )
    seats = scripted.seats(*NAMES)
    await table.run(QUESTION, seats, dict.fromkeys(NAMES, shared), tmp_path / "s", timeout_s=5.0)
    assert shared.most_in_flight == 2
    assert len({request.id for request in shared.asked}) == 6


async def test_who_looks_on_sees_seats_votes_and_cost(tmp_path: Path) -> None:
    seen: list[Session] = []
    sat = six(QUESTION)
    sat["ada"] = Scripted(
        scripted.voting(QUESTION, "いいえ", reasoning=WHY, claims=[WHY]), price=Price(1e6, 0.0)
    )
    held = await table.run(QUESTION, scripted.seats(*NAMES), sat, tmp_path / "s", on_progress=seen.append)
    assert {name for each in seen for name in each.in_flight} == set(NAMES)
    assert seen[-1] == held
    assert held.cost_usd == held.seat("ada").turns[0].prompt_tokens > 0
    assert held.in_flight == ()


@pytest.mark.parametrize(
    ("seats", "more", "told"),
    [
        ((), {}, "expected 1 to 26 seats; found 0"),
        (("a", "a"), {}, "expected seats whose names differ"),
        (("a",), {"rounds": 3}, "expected one round or two; found 3; fix: more rounds make panels worse"),
        (("a",), {"timeout_s": 0.0}, "expected a time of up to a day for a seat's round; found 0.0 s"),
    ],
)
async def test_tables_that_cannot_be_are_refused(
    seats: tuple[str, ...], more: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        await table.run(QUESTION, scripted.seats(*seats), {}, tmp_path / "s", **more)
    assert not (tmp_path / "s").exists()


async def test_a_verdict_that_the_votes_do_not_come_to_is_named(tmp_path: Path) -> None:
    await table.run(QUESTION, scripted.seats(*NAMES), six(QUESTION), tmp_path / "s")
    path = tmp_path / "s" / "transcript.jsonl"
    *events, last = transcript.read(path)
    body = {"verdict": {**last.body["verdict"], "outcome": "tie"}}
    forged = make(last.n, last.at, "closed", body, last.prev)
    path.write_bytes(b"".join(map(encode, [*events, forged])))
    with pytest.raises(TamperedError, match='line 27, .*: verdict.outcome: "unanimous"; found "tie"'):
        table.replay(tmp_path / "s")


async def test_a_session_that_is_closed_is_not_asked_again(tmp_path: Path) -> None:
    held = await table.run(QUESTION, scripted.seats(*NAMES), six(QUESTION), tmp_path / "s")
    before = (tmp_path / "s" / "transcript.jsonl").read_bytes()
    assert await table.resume(tmp_path / "s", {}) == held
    assert (tmp_path / "s" / "transcript.jsonl").read_bytes() == before


async def test_another_version_reads_a_session_and_does_not_go_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "__version__", "9.9")
    await table.run(QUESTION, scripted.seats(*NAMES), six(QUESTION), tmp_path / "s")
    path = tmp_path / "s" / "transcript.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    monkeypatch.undo()
    before = path.read_bytes()
    assert table.replay(tmp_path / "s").version == "9.9"
    with pytest.raises(InputError, match="began, to go on with; found one of Inbond 9.9"):
        await table.resume(tmp_path / "s", six(QUESTION))
    assert path.read_bytes() == before


def test_a_session_is_named_by_its_day_and_its_question() -> None:
    name = table.session_id(QUESTION, 1_795_351_380.0)
    assert name == "2026-11-22-" + table.session_id(QUESTION, 0.0).removeprefix("1970-01-01-")


# kill -9 ---------------------------------------------------------------------------------------------

CHILD = """
import asyncio, sys
from pathlib import Path
from tests import roundtable_killed
asyncio.run(roundtable_killed.hold(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.45])
async def test_what_was_answered_before_kill_9_is_not_asked_again(tmp_path: Path, seconds: float) -> None:
    log, folder = tmp_path / "log", tmp_path / "s"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(log)], cwd=Path(__file__).parents[2]
    )
    try:
        while not log.exists():
            await asyncio.sleep(0.01)
            assert child.poll() is None
        await asyncio.sleep(seconds)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    kept = transcript.read(folder / transcript.NAME)
    answered = sum(event.kind == "answered" for event in kept)
    in_flight = sum(event.kind == "asked" for event in kept) - answered
    before = len(log.read_text().splitlines())

    held = await roundtable_killed.hold(folder, log, again=True)

    asked = log.read_text().splitlines()
    assert len(asked) - len(set(asked)) <= in_flight + (before - answered - in_flight)
    assert before - answered <= 6
    assert len(asked) == 12 + (before - answered)
    assert held.resumed == (0 if kept[-1].kind == "closed" else 1)
    assert held.result is not None
    assert held.result.outcome == "majority"
    assert table.replay(folder) == held
