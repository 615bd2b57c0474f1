"""What is held, settled and owed while the state comes and goes, over a state that can be told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard.budget import Claim, Price, Seat, Usage
from inbond.guard.callers import Limits
from inbond.guard.refusals import Refusal
from inbond.guard.reservations import Reservations, forgotten
from inbond.guard.state import Held, StateLostError
from inbond.guard.state_sqlite import SqliteState

AT = 1_760_000_000.0
SCOPES = (("key:1", Limits(tokens_per_minute=100, concurrency=2)),)
PRICE = Price()


class Flaky:
    """The state in a file, which fails before or after it did what it was asked. The rest is the file's."""

    def __init__(self, path: Path) -> None:
        self.inner = SqliteState(path)
        self.fails: list[str] = []
        """For each call to come: "", before, after; "gone" fails until it is taken out."""
        self.slow = asyncio.Event()
        self.slow.set()
        self.waits = True
        self.losses = 0
        self.agreed = False

    async def accepted(self) -> bool:
        return self.agreed

    async def _call(self, what):
        found = self.fails[0] if self.fails else ""
        if found and found != "gone":
            self.fails.pop(0)
        if found in ("before", "gone"):
            what.close()
            raise _lost()
        result = await what
        if found == "after":
            raise _lost()
        return result

    async def reserve(self, id_: str, claims: Sequence[Claim], seats: Sequence[Seat], at: float, s: float):
        await self.slow.wait()
        return await self._call(self.inner.reserve(id_, claims, seats, at, s))

    async def settle(self, held: Held, changes: Sequence[tuple[Claim, int]]):
        return await self._call(self.inner.settle(held, changes))

    async def extend(self, held: Held, at: float, lease_s: float):
        return await self._call(self.inner.extend(held, at, lease_s))

    async def ping(self):
        return await self._call(self.inner.ping())

    def used(self) -> int:
        rows = self.inner._db.execute("SELECT sum(amount) FROM used").fetchone()
        return rows[0] or 0

    def seats(self) -> int:
        return self.inner._db.execute("SELECT count(*) FROM seat").fetchone()[0]


def _lost() -> StateLostError:
    return StateLostError(expected="a state", found="none", fix="wait")


@pytest.fixture
def flaky(tmp_path: Path) -> Flaky:
    return Flaky(tmp_path / "state.db")


def reservations(state: Flaky, when_lost: str = "closed") -> Reservations:
    found = Reservations(state, when_lost, lambda: AT)
    found._away = lambda: False  # the pause after a failure is tested below
    return found


async def test_a_request_is_held_and_settled_once(flaky: Flaky) -> None:
    one = reservations(flaky)
    hold = await one.hold("1", SCOPES, Usage(10, 40), PRICE)
    assert (flaky.used(), flaky.seats()) == (50, 1)
    await one.settle(hold, Usage(10, 5))
    await one.settle(hold, Usage(10, 40))
    assert (flaky.used(), flaky.seats(), one.owed) == (15, 0, 0)


async def test_a_reached_limit_says_which_and_for_how_long(flaky: Flaky) -> None:
    one = reservations(flaky)
    await one.hold("1", SCOPES, Usage(10, 80), PRICE)
    with pytest.raises(Refusal) as caught:
        await one.hold("2", SCOPES, Usage(10, 1), PRICE)
    assert caught.value.status == 429
    assert caught.value.message == "A limit of yours is reached: 100 tokens a minute. Try again in 40 s."
    assert caught.value.headers == {"retry-after": "40"}


