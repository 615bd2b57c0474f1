"""The page of the largest table, whose seats say all that they may: small, and honest about what it leaves
out."""

from __future__ import annotations

import re

import pytest

from inbond.report.roundtable_page import MOST_BYTES, MOST_BYTES_OF_MANY, render_roundtable_page
from inbond.roundtable.anonymity import label
from inbond.roundtable.ballots import Ballot, Claim, Influence
from inbond.roundtable.places import MOST_SEATS
from inbond.roundtable.question import MOST_OPTIONS, Question
from inbond.roundtable.session import Cite, Seat, Sentence, Session, Summary, Turn, TurningPoint
from inbond.roundtable.tally import count
from tests.roundtable_sessions import many
from tests.unit.test_report_page import check


def crowded(seats: int, options: int, letter: str) -> Session:
    """Every text as long as any may be, of a letter that takes most bytes in HTML."""
    question = Question.make("長" * 20_000, [f"{n:02d}{letter * 198}" for n in range(options)], "ja")
    ids = [option.id for option in question.options]
    names = [f"{n:02d}{letter * 38}" for n in range(seats)]
    labels = {label(n): name for n, name in enumerate(names)}

    def turn(n: int, round_: int) -> Turn:
        heard = tuple(Influence(label(0), f"c{k % 3 + 1}", letter * 1_000, "adopted") for k in range(6))
        ballot = Ballot(
            letter * 8_000,
            tuple(Claim(f"c{k}", letter * 600) for k in (1, 2, 3)),
            ids[(n + round_) % options],
            confidence=0.5,
            would_change_if=letter * 1_000,
            ill_posed=letter * 1_000,
            influences=heard if round_ == 2 else (),
            rebuttal=letter * 1_000,
        )
        return Turn(round_, "voted", ballot, "json_schema", order=tuple(ids), labels=labels, calls=3)

    table = tuple(
        Seat(name, "api:h/m", model=letter * 500, persona=letter * 2_000, turns=(turn(n, 1), turn(n, 2)))
        for n, name in enumerate(names)
    )
    cites = tuple(Cite(name, 1, "c1") for name in names)
    said = tuple(Sentence(letter * 600, cites) for _ in range(8))
    dissent = tuple(Sentence(letter * 600, (cite,)) for cite in cites)
    points = tuple(TurningPoint(each, ids[0], ids[1], names[0], "c1", letter * 1_000) for each in names)
    summary = Summary("api:h/m", said, dict.fromkeys(ids, cites[0]), dissent, letter * 500)
    return Session(
        "s", "0", question, table, 2, 60.0, 0, 0.0, 1.0, 2, "", count(question, table), points, summary
    )


@pytest.mark.parametrize("letter", ['"', "𠮷"])
@pytest.mark.parametrize(("seats", "most"), [(6, MOST_BYTES), (MOST_SEATS, MOST_BYTES_OF_MANY)])
def test_the_most_that_a_table_can_say_fits_and_what_is_left_out_is_said(
    seats: int, most: int, letter: str
) -> None:
    page = render_roundtable_page(crowded(seats, MOST_OPTIONS, letter))
    check(page)
    assert len(page.encode()) < most
    assert "発言が多いため、ここでは文章を短くし" in page
    assert page.count('<article class="seat') == seats, "every seat has its card"
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r' id="([^"]+)"', page))


def test_sixteen_seats_that_are_brief_are_shown_whole() -> None:
    page = render_roundtable_page(many())
    assert "So much was said at this table" not in page
    assert page.count("speaks for it.") >= 16
