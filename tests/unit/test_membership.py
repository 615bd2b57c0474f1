"""Several workspaces, one shared ledger: joining, telling events apart, and what is refused."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InbondError, InputError, TamperedError
from inbond.ledger import membership
from inbond.ledger.address import Address, parse
from inbond.ledger.attest import KeyStore
from inbond.ledger.chain import next_entry
from inbond.ledger.events import Entry, Event, decode, encode
from inbond.ledger.ledger import Ledger, now
from inbond.ledger.membership import Membership
from inbond.ledger.postgres import PostgresStore
from inbond.ledger.verify import Target, Trust, VerifyReport, find_target, verify_target, verify_workspace
from inbond.workspace import Workspace
from tests.ledger_samples import make_workspace
from tests.postgres_server import Server


@pytest.fixture
def address(server: Server, monkeypatch: pytest.MonkeyPatch) -> Address:
    """A new database, named by INBOND_LEDGER with a password that must never turn up anywhere."""
    made = server.new_database()
    monkeypatch.setenv("INBOND_LEDGER", url(made))
    return made


def url(address: Address) -> str:
    return f"postgresql://postgres:geheim@{address.host}:{address.port}/{address.database}"


def begin(home: Path, keys: str = "keys") -> Workspace:
    """A workspace with a small run in it, as a recipe leaves one."""
    return make_workspace(home, KeyStore(home.parent / keys))


def refusal(work: object) -> InbondError:
    assert callable(work)
    with pytest.raises(InbondError) as caught:
        work()
    assert "geheim" not in str(caught.value)
    return caught.value


def own(workspace: Workspace, keys: Path) -> list[Event]:
    with Ledger.open(workspace, KeyStore(keys)) as ledger:
        return list(ledger.events())


def test_a_new_workspace_joins_and_says_so_in_both_places(address: Address, tmp_path: Path) -> None:
    workspace = begin(tmp_path / "bond")
    kept = json.loads(workspace.membership.read_text())
    assert kept["format"] == "inbond.membership/1"
    assert kept["ledger"] == f"postgresql://127.0.0.1:{address.port}/{address.database}"
    assert workspace.membership.stat().st_mode & 0o777 == 0o600
    assert not workspace.ledger.exists()
    events = own(workspace, tmp_path / "keys")
    assert [event.kind for event in events[:3]] == ["key.introduced", "workspace.joined", "run.started"]
    assert dict(events[1].body) == {"name": "bond"}
    assert (events[1].seq, events[1].digest) == (kept["position"], kept["digest"])


def test_the_password_is_nowhere(address: Address, server: Server, tmp_path: Path) -> None:
    workspace = begin(tmp_path / "bond")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert workspace.membership in files
    assert [path for path in files if b"geheim" in path.read_bytes()] == []
    texts = server.run("SELECT convert_from(text, 'UTF8') FROM inbond.events", database=address.database)
    assert texts
    assert "geheim" not in str(texts)


@pytest.mark.usefixtures("address")
def test_two_workspaces_with_a_run_of_one_name_do_not_meet(tmp_path: Path) -> None:
    first, second = begin(tmp_path / "a" / "bond"), begin(tmp_path / "b" / "bond")
    assert verify_workspace(first).ok
    assert verify_workspace(second).ok
    mine = own(first, tmp_path / "a" / "keys")
    theirs = own(second, tmp_path / "b" / "keys")
    assert {event.seq for event in mine if event.kind != "key.introduced"}.isdisjoint(
        event.seq for event in theirs if event.kind != "key.introduced"
    )
    assert [event.kind for event in mine].count("stage.completed") == 2
    assert all("workspace" not in event.body for event in (*mine, *theirs))
    (second.run("demo") / "result.json").write_text("{}")
    assert verify_workspace(first).ok
    report = verify_workspace(second)
    assert [problem.split(":")[0] for problem in report.problems] == ["runs/demo/result.json"]
    assert report.checked.events == verify_workspace(first).checked.events == 12


@pytest.mark.usefixtures("address")
def test_one_head_stands_for_all_workspaces(tmp_path: Path) -> None:
    first = begin(tmp_path / "a" / "bond")
    head = verify_workspace(first).head
    second = begin(tmp_path / "b" / "bond")
    assert verify_workspace(second, head=head).ok
    assert verify_workspace(second).head.size == 2 * head.size


@pytest.mark.usefixtures("address")
def test_what_is_recorded_is_handed_out_as_it_was_given(tmp_path: Path) -> None:
    with Ledger.open(Workspace(tmp_path / "bond"), KeyStore(tmp_path / "keys")) as ledger:
        made = ledger.record_many([("a.b", {"名": "値"}), ("a.c", {})])
        assert [dict(event.body) for event in made] == [{"名": "値"}, {}]
        assert list(ledger.events("a.b")) == made[:1]
        assert ledger.head().size == 4


@pytest.mark.usefixtures("address")
def test_what_was_read_once_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = PostgresStore.read

    def read(self: PostgresStore, start: int = 0) -> Iterator[Entry]:
        asked.append(start)
        return real(self, start)

    with (
        Ledger.open(Workspace(tmp_path / "a"), KeyStore(tmp_path / "keys")) as ledger,
        Ledger.open(Workspace(tmp_path / "b"), KeyStore(tmp_path / "keys")) as other,
    ):
        ledger.record("a.b", {"n": 1})
        other.record("a.b", {"n": 2})
        monkeypatch.setattr(PostgresStore, "read", read)
        assert [event.body["n"] for event in ledger.events("a.b")] == [1]
        other.record("a.b", {"n": 3})
        ledger.record("a.b", {"n": 4})
        assert [event.body["n"] for event in ledger.events("a.b")] == [1, 4]
        assert [event.body["n"] for event in ledger.events("a.b")] == [1, 4]
    assert asked == [0, 5, 7]


@given(body=st.dictionaries(st.text(), st.text()), own=st.booleans(), introduces=st.booleans())
def test_no_event_of_the_workspace_is_passed_over_unread(
    body: dict[str, str], own: bool, introduces: bool
) -> None:
    body.pop("workspace", None)
    mine, theirs = "0123456789abcdef", "fedcba9876543210"
    kind = "key.introduced" if introduces else "a.b"
    stamped = body if introduces else membership.stamped(body, mine if own else theirs)
    signed = digest.of_bytes(b"")
    try:
        text = encode(0, "2026-11-22T00:00:00.000000Z", kind, stamped, None, signed)
    except InputError:
        assume(False)
    entry = Entry(0, text, b"")
    assert membership.may_be_of(entry, mine) == (own or introduces)
    joining = encode(0, "2026-11-22T00:00:00.000000Z", "workspace.joined", {"workspace": mine}, None, signed)
    told = list(membership.events_of([Entry(0, joining, b""), entry], mine))
    assert len(told) == (2 if own or introduces else 1)
    assert membership.may_be_of(entry, None)


@pytest.mark.usefixtures("address")
def test_no_server_is_spoken_to_because_a_folder_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = begin(tmp_path / "bond")
    monkeypatch.delenv("INBOND_LEDGER")
    monkeypatch.setenv("PGPASSWORD", "geheim")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.settimeout(0.2)
        value = json.loads(workspace.membership.read_text())
        place = f"postgresql://127.0.0.1:{stranger.getsockname()[1]}/x$(touch y)"
        workspace.membership.write_text(json.dumps({**value, "ledger": f"{place}?sslmode=disable"}))
        for work in (
            lambda: verify_workspace(workspace),
            lambda: Ledger.open(workspace, KeyStore(tmp_path / "keys")),
            lambda: membership.events_in(workspace, {"PGPASSWORD": "geheim"}),
        ):
            shown = place.replace("$(touch y)", "%24%28touch%20y%29")
            assert refusal(work).to_json() == {
                "expected": f"INBOND_LEDGER to name the shared ledger of {workspace.home}: no server is "
                "spoken to just because a folder names it",
                "found": f"it is not set; the folder names {shown}",
                "fix": f"if you trust that server with your password: export INBOND_LEDGER={shown}",
            }
        with pytest.raises(TimeoutError):
            stranger.accept()


def test_where_the_variable_leads_counts_and_not_where_the_folder_does(
    address: Address, tmp_path: Path
) -> None:
    workspace = begin(tmp_path / "bond")
    value = json.loads(workspace.membership.read_text())
    assert "sslmode" not in value["ledger"]
    workspace.membership.write_text(json.dumps({**value, "ledger": "postgresql://127.0.0.1:1/x"}))
    assert verify_workspace(workspace).ok, "the server moved"
    assert membership.find_address(workspace, {"INBOND_LEDGER": url(address)}) == parse(url(address))


@pytest.mark.parametrize(
    "change",
    [{"workspace": "f" * 16}, {"position": 2}, {"position": 0}],
    ids=["id", "another", "introduction"],
)
@pytest.mark.usefixtures("address")
def test_a_membership_that_was_changed_does_not_hide_the_workspaces_events(
    tmp_path: Path, change: dict[str, object]
) -> None:
    """Under another id no event would speak of the files."""
    workspace = begin(tmp_path / "bond")
    (workspace.run("demo") / "student" / "model.safetensors").write_bytes(b"swapped")
    value = json.loads(workspace.membership.read_text()) | change
    if "position" in change:
        value["digest"] = digest_at(int(value["position"]))
    workspace.membership.write_text(json.dumps(value))
    (problem,) = verify_workspace(workspace).problems
    assert problem == (
        "ledger: another one, or one that was changed: "
        f"event {value['position']} is not that of joining as {value['workspace']}"
    )


def digest_at(position: int) -> str:
    address = parse(os.environ["INBOND_LEDGER"])
    with contextlib.closing(PostgresStore.open_existing(address)) as store:
        return next(store.read(position)).digest


# Who may speak for a workspace ----------------------------------------------------------------------


def speak_as(workspace: Workspace, keys: KeyStore, kind: str, body: dict[str, object]) -> Event:
    """What a colleague can do with a key of his own and another's id."""
    member = membership.read(workspace)
    assert member is not None
    signer = keys.signer()
    stamped = membership.stamped(body, member.workspace)

    def build(last: Entry | None) -> list[Entry]:
        introduced = {"algorithm": "ed25519", "public_key": signer.public.to_pem(), "id": signer.public.id}
        first = next_entry(last, at=now(), kind="key.introduced", body=introduced, signer=signer)[1]
        return [first, next_entry(first, at=now(), kind=kind, body=stamped, signer=signer)[1]]

    with contextlib.closing(PostgresStore.open(parse(os.environ["INBOND_LEDGER"]))) as store:
        return decode(store.append(build)[1].text)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("stage.discarded", {"folder": "runs/demo/student"}),
        ("text.erased", {"folder": "runs/demo/student", "files": ["model.safetensors"]}),
    ],
)
@pytest.mark.usefixtures("address")
def test_a_colleague_cannot_speak_for_ones_workspace(
    tmp_path: Path, kind: str, body: dict[str, object]
) -> None:
    workspace, colleague = begin(tmp_path / "bond"), KeyStore(tmp_path / "colleague")
    before = own(workspace, tmp_path / "keys")
    event = speak_as(workspace, colleague, kind, body)
    (workspace.run("demo") / "student" / "model.safetensors").unlink()
    problems = verify_workspace(workspace).problems
    assert problems[0] == (
        f"{event.name}: it is about this workspace, but signed by {colleague.signer().public.id}, which "
        "neither began it nor was introduced by the key that did; it does not count"
    )
    assert problems[1].startswith("runs/demo/student/model.safetensors: it is missing; ")
    after = own(workspace, tmp_path / "keys")
    assert [each for each in after if each.kind != "key.introduced"] == before[1:]


