"""The guard on a disk without room: it says so, refuses or owes as configured, and goes on when there is
room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inbond.guard.budget import Full
from inbond.guard.state import Held, StateLostError
from inbond.guard.state_sqlite import SqliteState
from tests.contract import mock_host as mock
from tests.contract.guard_traffic import AT, claim, seat
from tests.guard_running import Running, running

ANSWER = {
    "choices": [{"message": {"content": "Hello"}}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 5},
}


class Disk:
    """A small file system of its own, which can be filled and emptied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"\0" * 512)
            except OSError:
                return

    def empty(self) -> None:
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a file system can only be mounted as root")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def _until_full(state: SqliteState, cap: int = 10**6) -> int:
    """Requests that fit before the state says that it has no room."""
    for number in range(5_000):
        try:
            found = await state.reserve(
                f"n{number}", [claim(f"c{number}", 1, cap)], [seat("s", cap)], AT, 9.0
            )
            assert isinstance(found, Held)
        except StateLostError:
            return number
    raise AssertionError("the disk was never full")


async def test_what_does_not_fit_is_not_half_held_and_what_stood_stands(disk: Disk) -> None:
    state = SqliteState(disk.folder / "state.db")
    stands = await state.reserve("1", [claim(amount=4)], [seat()], AT, 120.0)
    assert isinstance(stands, Held)
    disk.fill()
    fitted = await _until_full(state)
    with pytest.raises(
        StateLostError, match="the guard's state to be written; found database or disk is full"
    ):
        await state.ping()
    with pytest.raises(StateLostError):
        await state.settle(stands, [(claim(amount=4), -1)])
    assert await state.tier("t/a") is None, "what can be read is read"
    disk.empty()
    await state.ping()
    assert await state.settle(stands, [(claim(amount=4), -1)])
    assert isinstance(await state.reserve("2", [claim(amount=8)], [], AT, 120.0), Full)
    assert isinstance(await state.reserve("3", [claim(amount=7)], [], AT, 120.0), Held)
    held = state._db.execute("SELECT count(*) FROM held WHERE id LIKE 'n%'").fetchone()
    assert held == state._db.execute("SELECT count(*) FROM seat").fetchone() == (fitted,)
    await state.close()


async def test_a_file_that_may_not_grow_is_lost_until_it_may(tmp_path: Path) -> None:
    """The same without a file system of its own."""
    state = SqliteState(tmp_path / "state.db")
    (pages,) = state._db.execute("PRAGMA page_count").fetchone()
    state._db.execute(f"PRAGMA max_page_count={pages + 2}")
    fitted = await _until_full(state)
    assert state._db.execute("SELECT count(*) FROM held").fetchone() == (fitted,)
    state._db.execute("PRAGMA max_page_count=100000")
    await state.ping()
    assert isinstance(await state.reserve("1", [claim()], [], AT, 120.0), Held)
    await state.close()


async def test_a_commit_that_fails_is_taken_back_and_the_next_one_is_not_in_its_way(tmp_path: Path) -> None:
    state, other = SqliteState(tmp_path / "state.db"), SqliteState(tmp_path / "state.db")
    state._db.execute("PRAGMA defer_foreign_keys=1")
    state._db.execute("PRAGMA foreign_keys=1")
    state._db.execute("CREATE TABLE a (x PRIMARY KEY)")
    state._db.execute("CREATE TABLE b (x REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(StateLostError, match="FOREIGN KEY"), state._turn() as db:
        db.execute("INSERT INTO b VALUES (1)")
    assert isinstance(await state.reserve("1", [claim(amount=6)], [], AT, 120.0), Held)
    assert isinstance(await other.reserve("2", [claim(amount=6)], [], AT, 120.0), Full)
    await state.close()
    await other.close()


async def _full(guard: Running, disk: Disk) -> None:
    disk.fill()
    for _ in range(2_000):
        await guard.post()
        if guard.gateway.reservations.lost:
            return
    raise AssertionError("the disk was never full")


async def _back(guard: Running) -> None:
    await guard.gateway.reservations.tick()
    assert not guard.gateway.reservations.lost
    assert guard.gateway.reservations.owed == 0


@pytest.mark.parametrize("when", ["closed", "open"])
async def test_the_gateway_says_so_and_goes_on_when_there_is_room(disk: Disk, when: str) -> None:
    """Every token that the upstream was paid for is settled in the end."""
    async with running(disk.folder, mock.status(200, ANSWER), when_state_is_lost=when) as guard:
        for _ in range(3):
            assert (await guard.post())[0] == 200
        await _full(guard, disk)
        await guard.quiet()
        asked = len(guard.mock.bodies)
        status, _, body = await guard.post()
        assert (status, len(guard.mock.bodies) - asked) == ((503, 0) if when == "closed" else (200, 1)), body
        async with guard.client.get(f"http://127.0.0.1:{guard.port}/health") as health:
            said = await health.json()
        assert said["state"] == "lost"
        assert said["requests"] == (
            "are refused" if when == "closed" else "pass, and are metered when it is back"
        )
        disk.empty()
        await guard.quiet()
        await _back(guard)
        assert (await guard.post())[0] == 200
        await guard.quiet()
        served = [seen.usage.tokens for seen in guard.seen if seen.status == 200 and seen.usage]
        assert guard.used() == sum(served)
        assert guard.taken() == 0
