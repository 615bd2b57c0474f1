"""The ledger's entries in a PostgreSQL database, for a team that writes from several machines.

Those who append take turns on an advisory lock that ends with their transaction, however that ends; under it
they see what the one before has committed. The lock needs no rights, so that SELECT and INSERT on
``inbond.events`` are all that a writer has to be granted. An append that has returned is as safe as a commit
of that server: this session never runs with ``synchronous_commit`` off.

A connection that is lost is made again. One that was lost while its COMMIT was on the way leaves a doubt: the
next transaction takes the lock, so that the old one has ended, and reads whether the entries are there.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Final, final

from inbond.errors import InbondError, InputError, TamperedError
from inbond.ledger import postgres_schema as schema
from inbond.ledger.address import Address
from inbond.ledger.events import Entry
from inbond.ledger.postgres_session import LostError, Session
from inbond.ledger.store import Build

_TURN_S: Final = 150
_HUNG_S: Final = 120
"""A writer that says nothing for so long in its turn loses it: less than others wait for theirs. It is also
how long ``build`` may take, some hundreds of thousands of events."""
_PAGE_ROWS: Final = 1_000
_BEGIN: Final = f"""
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '{_TURN_S}s';
SET LOCAL idle_in_transaction_session_timeout = '{_HUNG_S}s';
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
{schema.LOCK}"""
_SELECT: Final = "SELECT seq, text, signature FROM inbond.events"
_INSERT: Final = """
INSERT INTO inbond.events (seq, text, signature)
SELECT seq, decode(text, 'hex'), decode(signature, 'hex')
FROM unnest(CAST(:seqs AS bigint[]), CAST(:texts AS text[]), CAST(:signatures AS text[]))
AS new (seq, text, signature)
RETURNING seq"""


@contextlib.contextmanager
def _opening(address: Address) -> Iterator[Session]:
    """A session in which a ledger is first looked at; dropped when that fails."""
    session = Session(address, os.environ)
    try:
        yield session
    except BaseException as error:
        session.drop()
        if isinstance(error, LostError):
            raise session.unreachable(error) from error
        raise


@final
class PostgresStore:
    """An EventStore in one database. One connection, which threads share by taking turns."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._turn = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, address: Address) -> PostgresStore:
        """Opens the database's ledger for appending, making or migrating it when needed.

        Raises InputError when the server cannot be reached, does not let the user in, or a newer version
        of Inbond wrote the ledger; UnwritableError when it has to be made and the user may not.
        """
        with _opening(address) as session:
            schema.migrate(session)
        return cls(session)

    @classmethod
    def open_existing(cls, address: Address) -> PostgresStore:
        """Opens it to be read; makes nothing. Raises as ``open``, and InputError when there is no ledger."""
        with _opening(address) as session:
            if schema.version(session) == 0:
                raise InputError(
                    expected=f"a ledger at {address}",
                    found="a database without one",
                    fix="correct INBOND_LEDGER, or run a recipe first",
                )
        return cls(session)

    def append(self, build: Build) -> Sequence[Entry]:
        """See EventStore."""
        with self._using():
            return _Append(self._session, build).carry_out()

    def read(self, start: int = 0) -> Iterator[Entry]:
        """See EventStore."""
        while page := self._page(start):
            yield from page
            start = page[-1].position + 1

    def last(self) -> Entry | None:
        """See EventStore."""
        with self._using():
            return self._session.persist(lambda: _last(self._session))

    def close(self) -> None:
        """See EventStore."""
        with self._turn:
            self._closed = True
            self._session.drop()

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        with self._turn:
            assert not self._closed, "the store is closed"
            yield

    def damage(self) -> list[str]:
        """Whether the table and all that is hung on it are still ours."""
        with self._using():
            return self._session.persist(lambda: schema.damage(self._session))

    def _page(self, start: int) -> list[Entry]:
        query = f"{_SELECT} WHERE seq >= {start:d} ORDER BY seq LIMIT {_PAGE_ROWS}"
        with self._using():
            return self._session.persist(lambda: _entries(self._session, query))


@final
class _Append:
    """One append, tried until it is known to be kept. ``in_doubt`` are entries whose COMMIT was sent and
    never answered."""

    def __init__(self, session: Session, build: Build) -> None:
        self._session = session
        self._build = build
        self._in_doubt: Sequence[Entry] = ()

    def carry_out(self) -> Sequence[Entry]:
        try:
            return self._session.persist(self._transaction)
        except InbondError as error:
            if not self._in_doubt:
                raise
            raise InputError(
                expected=error.expected,
                found=f"{error.found}; whether the last {len(self._in_doubt)} events were kept is not known",
                fix=f"{error.fix}; inbond verify shows what was kept",
            ) from error

    def _transaction(self) -> Sequence[Entry]:
        session = self._session
        try:
            session.run(_BEGIN)
            if self._in_doubt and self._kept():
                session.run("COMMIT")
                return self._in_doubt
            self._in_doubt = ()
            last = _last(session)
            entries = self._build(last)
            first = last.position + 1 if last else 0
            assert all(entry.position == first + i for i, entry in enumerate(entries)), "entries follow on"
            # Once also for no entries: whether the server takes any is asked that way.
            for start in range(0, len(entries) or 1, _PAGE_ROWS):
                _insert(session, entries[start : start + _PAGE_ROWS])
            self._commit(entries)
            return entries
        except BaseException:
            session.rollback()
            raise

    def _commit(self, entries: Sequence[Entry]) -> None:
        self._in_doubt = entries
        try:
            self._session.run("COMMIT")
        except InbondError:
            self._in_doubt = ()  # the server said no: that is an answer
            raise

    def _kept(self) -> bool:
        """Whether the entries in doubt are in the ledger. All are or none is: the last one tells."""
        wanted = self._in_doubt[-1]
        return _entries(self._session, f"{_SELECT} WHERE seq = {wanted.position:d}") == [wanted]


def _last(session: Session) -> Entry | None:
    found = _entries(session, f"{_SELECT} ORDER BY seq DESC LIMIT 1")
    return found[0] if found else None


def _entries(session: Session, query: str) -> list[Entry]:
    return [Entry(seq, bytes(text), bytes(signature)) for seq, text, signature in session.run(query)]


def _insert(session: Session, entries: Sequence[Entry]) -> None:
    """Raises TamperedError when the server took other rows than it was given: a rule or a trigger that is not
    ours makes them vanish without an error."""
    kept = session.run(
        _INSERT,
        seqs=_array(str(entry.position) for entry in entries),
        texts=_array(entry.text.hex() for entry in entries),
        signatures=_array(entry.signature.hex() for entry in entries),
    )
    if sorted(row[0] for row in kept) != [entry.position for entry in entries]:
        raise TamperedError(
            expected=f"the ledger at {session.address} to keep the {len(entries)} events that it was given",
            found=f"{len(kept)} that it kept",
            fix="inbond verify says what was altered; restore it from a backup of the database",
        )


def _array(values: Iterator[str]) -> str:
    return "{" + ",".join(f'"{value}"' for value in values) + "}"
