"""An EventStore in memory: the simulator that the contract keeps honest."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from inbond.ledger.events import Entry
from inbond.ledger.store import Build


class MemoryStore:
    """Entries in a list. Nothing survives the process."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._turn = threading.Lock()
        self._closed = False

    def append(self, build: Build) -> Sequence[Entry]:
        assert not self._closed
        with self._turn:
            entries = build(self._entries[-1] if self._entries else None)
            first = len(self._entries)
            assert all(entry.position == first + i for i, entry in enumerate(entries))
            self._entries.extend(entries)
            return entries

    def read(self, start: int = 0) -> Iterator[Entry]:
        assert not self._closed
        while start < len(self._entries):
            yield self._entries[start]
            start += 1

    def last(self) -> Entry | None:
        assert not self._closed
        return self._entries[-1] if self._entries else None

    def damage(self) -> list[str]:
        assert not self._closed
        return []

    def close(self) -> None:
        self._closed = True
