"""What every implementation of the guard's state promises, over each of them."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.guard.budget import Claim, Full, Seat
from inbond.guard.state import Held, State, StateLostError
from inbond.guard.state_redis import RedisState
from inbond.guard.state_sqlite import SqliteState
from tests.contract.guard_traffic import AT, claim, seat
from tests.redis_server import RedisServer

Open = Callable[[], State]
"""Another replica of the same state."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "redis"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "sqlite":
        return lambda: SqliteState(tmp_path / "state.db")
    url = request.getfixturevalue("redis").new_url()
    return lambda: RedisState(url)


@pytest.fixture
async def state(opener: Open) -> AsyncIterator[State]:
    opened = opener()
    yield opened
    await opened.close()


async def held(state: State, id_: str, claims: list[Claim], seats: list[Seat] | None = None) -> Held:
    found = await state.reserve(id_, claims, seats or [], AT, 120.0)
    assert isinstance(found, Held), found
    return found


async def room(state: State, counter: str, cap: int, at: float = AT) -> int:
    """How much more fits, found by asking."""
    for amount in range(cap, 0, -1):
        asked = claim(counter, amount, cap, at)
        found = await state.reserve(f"probe {amount}", [asked], [], at, 1.0)
        if isinstance(found, Held):
            assert await state.settle(found, [(asked, -amount)])
            return amount
    return 0


async def test_the_first_data_set_is_nobodys_loss(state: State) -> None:
    await state.ping()
    await state.accept()
    assert (state.losses, await state.accepted()) == (0, True)


def test_the_file_and_its_folder_are_their_owners(tmp_path: Path) -> None:
    folder = tmp_path / "guard"
    folder.mkdir(mode=0o755)
    (folder / "state.db").touch(mode=0o644)
    state = SqliteState(folder / "state.db")
    asyncio.run(state.ping())
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())}
    assert modes == {"guard": "0o700"} | dict.fromkeys(("state.db", "state.db-wal", "state.db-shm"), "0o600")
    asyncio.run(state.close())


@pytest.mark.parametrize("ask", ["tier", "tiers", "memory", "windows", "marks", "ping", "reserve"])
async def test_a_file_that_is_broken_is_lost_state_whatever_is_asked(tmp_path: Path, ask: str) -> None:
    path = tmp_path / "state.db"
    state = SqliteState(path)
    state._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(b"SQLite format 3\0" + b"broken" * 2_000)
    state._db.close()
    state._db = sqlite3.connect(path, isolation_level=None)
    asked = {
        "tier": lambda: state.tier("a"), "tiers": state.tiers, "memory": state.memory, "ping": state.ping,
        "windows": state.windows, "marks": lambda: state.marks(0),
        "reserve": lambda: state.reserve("1", [claim()], [], AT, 1.0),
    }  # fmt: skip
    with pytest.raises(StateLostError, match="look at the disk"):
        await asked[ask]()
    await state.close()


async def test_all_claims_are_held_or_none(state: State) -> None:
    wide, narrow = claim("wide", 5, 10), claim("narrow", 5, 4)
    assert await state.reserve("1", [wide, narrow], [], AT, 120.0) == Full(
        "narrow", "tokens a minute", 4, narrow.ends - AT
    )
    assert await room(state, "wide", 10) == 10


async def test_a_full_seat_lets_go_of_the_claims(state: State) -> None:
    await held(state, "1", [], [seat()])
    assert await state.reserve("2", [claim(amount=3)], [seat()], AT, 120.0) == Full(
        "a", "requests at a time", 1, 1.0
    )
    assert await room(state, "a", 10) == 10


async def test_a_claim_may_fill_its_window_and_not_by_one_more(state: State) -> None:
    await held(state, "1", [claim(amount=10)])
    assert isinstance(await state.reserve("2", [claim(amount=1)], [], AT, 120.0), Full)
    await held(state, "3", [claim(amount=0)])


async def test_what_is_settled_once_is_not_settled_again(state: State) -> None:
    one = claim(amount=8)
    taken = await held(state, "1", [one], [seat()])
    assert await state.settle(taken, [(one, -6)])
    assert not await state.settle(taken, [(one, -6)])
    assert await room(state, "a", 10) == 8


