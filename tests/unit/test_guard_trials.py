"""What is a trial of whom: what is tested must not have chosen its test."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from inbond.guard.detect.capital import ACCOUNT, DAYS, OLDER, SPANS_S, WINDOWS, YOUNGER, counted, ids, places
from inbond.guard.detect.clusters import KINDS, key_of
from inbond.guard.detect.families import ELICITATION, WHOLE
from inbond.guard.detect.judge import judge, tiers
from inbond.guard.detect.memory import WINDOW_S, Memory
from tests.unit.guard_traffic import DAY, ELICIT, START, row, talk, times
from tests.unit.test_guard_detect import folded, read

MORNING = (START // DAY + 1) * DAY


def in_group(memory: Memory, account: str, family: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """The row of capital of the cohort that an account is in now."""
    at = memory.accounts.row(account)
    return ids(key_of(memory.accounts.table[at : at + 1], "cohort"), KINDS.index("cohort") + 1, family)


def test_a_day_is_a_trial_of_the_groups_that_its_accounts_were_in_when_it_began() -> None:
    rng = random.Random(1)

    def asks(day: int, minute: int, name: str, client: str, elicits: bool) -> dict[str, object]:
        said = f"{ELICIT if elicits else ''} {talk(rng)}"
        told = {"client": client, "created": MORNING - 9 * DAY, "prompt": said}
        return row(rng, MORNING + day * DAY + minute * 60, name, **told)

    rows = [
        asks(0, minute + i, f"{client}{i}", client, elicits=minute > 0)
        for minute in (0, 20)
        for client in ("plain", "other")
        for i in range(4)
    ]
    rows += [asks(1, 30 + i, f"plain{i}", "other", elicits=True) for i in range(4)]
    rows += [asks(1, 30 + i, f"other{i}", "other", elicits=False) for i in range(4)]
    memory = folded(read([*rows, asks(2, 1, "late", "third", elicits=False)]))
    assert memory.window - MORNING == 2 * DAY
    before = folded(read(rows[:16]))
    for client, hits in (("plain", WHOLE), ("other", 0)):
        trials, found = counted(memory.capital, in_group(before, f"{client}0-a", ELICITATION))
        assert trials[0, DAYS].tolist() == [1, 1]
        assert found[0, DAYS].tolist() == [hits, hits], "who came during the day says nothing of that day"


def test_the_last_day_of_a_span_is_a_trial_of_that_span() -> None:
    rng, began = random.Random(5), (START // SPANS_S[0] + 1) * SPANS_S[0]
    rows = [
        row(rng, began + day * DAY + w * WINDOW_S, "asker", prompt=f"{ELICIT} {talk(rng)}")
        for day in range(5)
        for w in range(2)
    ]
    memory = folded(read(rows[:-1]))
    assert memory.window == began + SPANS_S[0]
    of = ids(memory.accounts.table["id"], ACCOUNT, ELICITATION)
    at, known = places(memory.capital, of)
    assert known.all()
    days, windows = memory.capital["trials"][at[0], DAYS, 0], memory.capital["trials"][at[0], WINDOWS, 0]
    assert (days[OLDER], days[YOUNGER]) == (3, 0)
    assert (windows[OLDER], windows[YOUNGER]) == (8, 1)


def test_people_who_seldom_elicit_in_the_same_words_are_no_group_that_elicits() -> None:
    """Everything of the template that the words make elicits, and that is how the template was found."""
    rng = random.Random(3)
    rows = [
        row(
            rng, START + w * WINDOW_S + i, f"n{i}", created=START - 9 * DAY, client=f"client{i}",
            prompt=f"{ELICIT if rng.random() < 0.015 else ''} {talk(rng, 12)}",
        )
        for w in range(160)
        for i in range(30)
    ]  # fmt: skip
    memory = folded(read(rows))
    judgement = judge(memory)
    assert (memory.accounts.table["grouped"] >> KINDS.index("template") & 1).any(), "they are a group"
    assert judgement.clusters == ()
    assert set(judgement.accounts.tiers.values()) == {0}


def curious(share: float, a_day: int, days: int = 2) -> Iterator[dict[str, object]]:
    """Somebody who says something else each time, and elicits in a share of it."""
    rng = random.Random(6)
    for number, ts in enumerate(times(rng, a_day * days, days)):
        elicits = number % round(1 / share) == 0
        yield row(rng, ts, "curious", prompt=f"{ELICIT if elicits else ''} {talk(rng, 9)}")


def test_far_more_fresh_requests_change_no_tier_of_who_keeps_the_bounds() -> None:
    few, many = (folded(read(curious(0.01, a_day))) for a_day in (5, 1_000))
    account = many.accounts["curious-a"]
    assert (account.requests, account.eliciting_requests) == (2_000, 20)
    assert account.windows > 250, "in nearly every window"
    assert tiers(few)["curious-a"] == tiers(many)["curious-a"] == 0


def test_more_windows_do_say_more_of_who_breaks_a_bound() -> None:
    """At 10%, a few requests a day say too little and many say it soon: more is seen of what is illicit."""
    few, many = (tiers(folded(read(curious(0.1, a_day)))) for a_day in (4, 400))
    assert (few["curious-a"], many["curious-a"]) == (0, 1)
