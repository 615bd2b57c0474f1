"""The PostgreSQL store beyond the contract: rights, versions, refusals, lost connections, many writers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.errors import InbondError, InputError, TamperedError, UnwritableError
from inbond.ledger import postgres, postgres_session
from inbond.ledger import postgres_schema as schema
from inbond.ledger.address import Address, parse
from inbond.ledger.attest import KeyStore
from inbond.ledger.chain import ChainCheck
from inbond.ledger.events import Entry
from inbond.ledger.ledger import Ledger
from inbond.ledger.postgres import PostgresStore
from inbond.ledger.postgres_session import Session
from tests.postgres_server import Proxy, Server, make_tls


@pytest.fixture
def address(server: Server) -> Address:
    return server.new_database()


@pytest.fixture
def store(address: Address) -> Iterator[PostgresStore]:
    with contextlib.closing(PostgresStore.open(address)) as opened:
        yield opened


def entries(count: int) -> Callable[[Entry | None], list[Entry]]:
    def build(last: Entry | None) -> list[Entry]:
        first = last.position + 1 if last else 0
        return [Entry(first + i, f"文 {first + i}".encode(), os.urandom(64)) for i in range(count)]

    return build


def as_user(server: Server, address: Address, name: str, rights: str = "") -> Address:
    """A user who logs in by password and has no more than these rights."""
    name = f"{name}_{address.database}"  # users are the server's, not a database's
    server.run(f"CREATE ROLE {name} LOGIN PASSWORD 'geheim'", database="postgres")
    for right in filter(None, rights.split(";")):
        server.run(f"GRANT {right} TO {name}", database=address.database)
    return Address(address.host, address.port, address.database, name, password="geheim")


def refusal(work: Callable[[], object]) -> InbondError:
    with pytest.raises(InbondError) as caught:
        work()
    assert "geheim" not in str(caught.value)
    return caught.value


# What the database itself refuses -------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inbond.events SET text = 'x' WHERE seq = 1",
        "DELETE FROM inbond.events WHERE seq = 2",
        "TRUNCATE inbond.events",
        "INSERT INTO inbond.events VALUES (9, 'x', '')",
        "INSERT INTO inbond.events VALUES (3, 'x', ''), (5, 'x', '')",
        "INSERT INTO inbond.events VALUES (3, 'x', ''), (4, 'x', ''), (6, 'x', '')",
    ],
)
def test_the_table_only_grows_at_its_end(server: Server, store: PostgresStore, statement: str) -> None:
    store.append(entries(3))
    before = list(store.read())
    with pytest.raises(Exception, match="the ledger is append-only"):
        server.run(statement, database=store._session.address.database)
    assert list(store.read()) == before
    assert store.damage() == []
    store.append(entries(2))
    assert [entry.position for entry in store.read()] == list(range(5))


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER no_change ON inbond.events",
        "ALTER TABLE inbond.events DISABLE TRIGGER only_next",
        "ALTER TABLE inbond.events ADD COLUMN more text",
        "CREATE OR REPLACE FUNCTION inbond.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RETURN NULL; END$$",
        "ALTER TABLE inbond.events SET UNLOGGED",
        "ALTER TABLE inbond.events DROP CONSTRAINT events_pkey",
        "ALTER TABLE inbond.events DROP CONSTRAINT events_seq_check",
        "ALTER TABLE inbond.events ADD CONSTRAINT few CHECK (seq < 99)",
        "ALTER TABLE inbond.events ENABLE ROW LEVEL SECURITY",
        "CREATE RULE lost AS ON INSERT TO inbond.events DO INSTEAD NOTHING",
        "CREATE RULE more AS ON INSERT TO inbond.events DO ALSO SELECT 1",
        "CREATE TABLE inbond.others () INHERITS (inbond.events)",
    ],
)
def test_what_guards_the_table_is_looked_at(server: Server, store: PostgresStore, statement: str) -> None:
    server.run(statement, database=store._session.address.database)
    assert store.damage() == ["ledger: its table or its append-only triggers were altered"]


SWALLOW = (
    "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;"
    "CREATE TRIGGER swallow BEFORE INSERT ON inbond.events FOR EACH ROW EXECUTE FUNCTION swallow()"
)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE RULE lost AS ON INSERT TO inbond.events DO INSTEAD NOTHING",
        "CREATE RULE few AS ON INSERT TO inbond.events WHERE NEW.seq = 4 DO INSTEAD NOTHING",
        SWALLOW,
    ],
)
def test_what_the_server_does_not_keep_is_not_acknowledged(
    server: Server, store: PostgresStore, statement: str
) -> None:
    store.append(entries(3))
    server.run(statement, database=store._session.address.database)
    error = refusal(lambda: store.append(entries(2)))
    assert isinstance(error, TamperedError)
    assert "inbond verify says what was altered" in error.fix
    assert len(list(store.read())) == 3


def test_a_writer_needs_no_right_but_to_read_and_to_insert(
    server: Server, address: Address, store: PostgresStore
) -> None:
    rights = "USAGE ON SCHEMA inbond;SELECT, INSERT ON inbond.events;SELECT ON inbond.migrations"
    with contextlib.closing(PostgresStore.open(as_user(server, address, "writer", rights))) as other:
        other.append(entries(2))
        assert len(list(store.read())) == 2
        assert other.damage() == []


def test_a_reader_reads_and_is_told_that_it_may_not_write(
    server: Server, address: Address, store: PostgresStore
) -> None:
    store.append(entries(2))
    reader = as_user(
        server, address, "reader", "USAGE ON SCHEMA inbond;SELECT ON inbond.events, inbond.migrations"
    )
    with contextlib.closing(PostgresStore.open_existing(reader)) as other:
        assert len(list(other.read())) == 2
        error = refusal(lambda: other.append(entries(1)))
        assert isinstance(error, UnwritableError)
        assert error.expected == f"the right to do this at {reader}"
        assert error.found == "permission denied for table events (42501)"
        assert error.fix == "ask its owner for the rights in docs/ledger.md"
        assert len(list(other.read())) == 2


def test_a_database_that_takes_no_writes_says_so(
    server: Server, address: Address, store: PostgresStore
) -> None:
    """As a replica does, by the same error."""
    server.run(
        f"ALTER DATABASE {address.database} SET default_transaction_read_only = on", database="postgres"
    )
    with contextlib.closing(PostgresStore.open_existing(address)) as other:
        assert list(other.read()) == []
        error = refusal(lambda: other.append(entries(1)))
    assert isinstance(error, UnwritableError)
    assert error.expected == f"a server that can be written at {address}"
    assert error.fix == "name the primary server in INBOND_LEDGER"
    assert store.last() is None


def test_who_may_make_no_ledger_is_told(server: Server, address: Address) -> None:
    stranger = as_user(server, address, "stranger")
    error = refusal(lambda: PostgresStore.open(stranger))
    assert isinstance(error, UnwritableError)
    assert error.found == f"permission denied for database {address.database} (42501)"


def test_commits_are_waited_for_whatever_the_database_says(server: Server, address: Address) -> None:
    server.run(f"ALTER DATABASE {address.database} SET synchronous_commit = off", database="postgres")
    server.run(
        f"ALTER DATABASE {address.database} SET default_transaction_isolation = serializable",
        database="postgres",
    )
    with contextlib.closing(PostgresStore.open(address)) as store:
        told = []

        def build(last: Entry | None) -> list[Entry]:
            told.append(store._session.run("SHOW synchronous_commit"))
            told.append(store._session.run("SHOW transaction_isolation"))
            return entries(1)(last)

        store.append(build)
    assert told == [[["on"]], [["read committed"]]]


# Versions -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("store")
def test_a_ledger_of_a_newer_version_is_refused(server: Server, address: Address) -> None:
    server.run("INSERT INTO inbond.migrations VALUES (99)", database=address.database)
    for open_it in (PostgresStore.open, PostgresStore.open_existing):
        assert refusal(lambda open_it=open_it: open_it(address)).to_json() == {
            "expected": f"a ledger of version 1 or older at {address}",
            "found": "version 99, of a newer Inbond or damaged",
            "fix": "pip install --upgrade inbond",
        }


def test_migrations_run_in_order_and_keep_what_is_there(
    server: Server, address: Address, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.append(entries(3))

    def _002_more(session: Session) -> None:
        session.run("CREATE TABLE inbond.more (a integer)")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, _002_more))
    with contextlib.closing(PostgresStore.open(address)) as newer:
        assert list(newer.read()) == list(made)
    assert server.run("SELECT number FROM inbond.migrations ORDER BY 1", database=address.database) == [
        [1],
        [2],
    ]
    assert server.run("SELECT count(*) FROM inbond.more", database=address.database) == [[0]]


def test_a_migration_that_fails_changes_nothing(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    def _002_breaks(session: Session) -> None:
        session.run("CREATE TABLE inbond.more (a integer)")
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, _002_breaks))
        with pytest.raises(RuntimeError):
            PostgresStore.open(address)
    assert refusal(lambda: PostgresStore.open_existing(address)).to_json() == {
        "expected": f"a ledger at {address}",
        "found": "a database without one",
        "fix": "correct INBOND_LEDGER, or run a recipe first",
    }


def test_many_that_open_a_new_ledger_at_once_make_it_once(address: Address) -> None:
    failed: list[Exception] = []

    def begin() -> None:
        try:
            with contextlib.closing(PostgresStore.open(address)) as store:
                store.append(entries(1))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with contextlib.closing(PostgresStore.open_existing(address)) as store:
        assert [entry.position for entry in store.read()] == list(range(6))


def test_a_ledger_whose_table_is_gone_is_damaged(
    server: Server, address: Address, store: PostgresStore
) -> None:
    server.run("DROP TABLE inbond.events", database=address.database)
    error = refusal(store.last)
    assert isinstance(error, TamperedError)
    assert error.found == 'relation "inbond.events" does not exist (42P01)'


# Who is not let in, and nobody there ----------------------------------------------------------------


def test_a_wrong_password_is_no_way_in_and_is_not_repeated(server: Server, address: Address) -> None:
    known = as_user(server, address, "known")
    for password in ("geheimer", None):
        wrong = Address(known.host, known.port, known.database, known.user, password=password)
        error = refusal(lambda wrong=wrong: PostgresStore.open(wrong))
        assert isinstance(error, InputError)
        assert error.expected == f"a user whom the server lets in at {wrong}"
        assert "28P01" in error.found
        assert error.fix == "set PGUSER, and PGPASSWORD or ~/.pgpass"


def test_a_database_that_is_not_there_is_named(address: Address) -> None:
    missing = Address(address.host, address.port, "nowhere", "postgres")
    error = refusal(lambda: PostgresStore.open(missing))
    assert error.expected == f"a database that exists at {missing}"
    assert error.found == 'database "nowhere" does not exist (3D000)'


def test_a_server_that_is_not_there_is_not_waited_for_at_first() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Address("127.0.0.1", taken.getsockname()[1], "team", "postgres")
        started = time.monotonic()
        error = refusal(lambda: PostgresStore.open(nobody))
    assert time.monotonic() - started < 5
    assert error.to_json() == {
        "expected": f"a PostgreSQL server that answers at {nobody}",
        "found": "[Errno 111] Connection refused",
        "fix": "check INBOND_LEDGER and the server, then run the same again: what is complete is kept",
    }


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00" * 64, b"R\x00\x00\x00\x04"]
)
def test_what_is_no_postgresql_is_an_input_error(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1024)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        other = Address("127.0.0.1", listener.getsockname()[1], "team", "postgres")
        error = refusal(lambda: PostgresStore.open(other))
        thread.join()
    assert isinstance(error, InputError)
    assert error.expected == f"a PostgreSQL server that answers at {other}"


def test_a_server_without_encryption_is_not_spoken_to_where_that_is_wanted(address: Address) -> None:
    wanted = Address(address.host, address.port, address.database, "postgres", sslmode="require")
    error = refusal(lambda: PostgresStore.open(wanted))
    assert error.expected == f"a PostgreSQL server that answers at {wanted}"
    assert "SSL" in error.found


# Lost on the way ------------------------------------------------------------------------------------


def test_a_connection_that_died_while_idle_is_made_again(server: Server, store: PostgresStore) -> None:
    store.append(entries(1))
    for work in (lambda: store.append(entries(1)), lambda: list(store.read()), store.last):
        server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'inbond'",
            database="postgres",
        )
        work()
    assert [entry.position for entry in store.read()] == [0, 1]


@pytest.mark.parametrize("before", [True, False], ids=["commit-not-sent", "answer-lost"])
@pytest.mark.parametrize("others", [0, 3], ids=["alone", "others-append"])
def test_a_commit_in_doubt_is_kept_exactly_once(
    store: PostgresStore, address: Address, before: bool, others: int
) -> None:
    store.append(entries(2))
    proxy = Proxy(address, before=before)
    try:
        with contextlib.closing(PostgresStore.open(proxy.address)) as shaky:
            proxy.armed = True
            built: list[list[Entry]] = []

            def build(last: Entry | None) -> list[Entry]:
                built.append(entries(3)(last))
                return built[-1]

            real = shaky._session.drop

            def drop_and_let_others() -> None:
                real()
                for _ in range(others if proxy.cuts and len(built) == 1 else 0):
                    store.append(entries(1))

            shaky._session.drop = drop_and_let_others  # type: ignore[method-assign]
            made = shaky.append(build)
            shaky._session.drop = real  # type: ignore[method-assign]
            assert proxy.cuts == 1
    finally:
        proxy.close()
    assert made == built[-1]
    assert len(built) == (2 if before else 1)
    kept = list(store.read())
    assert [entry.position for entry in kept] == list(range(5 + others))
    assert [entry for entry in kept if entry in made] == made
    assert [entry for entry in kept if entry in built[0]] == (made if len(built) == 1 else [])


def test_a_commit_in_doubt_is_said_to_be_when_the_server_stays_away(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_session, "LOST_S", 0.5)
    proxy = Proxy(address, before=False)
    with contextlib.closing(PostgresStore.open(proxy.address)) as shaky:
        real = shaky._session.drop
        shaky._session.drop = lambda: (real(), proxy.close())[0]  # type: ignore[method-assign]
        proxy.armed = True
        error = refusal(lambda: shaky.append(entries(3)))
        shaky._session.drop = real  # type: ignore[method-assign]
    assert isinstance(error, InputError)
    assert error.expected == f"a PostgreSQL server that answers at {proxy.address}"
    assert error.found.endswith("; whether the last 3 events were kept is not known")
    assert error.fix.endswith("; inbond verify shows what was kept")


def test_a_ledger_goes_on_through_a_lost_commit_without_a_second_event(
    address: Address, tmp_path: Path
) -> None:
    for number, before in enumerate((True, False)):
        proxy = Proxy(address, before=before)
        try:
            with Ledger(PostgresStore.open(proxy.address), KeyStore(tmp_path / "keys")) as ledger:
                ledger.record("a.b", {"number": 2 * number})
                proxy.armed = True
                event = ledger.record("a.b", {"number": 2 * number + 1})
                assert event.body == {"number": 2 * number + 1}
                assert proxy.cuts == 1
                assert list(ledger.events("a.b"))[-1] == event
        finally:
            proxy.close()
    with Ledger(PostgresStore.open_existing(address), KeyStore(tmp_path / "keys")) as ledger:
        assert [event.body["number"] for event in ledger.events("a.b")] == [0, 1, 2, 3]


def test_a_replica_is_read_and_takes_no_writes() -> None:
    own = Server()
    try:
        address = own.new_database()
        with contextlib.closing(PostgresStore.open(address)) as store:
            made = store.append(entries(3))
            own.stop()
            (own.folder / "data" / "standby.signal").touch()
            own.start()
            assert list(store.read()) == list(made)
            error = refusal(lambda: store.append(entries(1)))
        assert isinstance(error, UnwritableError)
        assert error.expected == f"a server that can be written at {address}"
        assert error.found == "cannot execute INSERT in a read-only transaction (25006)"
        with contextlib.closing(PostgresStore.open(address)) as again:
            assert again.last() == made[-1]
            assert again.damage() == []
    finally:
        own.remove()


def test_the_way_there_is_encrypted_and_the_server_known_by_its_certificate(
    server: Server, address: Address, tmp_path: Path
) -> None:
    known = as_user(server, address, "known")
    server.run(f"GRANT CREATE ON DATABASE {address.database} TO {known.user}", database="postgres")
    context, root = make_tls(tmp_path)
    proxy = Proxy(known, tls=context)

    def to(host: str, sslmode: str, sslrootcert: Path | None = root) -> Address:
        trusted = None if sslrootcert is None else str(sslrootcert)
        return replace(proxy.address, host=host, sslmode=sslmode, sslrootcert=trusted)

    try:
        for way in (
            to("localhost", "verify-full"),
            to("127.0.0.1", "verify-ca"),
            to("127.0.0.1", "require", None),
        ):
            with contextlib.closing(PostgresStore.open(way)) as store:
                assert isinstance(store._session._connection._usock, ssl.SSLSocket)
                store.append(entries(1_500))
                assert len(list(store.read())) % 1_500 == 0
        strange = refusal(lambda: PostgresStore.open(to("127.0.0.1", "verify-full")))
        assert "IP address mismatch" in strange.found
        unknown = refusal(lambda: PostgresStore.open(to("localhost", "verify-full", None)))
        assert "certificate verify failed" in unknown.found
        assert unknown.expected.startswith("a PostgreSQL server that answers at postgresql://localhost:")
    finally:
        proxy.close()


def test_a_socket_on_this_machine_is_a_way_too(server: Server, address: Address) -> None:
    local = replace(address, host=str(server.folder))
    assert parse(str(local)) == replace(local, user=None)
    with contextlib.closing(PostgresStore.open(local)) as store:
        store.append(entries(2))
        assert len(list(store.read())) == 2
    error = refusal(lambda: PostgresStore.open(replace(local, host="/nowhere")))
    assert error.found == "[Errno 2] No such file or directory"


def test_a_server_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_session, "CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = Address("127.0.0.1", listener.getsockname()[1], "team", "postgres")
        error = refusal(lambda: PostgresStore.open(silent))
    assert error.expected == f"a PostgreSQL server that answers at {silent}"
    assert error.found == "timed out"


@settings(max_examples=40)
@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_back_is_an_error_in_our_words(answer: bytes, well_begun: bool) -> None:
    """Also after a beginning that is PostgreSQL's: let in, and ready for a statement."""
    begun = b"R\x00\x00\x00\x08\x00\x00\x00\x00" + b"Z\x00\x00\x00\x05I" if well_begun else b""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, contextlib.suppress(OSError):
                client.recv(4096)
                client.sendall(begun)
                if well_begun:
                    client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        other = Address("127.0.0.1", listener.getsockname()[1], "team", "postgres")
        error = refusal(lambda: PostgresStore.open(other))
        thread.join()
    assert isinstance(error, InbondError)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restarted", "crashed"])