async def test_a_state_that_never_waits_holds_and_settles_without_a_task(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db")
    one = Reservations(state, "closed", lambda: AT)
    before = asyncio.all_tasks()
    hold = one.hold("1", SCOPES, Usage(10, 40), PRICE)
    with pytest.raises(StopIteration) as held:  # it comes to its end without waiting once
        hold.send(None)
    with pytest.raises(StopIteration):
        one.settle(held.value.value, Usage(10, 5)).send(None)
    assert asyncio.all_tasks() == before
    assert state._db.execute("SELECT sum(amount) FROM used").fetchone() == (15,)
    assert state._db.execute("SELECT count(*) FROM seat").fetchone() == (0,)


async def test_what_can_never_fit_is_not_told_to_wait(flaky: Flaky) -> None:
    with pytest.raises(Refusal) as caught:
        await reservations(flaky).hold("1", SCOPES, Usage(10, 91), PRICE)
    assert (caught.value.status, caught.value.code) == (400, "limit_too_small")
    assert caught.value.message.startswith("This request may use 101 tokens a minute, and your limit is 100.")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_closed_refuses_and_leaves_nothing_held(flaky: Flaky, when: str) -> None:
    one = reservations(flaky)
    flaky.fails = [when]
    with pytest.raises(Refusal) as caught:
        await one.hold("1", SCOPES, Usage(10, 40), PRICE)
    assert (caught.value.status, caught.value.headers) == (503, {"retry-after": "5"})
    assert one.lost
    await one.tick()
    assert (flaky.used(), flaky.seats(), one.owed, one.lost) == (0, 0, 0, False)


async def test_a_state_that_was_emptied_is_used_again_when_an_operator_says_so(flaky: Flaky) -> None:
    one = reservations(flaky)
    flaky.losses = 1
    with pytest.raises(Refusal) as caught:
        await one.hold("1", SCOPES, Usage(10, 40), PRICE)
    assert (caught.value.status, one.emptied, one.lost) == (503, True, False)
    await one.tick()
    assert one.emptied
    flaky.agreed = True
    await one.tick()
    await one.hold("2", SCOPES, Usage(10, 40), PRICE)
    assert (one.emptied, flaky.used()) == (False, 50)
    flaky.losses, flaky.agreed = 2, False
    assert one.emptied, "what was said of one data set is not said of the next"


async def test_the_request_that_notices_it_is_refused_and_holds_nothing(flaky: Flaky) -> None:
    one = reservations(flaky)
    flaky.slow.clear()
    asking = asyncio.ensure_future(one.hold("1", SCOPES, Usage(10, 40), PRICE))
    await asyncio.sleep(0)
    flaky.losses = 1
    flaky.slow.set()
    with pytest.raises(Refusal):
        await asking
    assert (flaky.used(), flaky.seats()) == (0, 0)


async def test_open_goes_on_with_an_emptied_state(flaky: Flaky) -> None:
    one = reservations(flaky, "open")
    flaky.losses = 1
    await one.hold("1", SCOPES, Usage(10, 40), PRICE)
    assert (one.emptied, flaky.used()) == (False, 50)


@pytest.mark.parametrize("reserve", ["", "before", "after"])
@pytest.mark.parametrize("settle", ["", "before"])
async def test_open_passes_and_counts_it_when_the_state_is_back(
    flaky: Flaky, reserve: str, settle: str
) -> None:
    one = reservations(flaky, "open")
    flaky.fails = [reserve] if reserve else []
    hold = await one.hold("1", SCOPES, Usage(10, 40), PRICE)
    flaky.fails = [settle] if settle else []
    await one.settle(hold, Usage(10, 5))
    flaky.fails = []
    await one.tick()
    assert (flaky.used(), flaky.seats(), one.owed) == (15, 0, 0)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_settlement_in_doubt_takes_effect_once(flaky: Flaky, when: str) -> None:
    one = reservations(flaky)
    hold = await one.hold("1", SCOPES, Usage(10, 40), PRICE)
    flaky.fails = [when, "before", when]
    await one.settle(hold, Usage(10, 5))
    assert one.owed == 1
    for _ in range(4):
        await one.tick()
    assert (flaky.used(), flaky.seats(), one.owed) == (15, 0, 0)


async def test_over_budget_stays_refused_when_open(flaky: Flaky) -> None:
    one = reservations(flaky, "open")
    await one.hold("1", SCOPES, Usage(10, 80), PRICE)
    with pytest.raises(Refusal):
        await one.hold("2", SCOPES, Usage(10, 80), PRICE)


async def test_while_it_is_gone_nobody_waits_for_it(flaky: Flaky) -> None:
    one = Reservations(flaky, "open", lambda: AT)
    flaky.fails = ["gone"]
    first = await one.hold("1", SCOPES, Usage(10, 40), PRICE)
    flaky.fails = ["after"]
    second = await one.hold("2", SCOPES, Usage(10, 40), PRICE)
    assert flaky.fails == ["after"], "it was not asked"
    flaky.fails = []
    await one.settle(first, Usage(1, 1))
    await one.settle(second, Usage(2, 2))
    await one.tick()
    assert (flaky.used(), one.lost) == (6, False)


async def test_a_caller_who_leaves_while_it_is_held_holds_nothing(flaky: Flaky) -> None:
    one = reservations(flaky)
    flaky.slow.clear()
    asking = asyncio.ensure_future(one.hold("1", SCOPES, Usage(10, 40), PRICE))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    flaky.slow.set()
    await one.close()
    assert (flaky.used(), flaky.seats(), one.owed) == (0, 0, 0)


async def test_seats_of_long_answers_are_kept(flaky: Flaky) -> None:
    now = [AT]
    one = Reservations(flaky, "closed", lambda: now[0])
    hold = await one.hold("1", SCOPES, Usage(1, 1), PRICE)
    now[0] += 100
    await one._extend()
    (until,) = flaky.inner._db.execute("SELECT until FROM seat").fetchone()
    assert until == AT + 220
    await one.settle(hold, Usage(1, 1))
    await one._extend()
    assert flaky.seats() == 0


async def test_a_request_without_limits_asks_the_state_nothing(flaky: Flaky) -> None:
    flaky.fails = ["gone"]
    one = reservations(flaky)
    hold = await one.hold("1", (("key:1", Limits()),), Usage(10, 40), PRICE)
    await one.settle(hold, Usage(10, 5))
    assert not one.lost


FAILS = st.sampled_from(["", "before", "after"])


@given(
    st.lists(st.tuples(FAILS, FAILS, st.integers(0, 9)), max_size=12),
    st.sampled_from(["open", "closed"]),
)
def test_whatever_fails_when_the_state_holds_just_what_was_used(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[str, str, int]], when_lost: str
) -> None:
    async def go() -> None:
        flaky = Flaky(tmp_path_factory.mktemp("state") / "state.db")
        one, used = reservations(flaky, when_lost), 0
        scopes = (("key:1", Limits(tokens_per_minute=10**9, concurrency=50)),)
        for number, (reserve, settle, tokens) in enumerate(requests):
            flaky.fails = [reserve] if reserve else []
            try:
                hold = await one.hold(str(number), scopes, Usage(3, 4), PRICE)
            except Refusal:
                continue
            flaky.fails = [settle] if settle else []
            await one.settle(hold, Usage(0, tokens))
            used += tokens
        flaky.fails = []
        await one.tick()
        assert (flaky.used(), flaky.seats(), one.owed) == (used, 0, 0)
        await flaky.inner.close()

    asyncio.run(go())


