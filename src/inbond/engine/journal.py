"""The journal: every answer and every failure, keyed by request digest. The source of truth.

An answer is with the operating system before anyone counts it as received, so that kill -9 takes none, and
with the disk a moment later: ``sync``. An answered request is never asked again. One file serves all runs
of a workspace: an answer that one run paid for, another may use.
Text can be erased; digests, token counts and costs stay.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from inbond.digest import Digest, from_raw, to_raw
from inbond.engine.database import connect, in_use, speaking, sync_log, transaction, unsynced
from inbond.teachers.protocols import Reply, Request, ScoredPlace

State = Literal["answered", "failed", "erased"]
_WHAT = "the journal"
_ROWS = 500  # of one IN (...) list


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE entries (
            id BLOB PRIMARY KEY, teacher TEXT NOT NULL, state TEXT NOT NULL,
            request TEXT, reply TEXT, reason TEXT, message TEXT,
            attempts INTEGER NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER,
            cost_usd REAL NOT NULL, at REAL NOT NULL
        ) WITHOUT ROWID"""
    )
    connection.execute(
        "CREATE TABLE uses (run TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (run, id)) WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX uses_by_id ON uses (id)")
    connection.execute(
        """CREATE TABLE spent (
            run TEXT PRIMARY KEY, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
            cost_usd REAL NOT NULL
        )"""
    )


MIGRATIONS = (_make_tables,)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking: a reply, or the reason for having none.

    ``attempts``, tokens and ``cost_usd`` are those of this asking; the journal adds them up.
    """

    request: Request
    reply: Reply | None
    reason: str | None = None
    message: str | None = None
    attempts: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One request's line in the journal. ``reply`` is there when the state is ``answered``;
    ``at`` is in seconds since 1970; attempts and cost are those of all askings together."""

    id: Digest
    state: State
    reply: Reply | None
    reason: str | None
    message: str | None
    attempts: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float
    at: float


@dataclass(frozen=True)
class Spent:
    """What one run has used up so far, over all its interruptions."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


@final
class Journal:
    """An open journal. Safe to use from several threads; several processes take turns.

    Open it with ``Journal.open``, close it with ``close`` or a ``with`` block.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Raises InputError (damaged, newer format) and UnwritableError."""
        return cls(connect(path, MIGRATIONS, _WHAT), path)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def claim(self, run: str, ids: Iterable[Digest]) -> None:
        """Notes that ``run`` uses these requests, so that its text can be found and erased."""
        rows = [(run, to_raw(id_)) for id_ in ids]
        with self._lock, speaking(self._path, _WHAT), transaction(self._connection):
            self._connection.executemany("INSERT OR IGNORE INTO uses VALUES (?, ?)", rows)

    def record(self, run: str, outcomes: Sequence[Outcome]) -> None:
        """Keeps outcomes, all or none. When this returns they survive kill -9; after ``sync`` power cuts too.

        An answer that is there already is never replaced. Raises UnwritableError; then nothing of
        this call is kept and everything before it is intact.
        """
        now = time.time()
        rows = [_row(outcome, now) for outcome in outcomes]
        with self._lock, speaking(self._path, _WHAT), unsynced(self._connection):
            self._connection.executemany(_UPSERT, rows)
            self._connection.executemany("INSERT OR IGNORE INTO uses VALUES (?, ?)", _uses(run, outcomes))
            self._connection.execute(_SPEND, (run, *_sums(outcomes)))

    def sync(self) -> None:
        """When this returns, what was recorded before survives a power cut, as far as the disk itself keeps
        what it acknowledged. Others may record meanwhile. Raises UnwritableError."""
        sync_log(self._path)

    def find(self, ids: Iterable[Digest]) -> dict[Digest, Entry]:
        """The entries that exist for ``ids``."""
        raw = [to_raw(id_) for id_ in ids]
        found: dict[Digest, Entry] = {}
        with self._lock, speaking(self._path, _WHAT):
            for start in range(0, len(raw), _ROWS):
                part = raw[start : start + _ROWS]
                marks = ",".join("?" * len(part))
                for row in self._connection.execute(f"{_SELECT} WHERE id IN ({marks})", part):
                    entry = _entry(row)
                    found[entry.id] = entry
        return found

    def failures(self, run: str) -> list[Entry]:
        """The requests of ``run`` that have no answer, oldest first."""
        sql = f"{_SELECT} JOIN uses USING (id) WHERE run = ? AND state = 'failed' ORDER BY at, id"
        with self._lock, speaking(self._path, _WHAT):
            return [_entry(row) for row in self._connection.execute(sql, (run,))]

    def runs(self) -> list[str]:
        """The runs that have used the journal."""
        with self._lock, speaking(self._path, _WHAT):
            return [row[0] for row in self._connection.execute("SELECT DISTINCT run FROM uses ORDER BY run")]

    def spent(self, run: str) -> Spent:
        sql = "SELECT prompt_tokens, completion_tokens, cost_usd FROM spent WHERE run = ?"
        with self._lock, speaking(self._path, _WHAT):
            row = self._connection.execute(sql, (run,)).fetchone()
        return Spent(*row) if row else Spent()

    def erasable(self, *, run: str | None = None, older_than: float | None = None) -> int:
        """How many entries ``erase`` would take the text of."""
        where, values = _erasable(run, older_than)
        with self._lock, speaking(self._path, _WHAT):
            row = self._connection.execute(f"SELECT count(*) FROM entries WHERE {where}", values).fetchone()
        return int(row[0])

    def erase(self, *, run: str | None = None, older_than: float | None = None) -> int:
        """Erases the text of requests, replies and messages; returns how many entries lost theirs.

        ``run`` limits it to what that run used (also where another run used it too), ``older_than``
        to entries from before that time (seconds since 1970). Freed bytes are overwritten with
        zeros, the write-ahead log is emptied and the file compacted, so the text is not in the files
        any more; copies that a disk or a backup made are out of reach. Raises InputError when another
        process reads the journal, as its log could then not be emptied; call again.
        """
        where, values = _erasable(run, older_than)
        with self._lock, speaking(self._path, _WHAT):
            with transaction(self._connection):
                count = self._connection.execute(
                    "UPDATE entries SET request = NULL, reply = NULL, message = NULL, "
                    f"state = CASE state WHEN 'answered' THEN 'erased' ELSE state END WHERE {where}",
                    values,
                ).rowcount
            self._empty_log()
            self._connection.execute("VACUUM")
            self._empty_log()
        return count

    def _empty_log(self) -> None:
        (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise in_use(self._path, _WHAT)


_COLUMNS = "id, state, reply, reason, message, attempts, prompt_tokens, completion_tokens, cost_usd, at"
_SELECT = f"SELECT {_COLUMNS} FROM entries"
# An answer is never replaced by anything; an erased one or a failure is, and what they cost adds up.
_UPSERT = """
INSERT INTO entries VALUES (
    :id, :teacher, :state, :request, :reply, :reason, :message, :attempts, :prompt_tokens,
    :completion_tokens, :cost_usd, :at
) ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, request = excluded.request, reply = excluded.reply,
    reason = excluded.reason, message = excluded.message, attempts = attempts + excluded.attempts,
    prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
    cost_usd = cost_usd + excluded.cost_usd, at = excluded.at
