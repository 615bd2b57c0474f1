"""The count: random votes and failures, and the cases that others got wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.roundtable.ballots import Ballot, Claim
from inbond.roundtable.question import Question
from inbond.roundtable.session import Result, Seat, Status, Turn
from inbond.roundtable.tally import STATUSES, count, lost, outcome_of, quorum

QUESTION = Question.make("Which?", ["A", "B", "C"], "en")
IDS = tuple(option.id for option in QUESTION.options)
FAILED: tuple[Status, ...] = ("refused", "invalid", "timeout", "error")


def turn(said: str, round_: int = 1) -> Turn:
    """``said``: an option's label, or a status."""
    if said in FAILED:
        return Turn(round_, said)  # type: ignore[arg-type]
    vote = next((option.id for option in QUESTION.options if option.label == said), None)
    ballot = Ballot("because", (Claim("c1", "so it is"),), vote)
    return Turn(round_, "voted" if vote else "abstained", ballot)


def counted(*said: str) -> Result:
    return count(QUESTION, [Seat(f"s{n}", "u", turns=(turn(each),)) for n, each in enumerate(said)])


@pytest.mark.parametrize(
    ("said", "outcome", "winner", "sentence"),
    [
        ("AAAAA", "unanimous", "A", "Unanimous: “A” with 5 of 5 votes and of 5 seats; 5 seated, 5 voted."),
        (
            "AAAAB",
            "majority",
            "A",
            "Majority of the seats: “A” with 4 of 5 votes and of 5 seats; 5 seated, 5 voted.",
        ),
        ("AAABBB", "tie", None, "Tie: “A” and “B” have 3 each; 6 seated, 6 voted."),
        (
            "AABBC",
            "tie",
            None,
            "Tie: “A” and “B” have 2 each; 5 seated, 5 voted.",
        ),
        (
            "AABC",
            "plurality",
            "A",
            "Plurality, no majority: “A” with 2 of 4 votes and of 4 seats; 4 seated, 4 voted.",
        ),
    ],
)
def test_votes_are_called_what_they_are(said: str, outcome: str, winner: str | None, sentence: str) -> None:
    found = counted(*said)
    assert found.outcome == outcome
    assert (QUESTION.option(found.winner).label if found.winner else None) == winner
    assert found.sentence == sentence


def test_more_than_half_of_the_votes_is_no_majority_of_the_seats() -> None:
    found = counted("A", "A", "A", "B", "timeout", "refused")
    assert found.outcome == "majority-of-votes-cast"
    assert found.sentence == (
        "Majority of the votes cast, not of the seats: “A” with 3 of 4 votes and of 6 seats; "
        "6 seated, 4 voted; 1 refused; 1 timed out."
    )


def test_below_two_thirds_there_is_no_quorum_whatever_the_votes() -> None:
    found = counted("A", "A", "A", "timeout", "error", "abstained")
    assert (found.outcome, found.winner) == ("no-quorum", None)
    assert found.sentence == (
        "No quorum: 6 seated, 3 voted; 1 abstained; 1 timed out; 1 failed; 4 votes are needed."
    )


@pytest.mark.parametrize(
    ("seated", "needed"), [(1, 3), (2, 3), (3, 3), (4, 3), (5, 4), (6, 4), (7, 5), (9, 6)]
)
def test_a_quorum_is_two_thirds_and_three_at_least(seated: int, needed: int) -> None:
    assert quorum(seated) == needed


def test_a_vote_lost_in_the_second_round_is_told_beside_the_count() -> None:
    seats = [Seat(f"s{n}", "u", turns=(turn("A"), turn("A", 2))) for n in range(4)]
    seats += [Seat("t", "u", turns=(turn("B"), turn("error", 2))), Seat("x", "u", turns=(turn("timeout"),))]
    found = count(QUESTION, seats)
    assert found.outcome == "unanimous"
    assert found.sentence == (
        "Unanimous: “A” with 4 of 4 votes and of 6 seats; 6 seated, 4 voted; 1 timed out; 1 failed. "
        "1 that voted “B” first failed in the second round."
    )
    away = replace(seats[4], turns=(turn("B"), turn("abstained", 2)))
    assert away.lost is None, "it said so itself"
    assert lost(QUESTION, [*seats[:4], away]) == {}


def test_two_that_agree_are_no_quorum() -> None:
    assert counted("A", "A").outcome == "no-quorum"


def test_most_seats_that_call_a_question_ill_posed_are_heard() -> None:
    ballot = Ballot("because", (), IDS[0], ill_posed="It assumes what it asks.")
    seats = [Seat(f"s{n}", "u", turns=(Turn(1, "voted", ballot),)) for n in range(3)]
    seats += [Seat(f"t{n}", "u", turns=(turn("A"),)) for n in range(2)]
    assert count(QUESTION, seats).sentence.endswith(" 3 of 5 seats call the question ill-posed.")
    assert "ill-posed" not in count(QUESTION, seats[1:]).sentence


said = st.lists(st.sampled_from(("A", "B", "C", "abstained", *FAILED)), min_size=1, max_size=12)


@given(said, st.randoms())
def test_an_outcome_is_what_its_name_says_and_no_order_changes_it(said: list[str], random: object) -> None:
    found = counted(*said)
    votes = Counter(each for each in said if each in "ABC")
    top = max(votes.values(), default=0)
    leaders = [label for label in votes if votes[label] == top]
    assert found.seated == len(said)
    assert found.voted == votes.total() == found.statuses["voted"]
    assert sum(found.statuses.values()) == found.seated
    assert set(found.statuses) == set(STATUSES)
    expected = (
        "no-quorum"
        if votes.total() < max(3, (2 * len(said) + 2) // 3)
        else "tie"
        if len(leaders) > 1
        else "unanimous"
        if len(votes) == 1
        else "majority"
        if top > len(said) / 2
        else "majority-of-votes-cast"
        if top > votes.total() / 2
        else "plurality"
    )
    assert found.outcome == expected
    assert (found.winner is not None) == (found.outcome not in ("tie", "no-quorum"))
    if found.winner is not None:
        assert QUESTION.option(found.winner).label == leaders[0]
    if 2 * top <= len(said) and expected != "unanimous":
        assert "Majority of the seats" not in found.sentence
    random.shuffle(said)  # type: ignore[attr-defined]
    assert counted(*said) == found


@given(st.permutations(IDS), st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_no_order_of_the_options_breaks_a_tie(order: list[str], votes: list[int]) -> None:
    given_votes = dict(zip(IDS, votes, strict=True))
    turned = {id_: given_votes[id_] for id_ in order}
    assert outcome_of(turned, sum(votes)) == outcome_of(given_votes, sum(votes))
