"""docs/roundtable.md says what the program does: events, outcomes, states, fields of the file and JSON."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from inbond.report.roundtable_export import session_json
from inbond.roundtable import protocol, table, transcript
from inbond.roundtable.agenda import AgendaText, SeatText, make_agenda, parse_agenda
from inbond.roundtable.ballots import Ballot
from inbond.roundtable.personas import personas
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat, Session, Status, Turn
from inbond.roundtable.tally import STATUSES, count
from tests import roundtable_scripted as scripted

PAGE = (Path(__file__).parents[2] / "docs" / "roundtable.md").read_text("utf-8")


def section(head: str) -> str:
    """What stands below a heading, up to the next."""
    found = PAGE.partition(f"\n## {head}\n")[2].partition("\n## ")[0]
    assert found, head
    return found


def rows(text: str) -> dict[str, str]:
    """The last column of each row of a table that begins with something in backticks, by that."""
    return {name: rest for name, rest in re.findall(r"^\| `([\w-]+)` \|(?:.*\|)? (.*?) ?\|$", text, re.M)}


# What is counted -----------------------------------------------------------------------------------------

QUESTION = Question.make("?", ["A", "B", "C"])
TABLES: dict[str, Sequence[str]] = {
    "unanimous": ("A", "A", "A", "A", "A", "error"),
    "majority": ("A", "A", "A", "A", "B", "B"),
    "majority-of-votes-cast": ("A", "A", "A", "B", "abstained", "timeout"),
    "plurality": ("A", "A", "A", "B", "B", "C"),
    "tie": ("A", "A", "A", "B", "B", "B"),
    "no-quorum": ("A", "A", "A", "refused", "timeout", "timeout"),
}


def _seat(number: int, what: str) -> Seat:
    ids = {option.label: option.id for option in QUESTION.options}
    status: Status = next((each for each in STATUSES if each == what), "voted")
    ballot = Ballot("why", (), ids[what]) if what in ids else None
    return Seat(f"s{number}", "api:localhost/m", turns=(Turn(1, status, ballot),))


@pytest.mark.parametrize("outcome", TABLES)
def test_the_examples_are_what_the_count_says(outcome: str) -> None:
    result = count(QUESTION, [_seat(number, what) for number, what in enumerate(TABLES[outcome])])
    assert result.outcome == outcome
    assert rows(section("What the count is called"))[outcome] == result.sentence


def test_every_outcome_and_state_is_told() -> None:
    assert list(rows(section("What the count is called"))) == list(TABLES)
    assert list(rows(section("How a seat ends"))) == list(STATUSES)


# The file ------------------------------------------------------------------------------------------------


def test_the_file_that_is_shown_is_read_and_has_every_field() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)[0]
    text = parse_agenda(shown.encode(), "question.yaml")
    assert text.model_fields_set == set(AgendaText.model_fields)
    agenda = make_agenda(text, ())
    assert [seat.name for seat in agenda.seats] == ["Ada", "Kai"]
    assert agenda.seats[1].persona != "sceptic"
    assert isinstance(text.seats, list)
    assert text.seats[1].model_fields_set == set(SeatText.model_fields)


def test_the_personas_are_told_by_their_keys() -> None:
    told = section("The file").partition("`persona` is")[2]
    for each in personas("en"):
        assert f"`{each.key}`" in told


# The transcript ------------------------------------------------------------------------------------------


@pytest.fixture
def held(tmp_path: Path) -> Session:
    """One seat changes its mind, and one has no model."""
    question = Question.make("Is it?", ["yes", "no"])
    script = {"ada": scripted.voting(question, "yes", "no"), "bob": scripted.voting(question, "no")}
    seats = scripted.seats("ada", "bob", "cyd")
    return asyncio.run(table.run(question, seats, scripted.teachers(script), tmp_path / "s"))


def test_every_event_is_told_with_its_fields(held: Session, tmp_path: Path) -> None:
    told = rows(section("The transcript"))
    assert set(told) == {"opened", *protocol._STEPS}
    found = {event.kind: set(event.body) for event in transcript.read(tmp_path / held.id / transcript.NAME)}
    assert set(told) - set(found) == {"resumed"}
    for kind, fields in found.items():
        assert set(re.findall(r"`(\w+)`", told[kind])) == fields, kind


def test_the_json_is_told_by_its_fields(held: Session) -> None:
    told = section("Exit codes and JSON").partition("`--json` prints")[2]
    value = session_json(held)
    for name in [*value, *value["seats"][0]]:
        assert f"`{name}`" in told, name
