"""The guard's state in a SQLite file: for one process. See ``state.State`` for what each method promises."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, final

from inbond.errors import InputError
from inbond.guard.budget import Claim, Full, Seat, kept_until
from inbond.guard.state import Held, StateLostError
from inbond.workspace import PRIVATE_DIR, PRIVATE_FILE, writing

_FORMAT: Final = 1
_DAY_S: Final = 86_400
"""How long an id is remembered: of a request that was never settled, and of marks that were put."""
_ADD: Final = (
    "INSERT INTO used VALUES {} ON CONFLICT (counter, begins) DO UPDATE SET amount = amount + excluded.amount"
)
_CHECKPOINT_PAGES: Final = 4_000
"""16 MB of log before it is written back, which waits for the disk: fewer than one request in a hundred
does."""


def _create(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE used (counter TEXT, begins INTEGER, kept INTEGER, amount INTEGER NOT NULL,"
        " PRIMARY KEY (counter, begins)) WITHOUT ROWID"
    )
    db.execute("CREATE INDEX used_kept ON used (kept)")
    db.execute(
        "CREATE TABLE seat (counter TEXT, holder TEXT, until REAL NOT NULL,"
        " PRIMARY KEY (counter, holder)) WITHOUT ROWID"
    )
    db.execute("CREATE INDEX seat_holder ON seat (holder)")
    db.execute("CREATE TABLE held (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID")
    db.execute("CREATE TABLE done (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID")
    db.execute("CREATE TABLE mark (window INTEGER, data BLOB NOT NULL)")
    db.execute("CREATE INDEX mark_window ON mark (window)")
    db.execute("CREATE TABLE memory (one INTEGER PRIMARY KEY CHECK (one = 1), window INTEGER, data BLOB)")
    db.execute("CREATE TABLE tier (account TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID")


_MIGRATIONS: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = (_create,)


@final
class SqliteState:
    """Implements State. Calls are short and run where they are made: one process, one connection."""

    def __init__(self, path: Path, *, to_read: bool = False) -> None:
        """Opens or makes the file; ``to_read``: opens it and can change nothing, raising InputError where it
        is not there. Raises UnwritableError, InputError when another version wrote it."""
        if to_read:
            self._db = _to_read(path)
            return
        with writing(path.parent):
            path.parent.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            path.parent.chmod(PRIVATE_DIR)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
            path.chmod(PRIVATE_FILE)  # what SQLite puts beside it has the same mode
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._prepare(path)
        except sqlite3.Error as error:
            raise InputError(
                expected=f"the guard's state at {path}", found=str(error), fix="move the file away"
            ) from error

    def _prepare(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self._db.execute("PRAGMA busy_timeout=2000")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > _FORMAT:
            self._db.close()
            raise InputError(
                expected=f"state of version {_FORMAT} at {path}",
                found=f"version {version}, of a newer Inbond",
                fix="pip install --upgrade inbond",
            )
        for number, migrate in enumerate(_MIGRATIONS[version:], start=version + 1):
            with self._turn():
                migrate(self._db)
                self._db.execute(f"PRAGMA user_version={number}")

    @contextmanager
    def _turn(self) -> Iterator[sqlite3.Connection]:
        """A transaction that takes effect or does not, on a full disk too."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                if self._db.in_transaction:  # nobody took it back
                    self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:  # SQLite itself may have taken it back
                    self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _lost(error) from error

    def _read(self, query: str, *values: object) -> list[Any]:
        """All rows. Raises StateLostError."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _lost(error) from error

    async def reserve(
        self, id_: str, claims: Sequence[Claim], seats: Sequence[Seat], at: float, lease_s: float
    ) -> Held | Full:
        """As State, in one transaction."""
        held = Held(id_, tuple(claims), tuple(seats))
        with self._turn() as db:
            if db.execute("SELECT 1 FROM held WHERE id = ?", (id_,)).fetchone():
                return held
            full = self._full(claims, at) or self._taken(seats, at)
            if full is not None:
                db.execute("ROLLBACK")
                return full
            if seats:
                values = [value for seat in seats for value in (seat.counter, id_, at + lease_s)]
                db.execute(f"INSERT OR REPLACE INTO seat VALUES {_times('(?, ?, ?)', seats)}", values)
            db.execute("INSERT INTO held VALUES (?, ?)", (id_, at))
        return held

    def _full(self, claims: Sequence[Claim], at: float) -> Full | None:
        """The first claim that does not fit. Adds first and looks after, which is one statement for all; what
        did not fit goes back with its transaction."""
        if not claims:
            return None
        added = f"{_ADD.format(_times('(?, ?, ?, ?)', claims))} RETURNING counter, begins, amount"
        values = [value for claim in claims for value in _row(claim, claim.amount)]
        used = {(counter, begins): amount for counter, begins, amount in self._db.execute(added, values)}
        for claim in claims:
            if used[claim.counter, claim.begins] > claim.cap:
                return Full(claim.counter, f"{claim.kind} a {claim.window}", claim.cap, claim.ends - at)
        return None

    def _taken(self, seats: Sequence[Seat], at: float) -> Full | None:
        """The first seat that is not free."""
        if not seats:
            return None
        names = [seat.counter for seat in seats]
        where = f"FROM seat WHERE counter IN ({_times('?', seats)})"
        query = f"SELECT counter, count(*), min(until) {where} GROUP BY counter"
        found = self._db.execute(query, names).fetchall()
        if any(until <= at for _, _, until in found):
            self._db.execute(f"DELETE {where} AND until <= ?", (*names, at))
            found = self._db.execute(query, names).fetchall()
        taken = {counter: count for counter, count, _ in found}
        for seat in seats:
            if taken.get(seat.counter, 0) + 1 > seat.cap:
                return Full(seat.counter, "requests at a time", seat.cap, 1.0)
        return None

    async def settle(self, held: Held, changes: Sequence[tuple[Claim, int]]) -> bool:
        with self._turn() as db:
            if db.execute("DELETE FROM held WHERE id = ?", (held.id,)).rowcount == 0:
                return False
            rows = [_row(claim, amount) for claim, amount in changes if amount]
            db.executemany(_ADD.format("(?, ?, ?, ?)"), rows)
            db.execute("DELETE FROM seat WHERE holder = ?", (held.id,))
        return True

    async def extend(self, held: Held, at: float, lease_s: float) -> None:
        with self._turn() as db:
            db.execute("UPDATE seat SET until = ? WHERE holder = ?", (at + lease_s, held.id))

    async def forget(self, at: float) -> None:
        with self._turn() as db:
            db.execute("DELETE FROM used WHERE kept < ?", (at,))
            db.execute("DELETE FROM seat WHERE until <= ?", (at,))
            db.execute("DELETE FROM held WHERE at < ?", (at - _DAY_S,))
            db.execute("DELETE FROM done WHERE at < ?", (at - _DAY_S,))

    async def put_marks(self, id_: str, window: int, marks: Sequence[bytes]) -> None:
        with self._turn() as db:
            if db.execute("INSERT OR IGNORE INTO done VALUES (?, ?)", (id_, window)).rowcount == 1:
                db.executemany("INSERT INTO mark VALUES (?, ?)", [(window, mark) for mark in marks])

    async def marks(self, window: int) -> list[bytes]:
        return [data for (data,) in self._read("SELECT data FROM mark WHERE window = ?", window)]

    async def windows(self) -> list[int]:
        return [window for (window,) in self._read("SELECT DISTINCT window FROM mark ORDER BY window")]

    async def fold(self, window: int, memory: bytes, tiers: Mapping[str, bytes]) -> bool:
        with self._turn() as db:
            last = self._folded()
            if last is not None and window <= last:
                return False
            db.execute("INSERT OR REPLACE INTO memory VALUES (1, ?, zeroblob(?))", (window, len(memory)))
            if memory:
                with db.blobopen("memory", "data", 1) as blob:  # a bound value would stay with its statement
                    blob.write(memory)
            db.executemany("INSERT OR REPLACE INTO tier VALUES (?, ?)", tiers.items())
            db.execute("DELETE FROM mark WHERE window <= ?", (window,))
        return True

    async def memory(self) -> tuple[int | None, bytes]:
        try:
            self._db.execute("BEGIN")  # window and data of one moment, whoever else writes
            try:
                last = self._folded()
                if last is None:
                    return None, b""
                with self._db.blobopen("memory", "data", 1, readonly=True) as blob:  # SELECT holds it twice
                    return last, blob.read()
            finally:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise _lost(error) from error

    def _folded(self) -> int | None:
        rows = self._read("SELECT window FROM memory")
        return rows[0][0] if rows else None

    async def tier(self, account: str) -> bytes | None:
        rows = self._read("SELECT data FROM tier WHERE account = ?", account)
        return rows[0][0] if rows else None

    async def tiers(self) -> dict[str, bytes]:
        return dict(self._read("SELECT account, data FROM tier ORDER BY account"))

    @property
    def waits(self) -> bool:
        return False

    @property
    def losses(self) -> int:
        return 0

    @property
    def name(self) -> str:
        return ""

    async def accepted(self) -> bool:
        return True

    async def accept(self) -> None:
        """There is nothing to say: a file that is gone was taken away by its operator."""

    async def folded(self) -> int | None:
        """The last window that was folded, without what is remembered since; None: none was."""
        return self._folded()

    async def ping(self) -> None:
        with self._turn() as db:  # a disk may be read long after it is too full to be written
            db.execute("INSERT OR REPLACE INTO done VALUES ('ping', 0)")

    async def doubt(self) -> str | None:
        return None

    async def close(self) -> None:
        self._db.close()


def _to_read(path: Path) -> sqlite3.Connection:
    still = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if still else ''}"
    try:
        opened = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=2)
        (version,) = opened.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise InputError(
            expected=f"the guard's state at {path}", found=str(error), fix="inbond guard serve makes it"
        ) from error
    if version != _FORMAT:
        opened.close()
        raise InputError(
            expected=f"state of version {_FORMAT} at {path}",
            found=f"version {version}",
            fix="start the guard of this version once; or pip install --upgrade inbond",
        )
    return opened


def _row(claim: Claim, amount: int) -> tuple[str, int, int, int]:
    return claim.counter, claim.begins, kept_until(claim), amount


def _times(one: str, values: Sequence[object]) -> str:
    """A part of a statement, once for each of some values."""
    return ", ".join([one] * len(values))


def _lost(error: sqlite3.Error) -> StateLostError:
    return StateLostError(
        expected="the guard's state to be written", found=str(error), fix="look at the disk: is there room?"
    )
