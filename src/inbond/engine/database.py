"""Opens SQLite files so that they are private, durable, migrated, and fail in plain words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from inbond.errors import InputError, UnwritableError
from inbond.ledger.sqlite import use_wal
from inbond.workspace import PRIVATE_DIR, PRIVATE_FILE, writing

Migration = Callable[[sqlite3.Connection], None]

_BUSY_S = 30.0
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNWRITABLE = {
    sqlite3.SQLITE_FULL: ("free space", "free some space, then run the same command again"),
    sqlite3.SQLITE_READONLY: ("permission to write", "change the file's permissions, or use another --home"),
    sqlite3.SQLITE_CANTOPEN: (
        "permission to write",
        "change the folder's permissions, or use another --home",
    ),
    sqlite3.SQLITE_PERM: ("permission to write", "change the file's permissions, or use another --home"),
    sqlite3.SQLITE_IOERR: ("a disk that takes writes", "free some space or check the disk, then run again"),
}


def connect(path: Path, migrations: Sequence[Migration], what: str) -> sqlite3.Connection:
    """Opens or makes ``path``: mode 0600 (its -wal and -shm inherit it), WAL, synchronous FULL.

    A commit is on disk when it returns, so neither kill -9 nor a power cut loses it, as far as the
    disk itself keeps what it acknowledged. Raises InputError when the file is no database, is
    damaged, or was written by a newer version; UnwritableError when it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
        path.chmod(PRIVATE_FILE)
    connection: sqlite3.Connection | None = None
    try:
        with speaking(path, what):
            connection = sqlite3.connect(path, _BUSY_S, isolation_level=None, check_same_thread=False)
            use_wal(connection, _BUSY_S)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            _migrate(connection, migrations, path, what)
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, migrations: Sequence[Migration], path: Path, what: str) -> None:
    """Runs the steps that the file has not seen, each with its number in one transaction."""
    with transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(migrations):
            raise InputError(
                expected=f"{what} {path} of format {len(migrations)} or older",
                found=f"format {version}, written by a newer Inbond",
                fix="pip install --upgrade inbond",
            )
        for number, step in enumerate(migrations[version:], version + 1):
            step(connection)
            connection.execute(f"PRAGMA user_version = {number}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, other writers kept out from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled back already when the disk is full
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def unsynced(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that is with the operating system when it returns: kill -9 does not lose it, a power cut
    does until ``sync_log`` has returned."""
    connection.execute("PRAGMA synchronous = NORMAL")
    try:
        with transaction(connection):
            yield
    finally:
        connection.execute("PRAGMA synchronous = FULL")


def sync_log(path: Path) -> None:
    """Puts what was committed to ``path`` on its disk. Holds no lock of the database, so that others go on
    writing: SQLite has its locks on other files than the log. Raises UnwritableError."""
    log = path.with_name(f"{path.name}-wal")
    with writing(log):
        try:
            handle = os.open(log, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # taken over into the database, which SQLite syncs
            return
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def speaking(path: Path, what: str) -> Iterator[None]:
    """Turns SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in _UNWRITABLE:
            expected, fix = _UNWRITABLE[code]
            raise UnwritableError(expected=f"{expected} at {path}", found=str(error), fix=fix) from error
        if code in _BUSY:
            raise in_use(path, what) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise InputError(
                expected=f"{what} at {path}",
                found=f"a damaged file, or no SQLite database ({error})",
                fix="put back a copy, or move the file away to begin with an empty one",
            ) from error
        raise


def in_use(path: Path, what: str) -> InputError:
    """Another process holds the database."""
    return InputError(
        expected=f"{what} {path} to be free",
        found="another process is using it, and did not let go in time",
        fix="wait until it ends, then run again",
    )
