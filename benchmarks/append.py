"""What appending to the ledger costs: 100,000 events in batches, and 1,000 one by one.

    python benchmarks/append.py [--events N] [--batch N] [--ledger postgresql://...]

Every event is signed (Ed25519) and hashed, every batch is one durable commit. SQLite writes to a temporary
folder; PostgreSQL is measured as well where an empty database is given.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from inbond.ledger.address import parse
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.postgres import PostgresStore
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.store import EventStore

SINGLE = 1_000


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


def measure(name: str, store: EventStore, keys: KeyStore, count: int, batch: int) -> None:
    with Ledger(store, keys) as ledger:
        ledger.record("warm.up", {})
        wanted = events(count)

        def in_batches() -> None:
            for start in range(0, count, batch):
                ledger.record_many(wanted[start : start + batch])

        def one_by_one() -> None:
            for kind, body in events(SINGLE):
                ledger.record(kind, body)

        batched, single = timed(in_batches), timed(one_by_one)
        read = timed(lambda: sum(1 for _ in store.read()))
    print(
        json.dumps(
            {
                "store": name,
                "events": count,
                "batch": batch,
                "batched_s": round(batched, 2),
                "one_by_one_ms_an_event": round(1e3 * single / SINGLE, 3),
                "read_all_s": round(read, 2),
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--ledger", help="postgresql:// address of an empty database")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyStore(Path(folder) / "keys")
        sqlite = SqliteStore.open(Path(folder) / "ledger.db")
        measure("sqlite", sqlite, keys, asked.events, asked.batch)
        if asked.ledger:
            postgres = PostgresStore.open(parse(asked.ledger))
            measure("postgresql", postgres, keys, asked.events, asked.batch)


if __name__ == "__main__":
    main()