@pytest.mark.usefixtures("address")
def test_a_key_that_the_first_one_introduced_speaks_for_the_workspace(tmp_path: Path) -> None:
    workspace, keys = begin(tmp_path / "bond"), KeyStore(tmp_path / "keys")
    for number in range(2):
        keys.rotate()
        with Ledger.open(workspace, keys) as ledger:
            ledger.record("a.b", {"n": number})
    assert verify_workspace(workspace).problems == ()
    assert [event.body["n"] for event in own(workspace, keys.folder) if event.kind == "a.b"] == [0, 1]


@pytest.mark.usefixtures("address")
def test_a_key_that_nobody_introduced_is_kept_from_writing_what_would_not_count(tmp_path: Path) -> None:
    workspace = begin(tmp_path / "bond")
    other = KeyStore(tmp_path / "other")
    begin(tmp_path / "theirs" / "bond", "../other")  # the ledger knows that key
    with Ledger.open(workspace, other) as ledger:
        error = refusal(lambda: ledger.record("a.b", {}))
    assert error.to_json() == {
        "expected": "the key that began this workspace in the shared ledger, or one that it introduced",
        "found": f"the key {other.signer().public.id}, whose events would not count here",
        "fix": "put the key back that began it, or begin a workspace of your own with --home",
    }
    assert verify_workspace(workspace).ok