WHERE state != 'answered'
"""
_SPEND = """
INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens,
    cost_usd = cost_usd + excluded.cost_usd
"""


def _row(outcome: Outcome, now: float) -> dict[str, Any]:
    request, reply = outcome.request, outcome.reply
    return {
        "id": to_raw(request.id),
        "teacher": request.teacher,
        "state": "failed" if reply is None else "answered",
        "request": _dump(request.to_json()),
        "reply": None if reply is None else _dump(_reply_to_json(reply)),
        "reason": outcome.reason,
        "message": outcome.message,
        "attempts": outcome.attempts,
        "prompt_tokens": None if reply is None else reply.prompt_tokens,
        "completion_tokens": None if reply is None else reply.completion_tokens,
        "cost_usd": outcome.cost_usd,
        "at": now,
    }


def _uses(run: str, outcomes: Sequence[Outcome]) -> list[tuple[str, bytes]]:
    return [(run, to_raw(outcome.request.id)) for outcome in outcomes]


def _sums(outcomes: Sequence[Outcome]) -> tuple[int, int, float]:
    return (
        sum(outcome.prompt_tokens for outcome in outcomes),
        sum(outcome.completion_tokens for outcome in outcomes),
        sum(outcome.cost_usd for outcome in outcomes),
    )


def _erasable(run: str | None, older_than: float | None) -> tuple[str, list[Any]]:
    clauses, values = ["(request IS NOT NULL OR reply IS NOT NULL OR message IS NOT NULL)"], list[Any]()
    if run is not None:
        clauses.append("id IN (SELECT id FROM uses WHERE run = ?)")
        values.append(run)
    if older_than is not None:
        clauses.append("at < ?")
        values.append(older_than)
    return " AND ".join(clauses), values


def _entry(row: tuple[Any, ...]) -> Entry:
    raw, state, reply, *rest = row
    return Entry(from_raw(raw), state, None if reply is None else _reply_from_json(json.loads(reply)), *rest)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _reply_to_json(reply: Reply) -> dict[str, Any]:
    return {
        "text": reply.text,
        "finish": reply.finish,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "model": reply.model,
        "seconds": reply.seconds,
        "top_logprobs": [place.to_json() for place in reply.top_logprobs],
        "headers": dict(reply.headers),
        **({"reasoning": reply.reasoning} if reply.reasoning else {}),
    }


def _reply_from_json(value: Mapping[str, Any]) -> Reply:
    tops = tuple(map(ScoredPlace.from_json, value["top_logprobs"]))
    return Reply(**{**value, "top_logprobs": tops})
