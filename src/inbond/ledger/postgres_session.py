"""One connection to a PostgreSQL server, made again when it is lost, and its errors in our words.

A reply that is an error leaves the connection usable. Anything else that goes wrong in the middle of a
statement (silence, a closed socket, bytes that are no reply, Ctrl-C) leaves it in an unknown state: it is
dropped, and the next statement makes a new one.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, final

from inbond.errors import InbondError, InputError, TamperedError, UnwritableError, need_extra
from inbond.ledger.address import Address

CONNECT_S: Final = 15.0
ANSWER_S: Final = 180.0
"""How long a statement may take; longer than a turn to write is waited for."""
LOST_S: Final = 60.0
"""How long a server that was there is waited for, as when it restarts."""

T = TypeVar("T")


@final
class LostError(Exception):
    """The connection is gone. Whether the last statement was carried out is not known."""


@final
class Session:
    """Runs statements, one at a time; not for several threads at once."""

    def __init__(self, address: Address, environment: Mapping[str, str]) -> None:
        self.address = address
        self._environment = environment
        self._connection: Any = None

    def run(self, statement: str, **values: object) -> list[list[Any]]:
        """The rows of one statement. Without values it may be several, sent at once.

        Raises LostError, and as ``explain``.
        """
        driver = _driver()
        connection = self._connection or self._connect()
        try:
            return connection.run(statement, **values) or []
        except driver.DatabaseError as error:
            raise self._explained(error) from error
        except Exception as error:
            # The driver raises whatever comes to pass over bytes that are no reply.
            self.drop()
            raise LostError(_words(error)) from error
        except BaseException:
            self.drop()
            raise

    def persist(self, work: Callable[[], T]) -> T:
        """What ``work`` returns; does it again each time the connection is lost, for ``LOST_S`` seconds from
        the first time. Raises InputError when the server does not come back, and what ``work`` raises."""
        deadline, pause = None, 0.05
        while True:
            try:
                return work()
            except LostError as lost:
                deadline = deadline or time.monotonic() + LOST_S
                if time.monotonic() + pause > deadline:
                    raise self.unreachable(lost) from lost
                time.sleep(pause)
                pause = min(2 * pause, 2.0)

    def unreachable(self, lost: LostError) -> InputError:
        """The error for a server that is not there."""
        return InputError(
            expected=f"a PostgreSQL server that answers at {self.address}",
            found=str(lost),
            fix="check INBOND_LEDGER and the server, then run the same again: what is complete is kept",
        )

    def drop(self) -> None:
        """Closes the connection, whatever state it is in. The server rolls back what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def rollback(self) -> None:
        """Ends the transaction that is open, if any; never raises for a connection that is gone."""
        if self._connection is not None:
            with contextlib.suppress(LostError, InbondError):
                self.run("ROLLBACK")

    def _connect(self) -> Any:
        driver, address = _driver(), self.address
        context = address.ssl_context(self._environment)
        user, password = address.user_name(self._environment), address.find_password(self._environment)
        plain = _dial(address)
        try:
            self._connection = driver.Connection(
                user,
                host=address.host,
                database=address.database,
                password=password or "",
                sock=plain,
                ssl_context=context or False,
                application_name="inbond",
            )
        except driver.DatabaseError as error:
            raise self._explained(error) from error
        except Exception as error:
            raise LostError(_words(error)) from error
        finally:
            if self._connection is None:
                plain.close()
        # The driver keeps a socket of its own where it encrypts.
        self._connection._usock.settimeout(ANSWER_S)
        return self._connection

    def _explained(self, error: Exception) -> Exception:
        told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        code, message = str(told.get("C", "")), str(told.get("M", error))
        if code.startswith(_GONE):
            self.drop()
            return LostError(message)
        return explain(code, message, self.address)


def _driver() -> Any:
    try:
        import pg8000.native
    except ImportError as error:
        raise need_extra("ledger", "pg8000") from error
    return pg8000.native


def _dial(address: Address) -> socket.socket:
    """A connected socket. Raises LostError when nobody answers."""
    try:
        if address.is_socket:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                plain.settimeout(CONNECT_S)
                plain.connect(f"{address.host}/.s.PGSQL.{address.port}")
            except BaseException:
                plain.close()
                raise
        else:
            plain = socket.create_connection((address.host, address.port), CONNECT_S)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except (OSError, UnicodeError) as error:
        raise LostError(_words(error)) from error
    return plain


def _words(error: BaseException) -> str:
    """What went wrong, from the cause where the driver says only that something did."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return str(cause) or type(cause).__name__


_GONE = (
    "08",  # connection exceptions
    "40",  # rolled back, to be tried again
    "57P",  # the server is going down or coming up, or somebody ended this connection
    "25P03",  # idle for too long in a transaction
    "53300",  # too many connections: one will be free
)

_ANSWERS: Final[tuple[tuple[str, type[InbondError], str, str], ...]] = (
    # the beginning of a SQLSTATE, the error, what was expected, what to do
    ("28", InputError, "a user whom the server lets in", "set PGUSER, and PGPASSWORD or ~/.pgpass"),
    ("3D", InputError, "a database that exists", "make it with createdb, or correct INBOND_LEDGER"),
    ("42501", UnwritableError, "the right to do this", "ask its owner for the rights in docs/ledger.md"),
    ("25006", UnwritableError, "a server that can be written", "name the primary server in INBOND_LEDGER"),
    ("53100", UnwritableError, "free space on the server's disk", "free some space there"),
    ("53", UnwritableError, "a server with room to work", "see the server's log"),
    ("58", UnwritableError, "a server whose disk can be written", "see the server's log"),
    ("55P03", InputError, "a turn to write", "wait for the other process, or end it, and try again"),
    ("42P01", TamperedError, "an intact ledger", "restore it from a backup of the database"),
    (
        "0A000",
        TamperedError,
        "an intact ledger",
        "inbond verify says what was altered; restore it from a backup",
    ),
    ("42703", TamperedError, "an intact ledger", "restore it from a backup of the database"),
    ("XX", TamperedError, "an intact ledger", "restore it from a backup of the database"),
    ("", InputError, "a server that does what it is asked", "see the server's log"),
)


def explain(code: str, message: str, address: Address) -> InbondError:
    """PostgreSQL's error as one of ours, by its SQLSTATE."""
    for beginning, kind, expected, fix in _ANSWERS:
        if code.startswith(beginning):
            return kind(expected=f"{expected} at {address}", found=f"{message} ({code})", fix=fix)
    raise AssertionError("the last row fits everything")
