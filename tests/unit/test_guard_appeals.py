"""Suspensions, lifts and appeals: every step can be taken back, and silence is never the provider's gain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.guard import appeals
from inbond.guard.appeals import Case, Outcome, cases
from inbond.ledger.events import Event

DIGEST = Digest("sha256:" + "0" * 64)
START = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class History:
    """A ledger by hand, with a clock of its own. What is written goes by the rules of ``appeals``."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = START

    @property
    def case(self) -> Case:
        return appeals.case_of(cases(self.events), "t/a")

    def after(self, wait: timedelta) -> History:
        self.now += wait
        return self

    def record(self, kind: str, body: Mapping[str, Any]) -> None:
        at = self.now.isoformat()
        self.events.append(Event(len(self.events), at, kind, body, None, DIGEST, DIGEST))

    def suspend(self, tier: int = 3) -> None:
        body = appeals.suspend(self.case, appeals.TIERS[tier], DIGEST, "Ben", "replay, read twice", self.now)
        self.record(appeals.SUSPENDED, body)

    def lift(self, days: int = 30, tier: int = 3) -> None:
        body = appeals.lift(self.case, appeals.TIERS[tier], "Chie", "our own red team", days, self.now)
        self.record(appeals.LIFTED, body)

    def appeal(self, tier: int = 3, text: str = " 私たちは研究室です。 ") -> str:
        body = appeals.appeal(self.case, appeals.TIERS[tier], text, self.now)
        self.record(appeals.APPEALED, body)
        return str(body["id"])

    def answer(self, id_: str, outcome: Outcome) -> None:
        body = appeals.answer(cases(self.events), id_, outcome, "Chie", "read it again", self.now)
        self.record(appeals.ANSWERED, body)

    def stands(self, tier: int = 3) -> tuple[bool, int]:
        return self.case.suspended(self.now), self.case.enforced(appeals.TIERS[tier], self.now)


@pytest.fixture
def history() -> History:
    return History()


def test_a_suspension_stands_from_its_signature_until_it_is_lifted(history: History) -> None:
    history.suspend()
    assert history.case.suspension is not None
    assert (history.case.suspension.by, history.case.suspension.verdict) == ("Ben", DIGEST)
    assert history.after(365 * DAY).stands() == (True, 3)
    history.lift()
    assert history.stands() == (False, 1)


@pytest.mark.parametrize("suspended", [True, False])
def test_an_appeal_that_nobody_answers_is_granted(history: History, suspended: bool) -> None:
    if suspended:
        history.suspend()
    history.appeal(tier=3 if suspended else 2)
    (appeal,) = history.case.appeals
    assert appeal.text == "私たちは研究室です。"
    assert appeal.due - appeal.at == 24 * HOUR
    assert history.after(24 * HOUR - timedelta(seconds=1)).stands() == (suspended, 3)
    assert history.after(timedelta(seconds=1)).stands() == (False, 1)
    assert history.after(30 * DAY - timedelta(seconds=1)).stands() == (False, 1)
    assert history.after(timedelta(seconds=1)).stands() == (False, 3), "what is let in again stays in"


@pytest.mark.parametrize(("outcome", "stands"), [("upheld", (True, 3)), ("lifted", (False, 1))])
def test_an_answer_decides(history: History, outcome: Outcome, stands: tuple[bool, int]) -> None:
    history.suspend()
    id_ = history.appeal()
    history.after(23 * HOUR).answer(id_, outcome)
    assert history.stands() == stands
    assert history.after(29 * DAY).stands() == stands
    with pytest.raises(InputError) as caught:
        history.answer(id_, "lifted")
    assert caught.value.found == f"{id_}, which was {outcome} by Chie"


def test_an_answer_after_the_clock_ran_out_is_refused(history: History) -> None:
    history.suspend()
    id_ = history.appeal()
    history.after(24 * HOUR)
    with pytest.raises(InputError) as caught:
        history.answer(id_, "upheld")
    assert caught.value.found == f"{id_}, which was granted, as nobody answered by 2026-11-23 10:00 UTC"
    assert caught.value.fix == "none is open; inbond guard appeal lists all"


@pytest.mark.parametrize("late", [24 * HOUR, 25 * HOUR, 400 * DAY])
def test_an_answer_that_was_written_too_late_all_the_same_shuts_nobody_out(
    history: History, late: timedelta
) -> None:
    history.suspend()
    id_ = history.appeal()
    told = {"id": id_, "outcome": "upheld", "by": "Ben", "reason": "late"}
    history.after(late).record(appeals.ANSWERED, told)
    assert history.stands()[0] is False
    assert history.case.appeals[0].outcome is None


def test_one_appeal_at_a_time_and_a_second_after_an_answer(history: History) -> None:
    history.suspend()
    id_ = history.appeal()
    with pytest.raises(InputError) as caught:
        history.after(HOUR).appeal()
    assert caught.value.expected == "no open appeal of t/a"
    assert caught.value.found == f"{id_}, to be answered by 2026-11-23 10:00 UTC"
    history.answer(id_, "upheld")
    assert history.appeal() != id_


def test_after_a_silent_grant_nobody_is_told_that_the_appeal_is_open(history: History) -> None:
    history.suspend()
    history.appeal()
    with pytest.raises(InputError) as caught:
        history.after(25 * HOUR).appeal()
    assert caught.value.found == (
        "t/a, at tier 3, suspension proposed, lifted by an appeal that nobody answered until "
        "2026-12-23 10:00 UTC"
    )