def test_a_server_that_restarts_is_waited_for(how: signal.Signals) -> None:
    own = Server()
    try:
        address = own.new_database()
        with contextlib.closing(PostgresStore.open(address)) as store:
            made: list[Entry] = []
            stop = threading.Event()

            def write() -> None:
                while not stop.is_set():
                    made.extend(store.append(entries(2)))

            thread = threading.Thread(target=write)
            thread.start()
            time.sleep(0.3)
            own.stop(how)
            before = len(made)
            time.sleep(0.5)
            own.start()
            deadline = time.monotonic() + 20
            while len(made) == before and time.monotonic() < deadline:
                time.sleep(0.05)
            stop.set()
            thread.join()
            assert len(made) > before > 0
            assert list(store.read()) == made
    finally:
        own.remove()


# Turns ----------------------------------------------------------------------------------------------


def test_who_waits_too_long_for_a_turn_is_told(
    store: PostgresStore, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_BEGIN", postgres._BEGIN.replace(f"'{postgres._TURN_S}s'", "'200ms'"))

    def build(last: Entry | None) -> list[Entry]:
        with contextlib.closing(PostgresStore.open(address)) as other:
            error = refusal(lambda: other.append(entries(1)))
        assert isinstance(error, InputError)
        assert error.expected == f"a turn to write at {address}"
        assert error.fix == "wait for the other process, or end it, and try again"
        return entries(1)(last)

    store.append(build)
    assert len(list(store.read())) == 1


def test_a_writer_that_hangs_in_its_turn_loses_it_and_goes_on_later(
    store: PostgresStore, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_BEGIN", postgres._BEGIN.replace(f"'{postgres._HUNG_S}s'", "'200ms'"))
    built: list[Entry | None] = []

    def build(last: Entry | None) -> list[Entry]:
        built.append(last)
        if len(built) == 1:
            with contextlib.closing(PostgresStore.open(address)) as other:
                other.append(entries(1))  # gets its turn once the server has ended ours
        return entries(1)(last)

    made = store.append(build)
    assert [last and last.position for last in built] == [None, 0]
    assert made[0].position == 1
    assert len(list(store.read())) == 2


def test_an_interrupted_append_keeps_nothing_and_the_store_goes_on(store: PostgresStore) -> None:
    def build(_last: Entry | None) -> list[Entry]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.append(build)
    store.append(entries(1))
    assert [entry.position for entry in store.read()] == [0]


# Many writers ---------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from inbond.ledger.address import parse
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.postgres import PostgresStore
with Ledger(PostgresStore.open(parse(sys.argv[1])), KeyStore(Path(sys.argv[2]))) as ledger:
    for number in range(int(sys.argv[4]) // 2):
        body = {"number": number, "pad": "x" * 300}
        for event in ledger.record_many([("w.%s" % sys.argv[3], body)] * 2):
            print(event.digest, flush=True)
"""


def test_processes_that_append_at_once_keep_one_chain_though_some_are_killed(
    address: Address, tmp_path: Path
) -> None:
    """8 writers with keys of their own and 200 events each; 3 die by SIGKILL somewhere in between."""
    url = f"postgresql://postgres@{address.host}:{address.port}/{address.database}"

    def start(number: int) -> subprocess.Popen[str]:
        keys = tmp_path / f"keys-{number}"
        return subprocess.Popen(
            [sys.executable, "-c", WRITER, url, keys, f"n{number}", "200"], stdout=subprocess.PIPE, text=True
        )

    writers = [start(number) for number in range(8)]
    told: list[list[str]] = [[] for _ in writers]

    killed_after = {0: 21, 3: 40, 6: 60}

    def listen(number: int) -> None:
        for line in writers[number].stdout or ():
            if line.endswith("\n"):
                told[number].append(line.strip())
            if len(told[number]) == killed_after.get(number):
                writers[number].send_signal(signal.SIGKILL)

    listeners = [threading.Thread(target=listen, args=(number,)) for number in range(8)]
    for thread in listeners:
        thread.start()
    for writer, thread in zip(writers, listeners, strict=True):
        writer.wait(120)
        thread.join()
        assert writer.stdout is not None
        writer.stdout.close()
    assert [writer.returncode for writer in writers] == [-9, 0, 0, -9, 0, 0, -9, 0]
    check = ChainCheck()
    kept: dict[str, list[str]] = {}
    with contextlib.closing(PostgresStore.open_existing(address)) as store:
        for entry in store.read():
            event = check.add(entry)
            assert event is not None
            kept.setdefault(event.kind, []).append(event.digest)
        assert store.damage() == []
    assert check.problems == []
    assert len(kept["key.introduced"]) == 8
    for number, digests in enumerate(told):
        mine = kept[f"w.n{number}"]
        assert mine[: len(digests)] == digests, "what was told as written is there, in order"
        assert len(mine) % 2 == 0, "an append is kept whole"
        assert len(mine) == 200 or (number in killed_after and len(digests) <= len(mine) < 200)
