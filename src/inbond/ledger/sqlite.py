"""The ledger's entries in one SQLite file.

WAL mode with ``synchronous=FULL``: an append that has returned survives a power cut. The file is made
with mode 0600, and SQLite gives its -wal and -shm files the mode of the file they belong to. Triggers
refuse every UPDATE and DELETE, and any INSERT but the next one.

What the triggers do not prove: whoever can write the file can drop them, or change its bytes. They
guard against mistakes. Against intent stand the hash chain and the signatures, and against the
key's owner only a tree head that was handed to others.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, final

from inbond.errors import InbondError, InputError, TamperedError, UnwritableError
from inbond.ledger.events import Entry
from inbond.ledger.store import Build
from inbond.workspace import PRIVATE_FILE, sync_folder, writing

_BUSY_S: Final = 60.0
_APPLICATION_ID: Final = 0x494E4244  # "INBD"
_PAGE_ROWS: Final = 1_000
_SELECT: Final = "SELECT seq, text, signature FROM events"


def _001_events(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, text TEXT NOT NULL, signature BLOB NOT NULL) STRICT"
    )
    for verb in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER no_{verb.lower()} BEFORE {verb} ON events "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
    connection.execute(
        "CREATE TRIGGER only_next BEFORE INSERT ON events "
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM events) "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    )
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")


MIGRATIONS: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = (_001_events,)
"""In order; number N brings a database from ``user_version`` N to N + 1. Never change one, add one."""


@final
class SqliteStore:
    """An EventStore in one file. One connection, which threads share by taking turns."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._turn = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> SqliteStore:
        """Opens the file for appending, making or migrating it when needed.

        Raises UnwritableError, TamperedError when it is not a database, InputError when a newer
        version of Inbond wrote it.
        """
        with writing(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _touch_private(path)
        with _explaining(path):
            connection = _connect(path.resolve().as_uri() + "?mode=rw")
            try:
                use_wal(connection, _BUSY_S)
                _migrate(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    @classmethod
    def open_existing(cls, path: Path) -> SqliteStore:
        """Opens the file for reading only; append raises UnwritableError.

        Raises as ``open``, and InputError when there is no such file.
        """
        if not path.is_file():
            raise InputError(
                expected=f"a ledger at {path}",
                found="no such file",
                fix="name the workspace with --home, or run a recipe first",
            )
        with _explaining(path):
            connection = _connect(_read_only_uri(path))
            try:
                _check_version(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def append(self, build: Build) -> Sequence[Entry]:
        """See EventStore."""
        with self._using(), _transaction(self._connection):
            last = self._last()
            entries = build(last)
            first = last.position + 1 if last else 0
            assert all(entry.position == first + i for i, entry in enumerate(entries)), "entries follow on"
            self._connection.executemany(
                "INSERT INTO events (seq, text, signature) VALUES (?, ?, ?)",
                ((entry.position, entry.text.decode(), entry.signature) for entry in entries),
            )
        return entries

    def read(self, start: int = 0) -> Iterator[Entry]:
        """See EventStore."""
        while page := self._page(start):
            yield from page
            # In a damaged file rows may come in any order; going back would never end.
            if page[-1].position < start:
                raise _damaged(self._path, "rows that are out of order")
            start = page[-1].position + 1

    def last(self) -> Entry | None:
        """See EventStore."""
        with self._using():
            return self._last()

    def close(self) -> None:
        """See EventStore."""
        self._closed = True
        self._connection.close()

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        assert not self._closed, "the store is closed"
        with self._turn, _explaining(self._path):
            yield

    def damage(self) -> list[str]:
        """What SQLite itself finds wrong with the file, and whether its table and triggers are ours."""
        assert not self._closed, "the store is closed"
        try:
            found = [row[0] for row in self._connection.execute("PRAGMA integrity_check(20)")]
            problems = [
                f"ledger.db: SQLite finds {_as_text(line)}".replace("\n", " ")
                for line in found
                if line != b"ok"
            ]
            if _schema(self._connection) != _expected_schema():
                problems.append("ledger.db: its table or its append-only triggers were altered")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            problems = [f"ledger.db: SQLite cannot check it: {error}"]
        return problems

    def _page(self, start: int) -> list[Entry]:
        """Up to ``_PAGE_ROWS`` entries. Short reads keep no transaction open between them."""
        query = f"{_SELECT} WHERE seq >= ? ORDER BY seq LIMIT {_PAGE_ROWS}"
        with self._using():
            return [_to_entry(row) for row in self._connection.execute(query, (start,))]

    def _last(self) -> Entry | None:
        row = self._connection.execute(f"{_SELECT} ORDER BY seq DESC LIMIT 1").fetchone()
        return _to_entry(row) if row else None


def _to_entry(row: tuple[Any, Any, Any]) -> Entry:
    """A damaged file may hold other types than the table says: such a field reads as empty."""
    seq, text, signature = row
    return Entry(
        seq if isinstance(seq, int) else -1,
        text if isinstance(text, bytes) else b"",
        signature if isinstance(signature, bytes) else b"",
    )


def _as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _touch_private(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    except FileExistsError:
        return
    os.close(handle)
    sync_folder(path.parent)


def _read_only_uri(path: Path) -> str:
    """Read-only media can hold no -shm file, and need none when nothing is left in a -wal file."""
    wal = path.with_name(path.name + "-wal")
    left_over = wal.exists() and wal.stat().st_size > 0
    still = not left_over and not os.access(path.parent, os.W_OK)
    return path.resolve().as_uri() + ("?mode=ro&immutable=1" if still else "?mode=ro")


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    # Bytes, because text that is not UTF-8 must become a named problem and not an exception.
    connection.text_factory = bytes
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def use_wal(connection: sqlite3.Connection, busy_s: float) -> None:
    """Turns on write-ahead logging, trying for ``busy_s`` seconds: two processes that do so at once can be
    told 'locked' without SQLite's own waiting. Raises sqlite3.OperationalError."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _check_version(connection, path) == len(MIGRATIONS):
        return
    with _transaction(connection):
        for number in range(_check_version(connection, path), len(MIGRATIONS)):
            MIGRATIONS[number](connection)
            connection.execute(f"PRAGMA user_version = {number + 1}")


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= version <= len(MIGRATIONS):
        raise InputError(
            expected=f"a ledger of version {len(MIGRATIONS)} or older at {path}",
            found=f"version {version}, of a newer Inbond or damaged",
            fix="pip install --upgrade inbond",
        )
    return version


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _schema(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


def _expected_schema() -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.text_factory = bytes
        for migrate in MIGRATIONS:
            migrate(connection)
        return _schema(connection)


def _is_busy(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


_UNWRITABLE = {
    sqlite3.SQLITE_FULL: ("free space on the disk", "free some space, or choose another folder with --home"),
    sqlite3.SQLITE_READONLY: (
        "permission to write",
        "change the file's permissions, or choose another folder with --home",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "permission to open and write",
        "change the folder's permissions, or choose another with --home",
    ),
    sqlite3.SQLITE_IOERR: ("a disk that can be written", "check the disk, or choose another with --home"),
}


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    except UnicodeDecodeError as error:
        # SQLite quotes the file's own damaged text in its message, which Python then cannot read.
        raise _damaged(path, "a schema that is not text") from error


def _explain(error: sqlite3.Error, path: Path) -> InbondError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in _UNWRITABLE:
        expected, fix = _UNWRITABLE[code]
        return UnwritableError(expected=f"{expected} at {path}", found=str(error), fix=fix)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return InputError(
            expected=f"a turn to write to {path} within {_BUSY_S:.0f} seconds",
            found="another process holds it",
            fix="wait for the other process, or end it, and try again",
        )
    return _damaged(path, str(error))


def _damaged(path: Path, found: str) -> TamperedError:
    return TamperedError(
        expected=f"an intact ledger at {path}",
        found=found,
        fix="restore it from a copy; inbond verify names what was changed",
    )