async def test_an_id_is_held_once(state: State) -> None:
    one = claim(amount=6)
    first = await held(state, "1", [one], [seat()])
    assert await state.reserve("1", [one], [seat()], AT, 120.0) == first
    assert await room(state, "a", 10) == 4


async def test_what_was_never_held_is_not_settled(state: State) -> None:
    one = claim(amount=6)
    assert not await state.settle(Held("nobody", (one,), ()), [(one, -6)])
    assert await room(state, "a", 10) == 10


async def test_settling_may_go_beyond_a_cap(state: State) -> None:
    one = claim(amount=1)
    assert await state.settle(await held(state, "1", [one]), [(one, 99)])
    assert isinstance(await state.reserve("2", [claim(amount=1, cap=100)], [], AT, 1.0), Full)
    assert isinstance(await state.reserve("3", [claim(amount=1, cap=101)], [], AT, 1.0), Held)


async def test_a_seat_is_free_when_it_is_settled_and_when_its_lease_is_over(state: State) -> None:
    first = await held(state, "1", [], [seat()])
    assert isinstance(await state.reserve("2", [], [seat()], AT + 119.9, 120.0), Full)
    assert isinstance(await state.reserve("3", [], [seat()], AT + 120.0, 120.0), Held)
    await state.settle(first, [])  # its seat is another's by now, and stays that
    assert isinstance(await state.reserve("4", [], [seat()], AT + 121, 120.0), Full)


async def test_a_long_answer_keeps_its_seat(state: State) -> None:
    first = await held(state, "1", [], [seat()])
    await state.extend(first, AT + 100, 120.0)
    assert isinstance(await state.reserve("2", [], [seat()], AT + 219, 120.0), Full)
    await state.settle(first, [])
    await state.extend(first, AT + 100, 120.0)
    assert isinstance(await state.reserve("3", [], [seat()], AT + 101, 120.0), Held)


async def test_a_clock_set_forward_begins_a_window_and_set_back_finds_the_old_one(state: State) -> None:
    await held(state, "1", [claim(amount=7)])
    assert await room(state, "a", 10, AT + 60) == 10
    assert await room(state, "a", 10, AT + 86_400) == 10
    await state.forget(AT + 300)
    assert await room(state, "a", 10) == 3


async def test_a_late_settlement_goes_to_the_window_it_was_held_in(state: State) -> None:
    one = claim(amount=2)
    first = await held(state, "1", [one])
    await held(state, "2", [claim(amount=1, at=AT + 60)])
    await state.settle(first, [(one, 5)])
    assert await room(state, "a", 10) == 3
    assert await room(state, "a", 10, AT + 60) == 9


async def test_replicas_share_everything(opener: Open) -> None:
    first, second = opener(), opener()
    taken = await held(first, "1", [claim(amount=6)], [seat("s")])
    assert isinstance(await second.reserve("2", [claim(amount=5)], [], AT, 120.0), Full)
    assert isinstance(await second.reserve("3", [], [seat("s")], AT, 120.0), Full)
    assert await second.settle(taken, [(claim(amount=6), -6)])
    assert not await first.settle(taken, [(claim(amount=6), -6)])
    assert await room(first, "a", 10) == 10
    await first.close()
    await second.close()


# Detection ---------------------------------------------------------------------------------------------


async def test_marks_are_put_once(state: State) -> None:
    await state.put_marks("x", 600, [b"\x00\xff", b"b"])
    await state.put_marks("x", 600, [b"\x00\xff", b"b"])
    await state.put_marks("y", 600, [b"b"])
    await state.put_marks("z", 0, [b"c"])
    assert sorted(await state.marks(600)) == [b"\x00\xff", b"b", b"b"]
    assert await state.windows() == [0, 600]
    assert await state.marks(1_200) == []


async def test_a_window_is_folded_by_one_replica(opener: Open) -> None:
    first, second = opener(), opener()
    await first.put_marks("x", 600, [b"a"])
    await first.put_marks("y", 1_200, [b"b"])
    folded = [
        await first.fold(600, b"one", {"t/a": b"1"}),
        await second.fold(600, b"two", {"t/a": b"2"}),
        await second.fold(0, b"older", {}),
    ]
    assert folded == [True, False, False]
    assert await second.memory() == (600, b"one")
    assert await second.tier("t/a") == b"1"
    assert await second.windows() == [1_200]
    assert await second.marks(600) == []
    assert await second.fold(1_200, b"next", {"t/b": b"3"})
    assert await first.tiers() == {"t/a": b"1", "t/b": b"3"}
    assert await first.memory() == (1_200, b"next")
    await first.close()
    await second.close()