def test_a_suspension_cannot_be_signed_over_an_open_appeal_or_a_lift(history: History) -> None:
    history.suspend()
    history.appeal()
    with pytest.raises(InputError) as caught:
        history.suspend()
    assert caught.value.found == "the one that Ben signed on 2026-11-22 10:00 UTC"
    history.after(24 * HOUR)
    with pytest.raises(InputError) as caught:
        history.suspend()
    assert caught.value.expected == "no decision in favour of t/a that is in force"
    history.record(appeals.SUSPENDED, {"account": "t/a", "verdict": DIGEST, "by": "Ben", "reason": "again"})
    assert history.stands() == (False, 1), "and what was written all the same counts for nothing"


def test_a_new_suspension_begins_without_the_old_ones_appeals(history: History) -> None:
    history.suspend()
    history.appeal()
    history.after(31 * DAY).suspend()
    assert history.case.appeals == ()
    assert history.stands() == (True, 3)


def test_an_appeal_against_a_restriction_goes_on_when_a_suspension_is_signed(history: History) -> None:
    history.appeal(tier=2)
    history.after(HOUR).suspend()
    assert history.stands() == (True, 3)
    assert history.after(23 * HOUR).stands() == (False, 1)


def test_a_lift_holds_the_guard_back_and_a_later_one_takes_its_place(history: History) -> None:
    history.lift(days=90, tier=2)
    assert history.stands(tier=0) == (False, 0)
    assert history.stands(tier=1) == (False, 1)
    assert history.after(89 * DAY).stands() == (False, 1)
    history.lift(days=1)
    assert history.after(DAY).stands() == (False, 3), "sooner than the first would have ended"


def test_a_lift_answers_what_is_open(history: History) -> None:
    history.suspend()
    history.appeal()
    history.after(HOUR).lift(days=365)
    (appeal,) = history.case.appeals
    assert (appeal.outcome, appeal.by, appeal.answer) == ("lifted", "Chie", "our own red team")
    assert history.after(364 * DAY).stands() == (False, 1)


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda case: appeals.suspend(case, 2, DIGEST, "Ben", "why", START), "tier 2"),
        (lambda case: appeals.suspend(case, 3, DIGEST, " ", "why", START), "no by"),
        (lambda case: appeals.suspend(case, 3, DIGEST, "Ben", "", START), "no reason"),
        (lambda case: appeals.lift(case, 2, "Ben", " ", 30, START), "no reason"),
        (lambda case: appeals.lift(case, 2, "", "why", 30, START), "no by"),
        (lambda case: appeals.lift(case, 0, "Ben", "why", 30, START), "t/a, at tier 0"),
        (lambda case: appeals.lift(case, 1, "Ben", "why", 366, START), "366"),
        (lambda case: appeals.lift(case, 1, "Ben", "why", 0, START), "0"),
        (lambda case: appeals.appeal(case, 1, "text", START), "t/a, at tier 1, watched"),
        (lambda case: appeals.appeal(case, 2, " ", START), "nothing"),
        (lambda _: appeals.answer({}, "abc", "lifted", "Ben", "why", START), "abc, which is not known"),
    ],
)
def test_what_is_refused(call: Any, found: str) -> None:
    with pytest.raises(InputError) as caught:
        call(Case("t/a"))
    assert caught.value.found == found


def test_who_mistypes_an_id_is_told_which_are_open(history: History) -> None:
    id_ = history.appeal(tier=2)
    with pytest.raises(InputError) as caught:
        history.answer("t/a", "lifted")
    assert (caught.value.found, caught.value.fix) == ("t/a, which is not known", f"open: {id_} of t/a")


STEPS = st.tuples(
    st.sampled_from([appeals.SUSPENDED, appeals.LIFTED, appeals.APPEALED, appeals.ANSWERED, "guard.judged"]),
    st.sampled_from(["upheld", "lifted"]),
    st.integers(0, 60),
    st.integers(-5, 1_000),
)


@given(st.lists(STEPS, max_size=10))
def test_whatever_was_written_silence_ends_every_suspension(steps: list[tuple[str, str, int, int]]) -> None:
    """In any order, at any pace: who appealed and got no answer in time is in, until somebody signs anew."""
    history, waiting = History(), None
    for number, (kind, outcome, hours, days) in enumerate(steps):
        history.after(hours * HOUR)
        if kind == appeals.APPEALED:
            waiting = waiting or history.now
        elif kind == appeals.ANSWERED or (kind == appeals.SUSPENDED and not history.stands()[0]):
            waiting = None
        id_ = str(number if kind == appeals.APPEALED else number - 1)
        told = {"account": "t/a", "by": "b", "reason": "r", "text": "t", "verdict": DIGEST}
        history.record(kind, {**told, "id": id_, "outcome": outcome, "days": days})
    if waiting is not None and history.now - waiting < 24 * HOUR:
        history.now = waiting + 24 * HOUR
    suspended, enforced = history.stands()
    assert enforced in (1, 3)
    if waiting is not None:
        assert not suspended
    assert not history.after(400 * DAY).case.ceiling(history.now), "nothing is lifted for ever"