async def test_what_does_not_fit_on_the_slate_is_counted(flaky: Flaky, monkeypatch) -> None:
    monkeypatch.setattr("inbond.guard.reservations.MOST_OWED", 1)
    one = reservations(flaky, "closed")
    holds = [await one.hold(name, SCOPES, Usage(1, 1), PRICE) for name in "12"]
    flaky.fails = ["gone"]
    for hold in holds:
        await one.settle(hold, Usage(1, 1))
    assert (one.owed, one.dropped) == (1, 1)


async def test_open_passes_no_more_than_it_can_settle_later(flaky: Flaky, monkeypatch) -> None:
    monkeypatch.setattr("inbond.guard.reservations.MOST_OWED", 2)
    one = reservations(flaky, "open")
    flaky.fails = ["gone"]
    first, second = [await one.hold(name, SCOPES, Usage(1, 1), PRICE) for name in "12"]
    for _ in range(2):
        with pytest.raises(Refusal, match="cannot be metered"):
            await one.hold("3", SCOPES, Usage(1, 1), PRICE)
        await one.settle(first, Usage(1, 1))
    assert (one.owed, one.dropped) == (1, 2), "whoever was refused takes nobody's place"
    await one.settle(second, Usage(1, 1))
    flaky.fails = []
    await one.tick()
    assert (one.owed, flaky.used()) == (0, 4)


def test_a_clock_that_jumps_ahead_makes_nothing_forgotten() -> None:
    assert forgotten(1_000.0, 1_600.0, 600.0) == 1_600.0
    assert forgotten(1_000.0, 1_000.0 + 90 * 86_400, 600.0) == 2_200.0
    assert forgotten(1_000.0, 400.0, 600.0) == 400.0, "set back, it forgets less"


@given(st.lists(st.tuples(st.floats(0, 1e10), st.floats(0, 1e4)), max_size=20))
def test_what_is_forgotten_is_never_ahead_of_the_clock_nor_of_twice_the_time_that_passed(looks: list) -> None:
    ended, passed = 1_000.0, 0.0
    for clock, seconds in looks:
        ended, passed = forgotten(ended, clock, seconds), passed + seconds
        assert ended <= clock
        assert ended <= 1_000.0 + 2 * passed + 1e-3


async def test_what_is_wrong_with_the_state_is_kept_until_it_is_mended(flaky: Flaky) -> None:
    one, told = reservations(flaky), ["Redis evicts", None]

    async def doubt() -> str | None:
        return told[0]

    flaky.doubt = doubt
    await one.examine()
    assert one.doubt == "Redis evicts"
    told.pop(0)
    await one.examine()
    assert one.doubt is None
