"""What every EventStore promises, run against each implementation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inbond.ledger.attest import KeyStore
from inbond.ledger.chain import ChainCheck
from inbond.ledger.events import Entry
from inbond.ledger.ledger import Ledger
from inbond.ledger.postgres import PostgresStore
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.store import EventStore
from tests.contract.memory_store import MemoryStore


def _sqlite(request: pytest.FixtureRequest) -> EventStore:
    return SqliteStore.open(request.getfixturevalue("tmp_path") / "ledger.db")


def _postgres(request: pytest.FixtureRequest) -> EventStore:
    return PostgresStore.open(request.getfixturevalue("server").new_database())


def _memory(_request: pytest.FixtureRequest) -> EventStore:
    return MemoryStore()


@pytest.fixture(params=[_sqlite, _postgres, _memory], ids=["sqlite", "postgres", "memory"])
def store(request: pytest.FixtureRequest) -> Iterator[EventStore]:
    made = request.param(request)
    yield made
    made.close()


def _entries(count: int) -> Callable[[Entry | None], list[Entry]]:
    def build(last: Entry | None) -> list[Entry]:
        first = last.position + 1 if last else 0
        return [Entry(first + i, f"文 {first + i}".encode(), bytes(64)) for i in range(count)]

    return build


def test_empty_store_has_no_last_and_nothing_to_read(store: EventStore) -> None:
    assert store.last() is None
    assert list(store.read()) == []


def test_append_returns_and_keeps_what_was_built(store: EventStore) -> None:
    made = store.append(_entries(3))
    assert [entry.position for entry in made] == [0, 1, 2]
    assert list(store.read()) == list(made)
    assert store.last() == made[-1]


def test_build_is_given_the_last_entry(store: EventStore) -> None:
    given: list[Entry | None] = []

    def build(last: Entry | None) -> list[Entry]:
        given.append(last)
        return _entries(1)(last)

    first = store.append(build)[0]
    store.append(build)
    assert given == [None, first]


def test_read_from_a_position_crosses_pages(store: EventStore) -> None:
    store.append(_entries(2_500))
    assert [entry.position for entry in store.read(1_499)] == list(range(1_499, 2_500))
    assert list(store.read(2_500)) == []


def test_building_nothing_keeps_nothing(store: EventStore) -> None:
    assert list(store.append(lambda _last: [])) == []
    assert store.last() is None


def test_what_build_raises_is_raised_and_nothing_is_kept(store: EventStore) -> None:
    store.append(_entries(1))

    def build(_last: Entry | None) -> list[Entry]:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match=r"^no$"):
        store.append(build)
    assert len(list(store.read())) == 1
    store.append(_entries(1))
    assert len(list(store.read())) == 2


@pytest.mark.parametrize("positions", [[2], [0], [1, 3]])
def test_entries_that_do_not_follow_on_are_a_callers_mistake(store: EventStore, positions: list[int]) -> None:
    store.append(_entries(1))
    with pytest.raises(AssertionError):
        store.append(lambda _last: [Entry(position, b"x", b"") for position in positions])
    assert len(list(store.read())) == 1


def test_reading_does_not_keep_from_appending(store: EventStore) -> None:
    store.append(_entries(2_000))
    reading = store.read()
    next(reading)
    store.append(_entries(1))
    assert len(list(reading)) == 2_000


def test_threads_that_append_at_once_lose_nothing(store: EventStore) -> None:
    threads = [
        threading.Thread(target=lambda: [store.append(_entries(2)) for _ in range(25)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.position for entry in store.read()] == list(range(200))


def test_close_may_be_called_twice_and_nothing_else_after_it(store: EventStore) -> None:
    store.append(_entries(1))
    store.close()
    store.close()
    uses: list[Callable[[], object]] = [
        lambda: store.append(_entries(1)), lambda: list(store.read()), store.last, store.damage
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(AssertionError):
            use()


def test_a_store_that_nobody_touched_has_no_damage(store: EventStore) -> None:
    assert store.damage() == []
    store.append(_entries(2))
    assert store.damage() == []


def test_a_ledger_on_any_store_is_a_whole_chain(store: EventStore, tmp_path: Path) -> None:
    ledger = Ledger(store, KeyStore(tmp_path / "keys"))
    ledger.record_many(("step.done", {"number": i}) for i in range(20))
    check = ChainCheck()
    for entry in store.read():
        check.add(entry)
    assert check.problems == []
    assert [event.kind for event in ledger.events()] == ["key.introduced"] + ["step.done"] * 20
    assert [event.body for event in ledger.events("step.done")] == [{"number": i} for i in range(20)]
    assert ledger.head().size == 21
