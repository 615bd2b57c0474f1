"""The SQLite store beyond the contract: modes, versions, refusals, and several processes at once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from inbond.errors import InputError, TamperedError, UnwritableError
from inbond.ledger import sqlite
from inbond.ledger.attest import KeyStore
from inbond.ledger.events import Entry
from inbond.ledger.ledger import Ledger
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.verify import verify_workspace
from inbond.workspace import Workspace
from tests.ledger_samples import make_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "bond", KeyStore(tmp_path / "keys"))


def test_all_files_of_a_ledger_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with Ledger.open(Workspace(tmp_path / "bond"), KeyStore(tmp_path / "keys")) as ledger:
            ledger.record("a.b", {})
            files = sorted((tmp_path / "bond").iterdir())
            assert [path.name for path in files] == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
            assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
            assert (tmp_path / "bond").stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(old)


def test_the_database_is_in_wal_mode_and_syncs_every_commit(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "ledger.db")
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == (b"wal",)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET text = 'x' WHERE seq = 1",
        "DELETE FROM events WHERE seq = 4",
        "INSERT INTO events VALUES (9, 'x', x'00')",
        "INSERT OR REPLACE INTO events VALUES (2, 'x', x'00')",
        "INSERT INTO events VALUES (-1, 'x', x'00')",
    ],
)
def test_the_table_only_grows_at_its_end(workspace: Workspace, statement: str) -> None:
    with (
        contextlib.closing(sqlite3.connect(workspace.ledger)) as connection,
        pytest.raises(sqlite3.IntegrityError, match=r"^the ledger is append-only$"),
    ):
        connection.execute(statement)
    assert verify_workspace(workspace).ok


def test_a_ledger_of_a_newer_version_is_refused(workspace: Workspace) -> None:
    with contextlib.closing(sqlite3.connect(workspace.ledger)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for open_it in (SqliteStore.open, SqliteStore.open_existing):
        with pytest.raises(InputError) as caught:
            open_it(workspace.ledger)
        assert caught.value.to_json() == {
            "expected": f"a ledger of version 1 or older at {workspace.ledger}",
            "found": "version 99, of a newer Inbond or damaged",
            "fix": "pip install --upgrade inbond",
        }


def test_migrations_run_in_order_and_keep_what_is_there(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = verify_workspace(workspace).head.root

    def _002_more(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE more (a INTEGER) STRICT")

    monkeypatch.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, _002_more))
    SqliteStore.open(workspace.ledger).close()
    with contextlib.closing(sqlite3.connect(workspace.ledger)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    report = verify_workspace(workspace)
    assert report.ok
    assert report.head.root == before


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _002_breaks(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE more (a INTEGER) STRICT")
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, _002_breaks))
        with pytest.raises(RuntimeError):
            SqliteStore.open(tmp_path / "ledger.db")
    store = SqliteStore.open(tmp_path / "ledger.db")
    store.append(lambda _last: [Entry(0, b"x", b"")])
    store.close()


def test_an_empty_file_left_by_a_crash_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    store = SqliteStore.open(tmp_path / "ledger.db")
    assert store.last() is None
    store.close()


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database at all, but long enough to be read as a header" * 40)
    for open_it in (SqliteStore.open, SqliteStore.open_existing):
        with pytest.raises(TamperedError) as caught:
            open_it(path)
        assert caught.value.expected == f"an intact ledger at {path}"
        assert caught.value.found == "file is not a database"


def test_a_ledger_that_is_not_there_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        SqliteStore.open_existing(tmp_path / "ledger.db")
    assert caught.value.to_json() == {
        "expected": f"a ledger at {tmp_path}/ledger.db",
        "found": "no such file",
        "fix": "name the workspace with --home, or run a recipe first",
    }


def test_a_full_disk_says_so_and_keeps_the_ledger_whole(workspace: Workspace, tmp_path: Path) -> None:
    store = SqliteStore.open(workspace.ledger)
    # SQLite's own limit raises the very error that a full disk does.
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    ledger = Ledger(store, KeyStore(tmp_path / "keys"))
    with pytest.raises(UnwritableError) as caught:
        ledger.record_many(("a.b", {"text": "x" * 1000}) for _ in range(100))
    assert caught.value.to_json() == {
        "expected": f"free space on the disk at {workspace.ledger}",
        "found": "database or disk is full",
        "fix": "free some space, or choose another folder with --home",
    }
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.record("a.b", {}).seq == 5
    ledger.close()
    assert verify_workspace(workspace).checked.events == 6


def test_a_read_only_store_refuses_to_append(workspace: Workspace) -> None:
    store = SqliteStore.open_existing(workspace.ledger)
    with pytest.raises(UnwritableError) as caught:
        store.append(lambda _last: [Entry(5, b"x", b"")])
    assert caught.value.expected == f"permission to write at {workspace.ledger}"
    store.close()


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "bond").write_text("a file stands in the way")
    with pytest.raises(UnwritableError) as caught:
        Ledger.open(Workspace(tmp_path / "bond"), KeyStore(tmp_path / "keys"))
    assert caught.value.expected == f"a folder at {tmp_path}/bond"
    assert caught.value.fix == "remove the file that stands in its place, or choose another with --home"


def test_a_home_without_permission_says_so(tmp_path: Path) -> None:
    """As a user without rights, also when the tests run as root."""
    tmp_path.chmod(0o755)
    (tmp_path / "locked").mkdir(mode=0o555)
    (tmp_path / "keys").mkdir(mode=0o777)
    (tmp_path / "keys").chmod(0o777)
    code = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from inbond.errors import UnwritableError
        from inbond.ledger.attest import KeyStore
        from inbond.ledger.ledger import Ledger
        from inbond.workspace import Workspace
        if os.getuid() == 0:
            os.setgid(65534); os.setuid(65534)
        try:
            Ledger.open(Workspace(Path(sys.argv[1])), KeyStore(Path(sys.argv[2])))
        except UnwritableError as error:
            print(error.expected)
    """)
    parents = [parent for parent in tmp_path.parents if parent.stat().st_mode & 0o005 != 0o005]
    home = tmp_path / "locked" / "bond"
    for parent in parents:
        parent.chmod(parent.stat().st_mode | 0o005)
    arguments = [sys.executable, "-c", code, str(home), str(tmp_path / "keys")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == f"permission to write at {home}\n"


def test_keys_inside_the_workspace_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Ledger.open(Workspace(tmp_path), KeyStore(tmp_path / "config" / "keys"))
    assert caught.value.found == f"{tmp_path}/config/keys inside {tmp_path}"
    assert caught.value.fix == "set XDG_CONFIG_HOME, or --home, to another folder"
    assert list(tmp_path.iterdir()) == []


def test_a_refused_body_leaves_nothing_behind(tmp_path: Path) -> None:
    with Ledger.open(Workspace(tmp_path / "bond"), KeyStore(tmp_path / "keys")) as ledger:
        with pytest.raises(InputError, match=r"a\.b\.api_key"):
            ledger.record_many([("a.b", {}), ("a.b", {"api_key": "x"})])
        assert list(ledger.events()) == []
        assert ledger.record("a.b", {}).seq == 1


WRITER = """
import sys
from pathlib import Path
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace
with Ledger.open(Workspace(Path(sys.argv[1])), KeyStore(Path(sys.argv[2]))) as ledger:
    for number in range(int(sys.argv[4])):
        event = ledger.record_many([("w.%s" % sys.argv[3], {"number": number, "pad": "x" * 300})] * 2)[-1]
        print(event.seq, event.digest, flush=True)
"""


def start_writer(tmp_path: Path, name: str, count: int, keys: str = "keys") -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(tmp_path / "bond"), str(tmp_path / keys), name, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_keep_one_chain(tmp_path: Path) -> None:
    """All start on an empty folder: one of them makes the database, one the key. One has its own key."""
    writers = [start_writer(tmp_path, name, 30, keys="other" if name == "d" else "keys") for name in "abcd"]
    acknowledged = [line for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    assert len(acknowledged) == 120
    report = verify_workspace(Workspace(tmp_path / "bond"))
    assert report.problems == ()
    store = SqliteStore.open_existing(tmp_path / "bond" / "ledger.db")
    kept = {f"{entry.position} {entry.digest}" for entry in store.read()}
    store.close()
    assert set(acknowledged) <= kept
    ledger = Ledger.open(Workspace(tmp_path / "bond"), KeyStore(tmp_path / "keys"))
    for name in "abcd":
        numbers = [event.body["number"] for event in ledger.events(f"w.{name}")]
        assert numbers == [number for number in range(30) for _ in range(2)]
    ledger.close()