@pytest.mark.usefixtures("address")
def test_another_database_is_not_taken_for_the_one_that_was_joined(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = begin(tmp_path / "bond")
    other = server.new_database()
    monkeypatch.setenv("INBOND_LEDGER", url(other))
    begin(tmp_path / "other" / "bond")  # a ledger of the very same shape
    error = refusal(lambda: Ledger.open(workspace, KeyStore(tmp_path / "keys")))
    assert isinstance(error, TamperedError)
    assert error.expected == f"the ledger at {other} to be the one that this workspace joined"
    assert error.found.startswith("another one, or one that was changed: event 1 is not sha256:")
    report = verify_workspace(workspace)
    assert not report.ok
    assert report.problems[0] == f"ledger: {error.found}"
    empty = server.new_database()
    monkeypatch.setenv("INBOND_LEDGER", url(empty))
    missing = refusal(lambda: Ledger.open(workspace, KeyStore(tmp_path / "keys")))
    assert missing.found.endswith("event 1 is missing")


def test_a_workspace_with_a_ledger_of_its_own_keeps_it(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = begin(tmp_path / "bond")
    monkeypatch.setenv("INBOND_LEDGER", url(server.new_database()))
    assert refusal(lambda: Ledger.open(workspace, KeyStore(tmp_path / "keys"))).to_json() == {
        "expected": "a new workspace, to share the ledger that INBOND_LEDGER names",
        "found": f"a ledger of its own at {workspace.ledger}",
        "fix": "unset INBOND_LEDGER to go on with that one, or begin another workspace with --home",
    }
    assert verify_workspace(workspace).ok
    assert not workspace.membership.exists()


@pytest.mark.usefixtures("address")
def test_two_ledgers_in_one_workspace_are_refused(tmp_path: Path) -> None:
    workspace = begin(tmp_path / "bond")
    workspace.ledger.touch()
    for work in (
        lambda: Ledger.open(workspace, KeyStore(tmp_path / "keys")),
        lambda: verify_workspace(workspace),
    ):
        error = refusal(work)
        assert isinstance(error, InputError)
        assert error.found == "ledger.json, which names a shared one, and ledger.db"


@pytest.mark.parametrize(
    "change",
    [
        {"format": "inbond.membership/2"}, {"workspace": "../x"}, {"workspace": 7}, {"position": -1},
        {"position": True}, {"digest": "sha256:0"}, {"ledger": "mysql://db/t"}, {"ledger": None}, {"more": 1},
    ],
)  # fmt: skip
def test_a_membership_that_is_none_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    workspace = Workspace(tmp_path)
    member = Membership("postgresql://db/team", "0" * 16, 1, digest.of_bytes(b""))
    membership.write(workspace, member)
    assert membership.read(workspace) == member
    value = json.loads(workspace.membership.read_text()) | change
    workspace.membership.write_text(json.dumps(value))
    error = refusal(lambda: membership.read(workspace))
    assert error.expected == f"a membership of format inbond.membership/1 at {workspace.membership}"
    for text in ("", "[]", "null", "[" * 100_000, "\x00"):
        workspace.membership.write_text(text)
        assert isinstance(refusal(lambda: membership.read(workspace)), InputError)


@pytest.mark.usefixtures("address")
def test_a_target_inside_a_member_is_found(tmp_path: Path) -> None:
    workspace = begin(tmp_path / "bond")
    target = find_target(str(workspace.run("demo") / "data"), Workspace(tmp_path / "none"))
    assert target == Target(workspace, "runs/demo/data")
    assert verify_target(target, Trust()).checked.artifacts == 1


@pytest.mark.usefixtures("address")
def test_the_chain_alone_is_checked_without_a_workspace(tmp_path: Path) -> None:
    begin(tmp_path / "bond")
    report: VerifyReport = verify_workspace(Workspace(tmp_path / "empty"))
    assert report.ok
    assert (report.checked.events, report.checked.files) == (6, 0)
    assert (
        report.notes[-1] == f"{tmp_path}/empty has not joined the shared ledger: only its chain was checked"
    )
    assert not (tmp_path / "empty").exists()
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "model.safetensors").write_bytes(b"x")
    assert refusal(lambda: verify_workspace(Workspace(tmp_path / "given"))).found == (
        "the shared ledger with 6 events, and model.safetensors, which none of them speaks of: there is "
        "nothing to check"
    )


@pytest.mark.usefixtures("address")
def test_processes_that_begin_a_workspace_together_join_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from inbond.ledger.attest import KeyStore\nfrom inbond.ledger.ledger import Ledger\n"
        "from inbond.workspace import Workspace\n"
        "with Ledger.open(Workspace(Path(sys.argv[1])), KeyStore(Path(sys.argv[2]))) as ledger:\n"
        "    ledger.record('a.b', {})\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "bond"), str(tmp_path / "keys")]
    children = [subprocess.Popen(arguments) for _ in range(4)]
    assert [child.wait(60) for child in children] == [0, 0, 0, 0]
    kinds = [event.kind for event in own(Workspace(tmp_path / "bond"), tmp_path / "keys")]
    assert kinds.count("workspace.joined") == 1
    assert kinds.count("a.b") == 4


@pytest.mark.usefixtures("address")
def test_a_kill_while_joining_leaves_a_workspace_that_joins_again(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from inbond.ledger import membership\nfrom inbond.ledger.attest import KeyStore\n"
        "from inbond.ledger.ledger import Ledger\nfrom inbond.workspace import Workspace\n"
        "membership.write = lambda *_: os.kill(os.getpid(), 9)\n"
        "Ledger.open(Workspace(Path(sys.argv[1])), KeyStore(Path(sys.argv[2])))\n"
    )
    workspace = Workspace(tmp_path / "bond")
    killed = subprocess.run([sys.executable, "-c", code, str(workspace.home), str(tmp_path / "keys")])
    assert killed.returncode == -9
    assert not membership.begun(workspace)
    assert [event.kind for event in own(workspace, tmp_path / "keys")] == [
        "key.introduced",
        "workspace.joined",
    ]
    report = verify_workspace(workspace)
    assert report.ok
    assert report.checked.events == 3


def test_what_another_put_there_past_inbond_is_named_and_stops_nobody(
    address: Address, server: Server, tmp_path: Path
) -> None:
    workspace = begin(tmp_path / "bond")
    server.run("INSERT INTO inbond.events VALUES (6, '\\xff00', '')", database=address.database)
    with Ledger.open(workspace, KeyStore(tmp_path / "keys")) as ledger:
        ledger.record("a.b", {"n": 1})
        assert [event.seq for event in ledger.events("a.b")] == [7]
    report = verify_workspace(workspace)
    assert [problem.split(":")[0] for problem in report.problems] == ["event 6"]


def test_who_may_not_read_is_told_and_finds_nothing_changed(
    address: Address, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = begin(tmp_path / "bond")
    user = f"blind_{address.database}"
    server.run(f"CREATE ROLE {user} LOGIN PASSWORD 'geheim'", database="postgres")
    monkeypatch.setenv("INBOND_LEDGER", url(address).replace("postgres:geheim", f"{user}:geheim"))
    for grant, refused in (
        ("", "permission denied for schema inbond (42501)"),
        (
            "GRANT USAGE ON SCHEMA inbond TO {0}; GRANT SELECT ON inbond.migrations TO {0}",
            "permission denied for table events (42501)",
        ),
    ):
        if grant:
            server.run(grant.format(user), database=address.database)
        error = refusal(lambda: verify_workspace(workspace))
        assert isinstance(error, InputError)
        assert error.fix == "ask its owner for the rights in docs/ledger.md"
        assert error.found == refused


def test_a_shared_ledger_that_was_changed_is_told(address: Address, server: Server, tmp_path: Path) -> None:
    workspace = begin(tmp_path / "bond")
    for statement in (
        "ALTER TABLE inbond.events DISABLE TRIGGER no_change",
        "UPDATE inbond.events SET text = "
        "convert_to(replace(convert_from(text, 'UTF8'), 'demo', 'memo'), 'UTF8') WHERE seq = 2",
    ):
        server.run(statement, database=address.database)
    report = verify_workspace(workspace)
    assert report.problems[0] == "ledger: its table or its append-only triggers were altered"
    assert "event 2 (run.started): its signature does not fit what it says" in report.problems


@pytest.mark.usefixtures("address")
def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pg8000'] = None\n"
        "from inbond.cli.main import main; sys.argv = ['inbond', 'verify', '--home', 'none']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'inbond[ledger]'" in done.stderr
