"""The tables of a shared ledger: ordered migrations, and whether what is there is still ours.

One ledger a database, in the schema ``inbond``. Triggers refuse every UPDATE, DELETE and TRUNCATE, and any
INSERT but of the next entries. They guard against mistakes; the database's owner can remove them, and then
``damage`` tells, or put them back after a change, and then the hash chain tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from inbond.errors import InputError
from inbond.ledger.postgres_session import Session

LOCK: Final = "SELECT pg_advisory_xact_lock(1229865540)"  # "INBD"
"""Held by whoever appends or migrates, until the end of the transaction."""

_FUNCTIONS: Final = {
    "refuse": """
BEGIN
  RAISE EXCEPTION 'the ledger is append-only';
END""",
    "only_next": """
DECLARE
  first bigint; final bigint; number bigint;
BEGIN
  SELECT min(seq), max(seq), count(*) INTO first, final, number FROM added;
  IF number > 0 AND (final - first + 1 <> number
      OR first <> (SELECT coalesce(max(seq) + 1, 0) FROM inbond.events WHERE seq < first)
      OR final <> (SELECT max(seq) FROM inbond.events)) THEN
    RAISE EXCEPTION 'the ledger is append-only';
  END IF;
  RETURN NULL;
END""",
}

_TRIGGERS: Final = {
    "no_change": "BEFORE DELETE OR UPDATE OR TRUNCATE ON inbond.events "
    "FOR EACH STATEMENT EXECUTE FUNCTION inbond.refuse()",
    "only_next": "AFTER INSERT ON inbond.events REFERENCING NEW TABLE AS added "
    "FOR EACH STATEMENT EXECUTE FUNCTION inbond.only_next()",
}


def _001_events(session: Session) -> None:
    session.run("CREATE SCHEMA IF NOT EXISTS inbond")
    session.run("CREATE TABLE inbond.migrations (number integer PRIMARY KEY)")
    session.run(
        "CREATE TABLE inbond.events (seq bigint PRIMARY KEY CHECK (seq >= 0), text bytea NOT NULL, "
        "signature bytea NOT NULL)"
    )
    for name, body in _FUNCTIONS.items():
        session.run(
            f"CREATE FUNCTION inbond.{name}() RETURNS trigger LANGUAGE plpgsql "
            f"SET search_path = pg_catalog, pg_temp AS $${body}$$"
        )
    for name, rest in _TRIGGERS.items():
        session.run(f"CREATE TRIGGER {name} {rest}")


MIGRATIONS: Final[tuple[Callable[[Session], None], ...]] = (_001_events,)
"""In order; number N brings a database from version N to N + 1. Never change one, add one."""


def version(session: Session) -> int:
    """How many migrations the database has seen, 0 when it holds no ledger. Raises InputError when that
    is more than this Inbond knows."""
    # By a query: to_regclass would remember what it found before a wait for the lock.
    if not session.run("SELECT FROM pg_tables WHERE schemaname = 'inbond' AND tablename = 'migrations'"):
        return 0
    found: int = session.run("SELECT coalesce(max(number), 0) FROM inbond.migrations")[0][0]
    if not 0 <= found <= len(MIGRATIONS):
        raise InputError(
            expected=f"a ledger of version {len(MIGRATIONS)} or older at {session.address}",
            found=f"version {found}, of a newer Inbond or damaged",
            fix="pip install --upgrade inbond",
        )
    return found


def migrate(session: Session) -> None:
    """Brings the database up to date, whole or not at all; processes that do so at once take turns."""
    if version(session) == len(MIGRATIONS):
        return
    try:
        session.run(f"BEGIN; {LOCK}")
        for number in range(version(session), len(MIGRATIONS)):
            MIGRATIONS[number](session)
            session.run(f"INSERT INTO inbond.migrations VALUES ({number + 1})")
        session.run("COMMIT")
    except BaseException:
        session.rollback()
        raise


def damage(session: Session) -> list[str]:
    """Whether the table, its functions, its triggers and all else that can change what a statement does to it
    are still what the migrations made."""
    kept = session.run(
        "SELECT relkind, relpersistence, relrowsecurity, relforcerowsecurity, relhassubclass "
        "FROM pg_class WHERE oid = 'inbond.events'::regclass"
    )
    rules = session.run("SELECT rulename FROM pg_rewrite WHERE ev_class = 'inbond.events'::regclass")
    constraints = session.run(
        "SELECT pg_get_constraintdef(oid), convalidated FROM pg_constraint "
        "WHERE conrelid = 'inbond.events'::regclass AND contype <> 'n' ORDER BY 1"
    )
    columns = session.run(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = 'inbond.events'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    triggers = session.run(
        "SELECT tgname, pg_get_triggerdef(oid), tgenabled FROM pg_trigger "
        "WHERE tgrelid = 'inbond.events'::regclass AND NOT tgisinternal ORDER BY tgname"
    )
    functions = session.run(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'inbond'::regnamespace ORDER BY proname"
    )
    found = [kept, rules, constraints, columns, triggers, functions]
    return [] if found == _intact() else ["ledger: its table or its append-only triggers were altered"]


def _intact() -> list[Any]:
    return [
        [["r", "p", False, False, False]],
        [],
        [["CHECK ((seq >= 0))", True], ["PRIMARY KEY (seq)", True]],
        [["seq", "bigint", True], ["text", "bytea", True], ["signature", "bytea", True]],
        [[name, f"CREATE TRIGGER {name} {rest}", "O"] for name, rest in sorted(_TRIGGERS.items())],
        [[name, body] for name, body in sorted(_FUNCTIONS.items())],
    ]
