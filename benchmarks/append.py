"""What appending to the ledger costs: 100,000 events in batches, and 1,000 one by one.

    python benchmarks/append.py [--events N] [--batch N] [--singles N] [--ledger postgresql://...]

Every event is signed (Ed25519) and hashed, every batch is one durable commit. SQLite writes to a temporary
folder; PostgreSQL is measured as well where an empty database is given.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inbond.ledger.address import parse
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.postgres import PostgresStore
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.store import EventStore

GOAL_EVENTS, GOAL_S = 100_000, 10.0


def events(count: int) -> list[tuple[str, dict[str, object]]]:
    """Bodies of the size of a ``stage.completed``."""
    digest = "sha256:" + "0" * 64
    return [
        (
            "stage.completed",
            {"run": "demo", "stage": "train", "number": i, "artifact": digest, "manifest": digest},
        )
        for i in range(count)
    ]


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@dataclass(frozen=True)
class Took:
    """Seconds: for all in batches, for one event alone, for reading all back."""

    batched: float
    single: float
    read: float


def measure(store: EventStore, keys: KeyStore, count: int, batch: int, singles: int) -> Took:
    """Appends and reads. The key is introduced before the clock starts. Closes the store."""
    with Ledger(store, keys) as ledger:
        ledger.record("warm.up", {})
        wanted = events(count)

        def in_batches() -> None:
            for start in range(0, count, batch):
                ledger.record_many(wanted[start : start + batch])

        def one_by_one() -> None:
            for kind, body in events(singles):
                ledger.record(kind, body)

        batched, single = timed(in_batches), timed(one_by_one) / singles
        return Took(batched, single, timed(lambda: sum(1 for _ in store.read())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--singles", type=int, default=1_000)
    parser.add_argument("--ledger", help="postgresql:// address of an empty database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyStore(Path(folder) / "keys")
        stores: dict[str, EventStore] = {"SQLite": SqliteStore.open(Path(folder) / "ledger.db")}
        if given.ledger:
            stores["PostgreSQL"] = PostgresStore.open(parse(given.ledger))
        for name, store in stores.items():
            took = measure(store, keys, given.events, given.batch, given.singles)
            print(
                f"{name}: {given.events:,} events in batches of {given.batch:,} {took.batched:.2f} s, "
                f"one by one {took.single * 1e3:.2f} ms an event; all read {took.read:.2f} s"
            )
            if given.events == GOAL_EVENTS:
                met = "met" if took.batched < GOAL_S else "MISSED"
                print(
                    f"goal {met}: {name}, {given.events:,} events in under {GOAL_S:g} s: {took.batched:.2f} s"
                )


if __name__ == "__main__":
    main()
