"""Where a ledger's entries are kept: one narrow Protocol.

A store knows nothing of hashing or signing. It keeps entries in order, hands out the last one inside
a write transaction, and lets nobody else write until that transaction has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from inbond.ledger.events import Entry

Build = Callable[[Entry | None], Sequence[Entry]]
"""Given the last entry (None when the store is empty), makes the entries that follow it."""


class EventStore(Protocol):
    """An append-only sequence of entries, shared by processes and threads."""

    def append(self, build: Build) -> Sequence[Entry]:
        """Calls ``build`` inside a write transaction, keeps what it returns, and returns it.

        All or nothing: when this returns, all entries survive a crash of process and machine; when
        it raises, or the process dies before it returns, either all are kept or none. Others who
        append at the same time wait their turn and see the entries. What ``build`` raises is raised,
        and nothing is kept. ``build`` may not use the store, and what it returns must follow on
        without a gap (asserted).

        ``build`` is called once, but by a store over a network again when the connection was lost and
        nothing of what it made before was kept. Where that cannot be found out, as the store stays out
        of reach, InputError says that it is not known.

        Raises UnwritableError when the system refuses to write, InputError when others hold the
        store for too long or it cannot be reached, TamperedError when the store is damaged.
        """

    def read(self, start: int = 0) -> Iterator[Entry]:
        """Entries from position ``start`` on, in order, up to the last one there is.

        Raises TamperedError, perhaps after some entries, when the store is damaged; an entry that is
        there but malformed is handed out as it is. Keeps no one from appending, this one included.
        Raises InputError when the store cannot be reached, as ``last`` does.
        """

    def last(self) -> Entry | None:
        """The last entry, None when there is none. Raises TamperedError when the store is damaged."""

    def damage(self) -> list[str]:
        """What is wrong with the way the entries are kept, in words for ``verify``, none when nothing is; the
        entries are not looked at. Raises InputError when the store cannot be reached or looked over."""

    def close(self) -> None:
        """Frees what the store holds. May be called twice; any other use after it is asserted not to be."""