async def test_nothing_is_remembered_before_the_first_window(state: State) -> None:
    assert await state.memory() == (None, b"")
    assert await state.tier("t/a") is None
    assert await state.tiers() == {}
    assert await state.windows() == []


# In any order, against a plain model --------------------------------------------------------------------

CAPS = {"key": 7, "tenant": 12}
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("reserve"),
            st.integers(0, 9),
            st.sampled_from(["key", "tenant", "both"]),
            st.integers(0, 5),
        ),
        st.tuples(st.just("settle"), st.integers(0, 9), st.integers(-5, 9), st.just(0)),
        st.tuples(st.just("extend"), st.integers(0, 9), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([-70, -1, 5, 61, 130]), st.just(0), st.just(0)),
    ),
    max_size=40,
)  # fmt: skip
_run = itertools.count()


class Model:
    """One counter a window, one set of seats: nothing else."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, int], int] = {}
        self.seats: dict[str, dict[str, float]] = {name: {} for name in CAPS}
        self.held: dict[str, Held] = {}

    def reserve(self, wanted: Held, at: float) -> bool:
        if wanted.id in self.held:
            return True
        if any(self._used(each) + each.amount > each.cap for each in wanted.claims):
            return False
        for each in wanted.seats:
            live = {who: until for who, until in self.seats[each.counter].items() if until > at}
            self.seats[each.counter] = live
            if len(live) + 1 > each.cap:
                return False
        for each in wanted.claims:
            self.add(each, each.amount)
        for each in wanted.seats:
            self.seats[each.counter][wanted.id] = at + 100
        self.held[wanted.id] = wanted
        return True

    def _used(self, each: Claim) -> int:
        return self.used.get((each.counter, each.begins), 0)

    def add(self, each: Claim, amount: int) -> None:
        self.used[each.counter, each.begins] = self._used(each) + amount

    def settle(self, id_: str, change: int) -> bool:
        found = self.held.pop(id_, None)
        if found is None:
            return False
        for each in found.claims:
            self.add(each, change)
        for live in self.seats.values():
            live.pop(id_, None)
        return True

    def extend(self, id_: str, at: float) -> None:
        for live in self.seats.values():
            if id_ in live:
                live[id_] = at + 100


async def _agree(replicas: list[State], steps: list[tuple]) -> None:
    """Every step goes to another replica, and must answer as the one model does."""
    model, at, run = Model(), AT, next(_run)
    known: dict[str, Held] = {}
    for number, (what, first, second, third) in enumerate(steps):
        replica = replicas[number % len(replicas)]
        id_ = f"{run}/{first}"
        if what == "wait":
            at += first
        elif what == "reserve":
            names = list(CAPS) if second == "both" else [second]
            claims = tuple(claim(f"{name}{run}", third, CAPS[name], at) for name in names)
            wanted = model.held.get(id_) or Held(
                id_, claims, tuple(Seat(f"{name}{run}", 3) for name in names)
            )
            model.seats |= {each.counter: model.seats.get(each.counter, {}) for each in wanted.seats}
            found = await replica.reserve(wanted.id, wanted.claims, wanted.seats, at, 100.0)
            assert isinstance(found, Held) == model.reserve(wanted, at), (number, wanted, found)
            if isinstance(found, Held):
                known[id_] = wanted
        elif id_ in known and what == "settle":
            changes = [(each, second) for each in known[id_].claims]
            assert await replica.settle(known[id_], changes) == model.settle(id_, second)
        elif id_ in known:
            await replica.extend(known[id_], at, 100.0)
            model.extend(id_, at)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_replicas_in_any_interleaving_are_one(opener: Open, steps: list[tuple]) -> None:
    async def go() -> None:
        replicas = [opener(), opener(), opener()]
        try:
            await _agree(replicas, steps)
        finally:
            for replica in replicas:
                await replica.close()

    asyncio.run(go())
