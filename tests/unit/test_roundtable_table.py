"""A table runs a session, whatever its seats do, and its transcript tells all of it."""

from __future__ import annotations

from pathlib import Path

from inbond.roundtable import table
from inbond.roundtable.question import Question
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
