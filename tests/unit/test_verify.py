"""Verification: whatever byte is changed, it is named; nothing crashes; nothing honest is accused."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InputError, NewerFormatError
from inbond.ledger import inventory, manifest, records
from inbond.ledger.attest import KeyStore, Signer
from inbond.ledger.chain import TreeHead, next_entry
from inbond.ledger.events import Entry
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.verify import Checked, Trust, VerifyReport, find_target, verify_target, verify_workspace
from inbond.workspace import RUN_PROGRESS, Workspace
from tests.ledger_samples import ROWS, complete, completed, make_workspace

SHARED = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


@pytest.fixture
def workspace(tmp_path: Path, keys: KeyStore) -> Workspace:
    return make_workspace(tmp_path / "bond", keys)


def entries_of(workspace: Workspace) -> list[Entry]:
    store = SqliteStore.open_existing(workspace.ledger)
    with contextlib.closing(store):
        return list(store.read())


@contextlib.contextmanager
def without_triggers(workspace: Workspace) -> Any:
    """What somebody does who wants to change a ledger and then hide that he could."""
    with contextlib.closing(sqlite3.connect(workspace.ledger, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")


def replace_entries(workspace: Workspace, entries: list[Entry]) -> None:
    with without_triggers(workspace) as connection:
        connection.execute("DELETE FROM events")
        for entry in entries:
            row = (entry.position, entry.text.decode(), entry.signature)
            connection.execute("INSERT INTO events VALUES (?, ?, ?)", row)


def re_sign(entries: list[Entry], signer: Signer, change: Callable[[int, Any], Any]) -> list[Entry]:
    made: list[Entry] = []
    for number, entry in enumerate(entries):
        event = digest.parse(entry.text)
        body = change(number, event["body"])
        previous = made[-1] if made else None
        made.append(next_entry(previous, at=event["at"], kind=event["kind"], body=body, signer=signer)[1])
    return made


def test_an_untouched_workspace_is_whole(workspace: Workspace, keys: KeyStore) -> None:
    report = verify_workspace(workspace)
    assert report.problems == ()
    assert report.ok
    assert report.checked == Checked(events=5, artifacts=2, files=5, records=4)
    assert report.notes == (
        "signatures were checked against the keys that the ledger itself brings: that proves that nothing "
        "was changed since signing, not who signed; give a public key with --key to check who",
    )
    pinned = verify_workspace(workspace, key=keys.signer().public)
    assert pinned.ok
    assert pinned.notes == (f"signatures were checked against the key given: {keys.signer().public.id}",)


def test_a_workspace_that_was_moved_verifies(workspace: Workspace, tmp_path: Path, keys: KeyStore) -> None:
    before = verify_workspace(workspace).head
    shutil.move(workspace.home, tmp_path / "別の場所")
    shutil.rmtree(keys.folder)  # and on a machine without the key
    after = verify_workspace(Workspace(tmp_path / "別の場所"), head=before)
    assert after.ok
    assert after.head.root == before.root


def test_verifying_changes_no_file(workspace: Workspace) -> None:
    def state() -> dict[str, digest.Digest]:
        found = manifest.digest_files(workspace.home)
        return {name: found[name] for name in found if not name.endswith(("-shm", "-wal"))}

    before = state()
    verify_workspace(workspace)
    assert state() == before


# Files ---------------------------------------------------------------------------------------------

FILES = (
    "data/records.jsonl", "data/lineage.parquet", "data/origins.json", "data/manifest.json",
    "student/model.safetensors", "student/manifest.json", "result.json",
)  # fmt: skip


@SHARED
@given(name=st.sampled_from(FILES), data=st.data())
def test_any_changed_byte_of_any_file_is_named(workspace: Workspace, name: str, data: st.DataObject) -> None:
    path = workspace.run("demo") / name
    old = path.read_bytes()
    where = data.draw(st.integers(0, len(old) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != old[where]))
    path.write_bytes(old[:where] + bytes([byte]) + old[where + 1 :])
    try:
        problems = verify_workspace(workspace).problems
    finally:
        path.write_bytes(old)
    assert problems[0].startswith(f"runs/demo/{name}: it was changed")


@SHARED
@given(name=st.sampled_from(FILES), data=st.data())
def test_any_cut_or_grown_file_is_named(workspace: Workspace, name: str, data: st.DataObject) -> None:
    path = workspace.run("demo") / name
    old = path.read_bytes()
    cut = old[: data.draw(st.integers(0, len(old) - 1))]
    path.write_bytes(data.draw(st.sampled_from([cut, old + b"\n", old + b"\x00"])))
    try:
        problems = verify_workspace(workspace).problems
    finally:
        path.write_bytes(old)
    assert problems[0].startswith(f"runs/demo/{name}: it was changed")


@pytest.mark.parametrize("number", range(4))
def test_a_changed_record_is_named_by_its_number(workspace: Workspace, number: int) -> None:
    path = workspace.run("demo") / "data" / "records.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[number] = lines[number].replace("質問".encode(), "疑問".encode())
    path.write_bytes(b"\n".join(lines))
    assert verify_workspace(workspace).problems[1:] == (
        f"runs/demo/data: record {number} in records.jsonl: its text does not match its id "
        f"{ROWS[number].record.id}",
    )


def test_changed_text_with_a_changed_manifest_is_still_found(workspace: Workspace) -> None:
    """Whoever changes a record and makes the manifest anew is found by the ledger."""
    folder = workspace.run("demo") / "data"
    text = folder / "records.jsonl"
    text.write_bytes(text.read_bytes().replace(b"0", b"9"))
    old = manifest.read(folder)
    assert old is not None
    manifest.write(folder, replace(old, files=manifest.digest_files(folder)))
    problems = verify_workspace(workspace).problems
    assert problems[0].startswith("runs/demo/data/manifest.json: it was changed; event 2 (stage.completed)")
    assert any("record 0 in records.jsonl" in problem for problem in problems)


def test_a_record_set_written_anew_around_another_root_is_found(workspace: Workspace) -> None:
    """The stage's own mistake: files and manifest agree, the recorded root is of other records."""
    folder = workspace.run("demo") / "data"
    keys = KeyStore(workspace.home.parent / "keys")
    with Ledger.open(workspace, keys) as ledger:
        complete(workspace, ledger, "data", digest.of_bytes(b"other"))
    assert folder.is_dir()
    assert verify_workspace(workspace).problems == (
        "runs/demo/data: the root of its records is not the one recorded",
    )


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(workspace: Workspace, name: str) -> None:
    (workspace.run("demo") / name).unlink()
    assert verify_workspace(workspace).problems[0].startswith(f"runs/demo/{name}: it is missing; ")


def test_a_missing_folder_is_one_problem(workspace: Workspace) -> None:
    shutil.rmtree(workspace.run("demo") / "data")
    assert verify_workspace(workspace).problems == (
        "runs/demo/data: it is missing; event 2 (stage.completed) recorded it",
    )


def test_an_extra_file_is_named_also_behind_a_link(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.run("demo") / "student"
    (folder / "deep").mkdir()
    (folder / "deep" / "余分.py").write_text("x")
    (folder / "link").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    assert verify_workspace(workspace).problems == (
        "runs/demo/student/deep/余分.py: the manifest does not list this file",
        "runs/demo/student/link: the manifest does not list this file",
        "runs/demo/student/pipe: the manifest does not list this file",
    )


def test_a_link_out_of_an_artifact_is_a_problem_and_one_inside_is_noted(
    workspace: Workspace, tmp_path: Path
) -> None:
    path, label = (
        workspace.run("demo") / "student" / "model.safetensors",
        "runs/demo/student/model.safetensors",
    )
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert verify_workspace(workspace).problems == (
        f"{label}: it is a link that leads out of the folder, to {tmp_path}/elsewhere",
    )
    path.unlink()
    path.symlink_to(path.name)
    assert verify_workspace(workspace).problems == (f"{label}: it is a link that leads nowhere",)
    path.unlink()
    (tmp_path / "elsewhere").rename(path.with_name("weights"))
    path.symlink_to("weights")
    report = verify_workspace(workspace)
    assert report.problems == ("runs/demo/student/weights: the manifest does not list this file",)
    assert f"{label}: it is a link to weights" in report.notes


def test_what_is_no_regular_file_is_named(workspace: Workspace) -> None:
    path = workspace.run("demo") / "student" / "model.safetensors"
    path.unlink()
    os.mkfifo(path)
    assert verify_workspace(workspace).problems == (
        "runs/demo/student/model.safetensors: it is not a regular file",
    )


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("other", ["fifo", "folder", "link"])
def test_what_is_no_regular_file_is_never_waited_for(
    workspace: Workspace, tmp_path: Path, name: str, other: str
) -> None:
    path = workspace.run("demo") / name
    path.unlink()
    os.mkfifo(tmp_path / "pipe")
    {"fifo": os.mkfifo, "folder": os.mkdir, "link": lambda it: it.symlink_to(tmp_path / "pipe")}[other](path)
    found: list[VerifyReport] = []
    thread = threading.Thread(target=lambda: found.append(verify_workspace(workspace)), daemon=True)
    thread.start()
    thread.join(20)
    assert found, "it waits for a writer"
    led_out = other == "link" and path.name != manifest.NAME
    said = "it is a link that leads out of the folder" if led_out else "it is not a regular file"
    label = f"runs/demo/{name}: "
    assert [said in problem for problem in found[0].problems if problem.startswith(label)] == [True]


def test_every_problem_is_named_not_only_the_first(workspace: Workspace) -> None:
    for name in ("data/origins.json", "student/model.safetensors", "result.json"):
        (workspace.run("demo") / name).write_bytes(b"x")
    named = [problem.split(":")[0] for problem in verify_workspace(workspace).problems]
    assert named == [
        "runs/demo/data/origins.json", "runs/demo/student/model.safetensors", "runs/demo/result.json"
    ]  # fmt: skip


def test_a_lineage_file_that_was_changed_is_not_parsed(workspace: Workspace) -> None:
    (workspace.run("demo") / "data" / "lineage.parquet").write_bytes(b"PAR1 junk PAR1")
    problems = verify_workspace(workspace).problems
    assert problems[0].startswith("runs/demo/data/lineage.parquet: it was changed; the manifest recorded")
    assert problems[1:] == ("runs/demo/data: its records cannot be checked without lineage.parquet",)


def test_a_lineage_that_was_recorded_broken_is_a_problem(workspace: Workspace, keys: KeyStore) -> None:
    (workspace.run("demo") / "data" / "lineage.parquet").write_bytes(b"PAR1 junk PAR1")
    with Ledger.open(workspace, keys) as ledger:
        complete(workspace, ledger, "data", digest.of_bytes(b""))
    assert verify_workspace(workspace).problems[0].startswith("runs/demo/data: its records cannot be read (")


# What later events overrule ------------------------------------------------------------------------


def test_the_latest_event_of_a_folder_counts(workspace: Workspace, keys: KeyStore) -> None:
    (workspace.run("demo") / "student" / "model.safetensors").write_bytes(b"new")
    assert not verify_workspace(workspace).ok
    with Ledger.open(workspace, keys) as ledger:
        complete(workspace, ledger, "student", None)
    assert verify_workspace(workspace).ok


def test_the_latest_event_of_a_file_counts(workspace: Workspace, keys: KeyStore) -> None:
    path = workspace.run("demo") / "result.json"
    path.write_text("{}")
    with Ledger.open(workspace, keys) as ledger:
        ledger.record("file.written", {"path": "runs/demo/result.json", "digest": digest.of_file(path)})
    assert verify_workspace(workspace).ok


def test_a_discarded_stage_is_not_expected(workspace: Workspace, keys: KeyStore) -> None:
    with Ledger.open(workspace, keys) as ledger:
        ledger.record("stage.discarded", {"run": "demo", "folder": "runs/demo/student"})
    report = verify_workspace(workspace)
    assert report.ok
    assert report.notes[1:] == (
        "runs/demo/student: it has a manifest, but the ledger does not speak of it, so it was not checked",
    )
    shutil.rmtree(workspace.run("demo") / "student")
    assert verify_workspace(workspace).ok


def _erase(workspace: Workspace, keys: KeyStore) -> None:
    with Ledger.open(workspace, keys) as ledger:
        ledger.record("text.erased", {"run": "demo", "folder": "runs/demo/data", "files": ["records.jsonl"]})


def test_text_erased_on_purpose_is_a_note(workspace: Workspace, keys: KeyStore) -> None:
    _erase(workspace, keys)
    path = workspace.run("demo") / "data" / "records.jsonl"
    label = "runs/demo/data/records.jsonl"
    assert verify_workspace(workspace).notes[1:] == (
        f"{label}: still there, though event 5 (text.erased) says that it was erased",
    )
    path.unlink()
    report = verify_workspace(workspace)
    assert report.ok
    assert report.checked.records == 4
    assert report.notes[1:] == (f"{label}: erased on purpose (event 5 (text.erased))",)
    path.write_bytes(b"another text in its place\n")
    assert verify_workspace(workspace).problems[0].startswith(f"{label}: it was changed")


def test_erasing_does_not_excuse_the_next_artifact(workspace: Workspace, keys: KeyStore) -> None:
    _erase(workspace, keys)
    with Ledger.open(workspace, keys) as ledger:
        complete(workspace, ledger, "data", records.write_rows(workspace.run("demo") / "data", ROWS))
    (workspace.run("demo") / "data" / "records.jsonl").unlink()
    assert verify_workspace(workspace).problems[0].startswith("runs/demo/data/records.jsonl: it is missing")


def test_an_artifact_inside_another_has_its_own_say(workspace: Workspace, keys: KeyStore) -> None:
    inner = workspace.run("demo") / "student" / "gguf"
    inner.mkdir()
    (inner / "m.gguf").write_bytes(b"x")
    with Ledger.open(workspace, keys) as ledger:
        complete(workspace, ledger, "student/gguf", None)
    assert verify_workspace(workspace).ok
    (inner / "m.gguf").write_bytes(b"y")
    assert [problem.split(":")[0] for problem in verify_workspace(workspace).problems] == [
        "runs/demo/student/gguf/m.gguf"
    ]


def test_a_recipe_can_ask_what_the_ledger_expects(workspace: Workspace, keys: KeyStore) -> None:
    with Ledger.open(workspace, keys) as ledger:
        expected = inventory.gather(ledger.events())
    assert set(expected.artifacts) == {"runs/demo/data", "runs/demo/student"}
    for folder, claim in expected.artifacts.items():
        assert claim.manifest == digest.of_file(workspace.home / folder / "manifest.json")
    path = "runs/demo/result.json"
    assert {path: claim.digest for path, claim in expected.files.items()} == {
        path: digest.of_file(workspace.home / path)
    }


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("stage.completed", {}),
        ("stage.completed", {"folder": "../x", "artifact": "", "manifest": "", "records_root": None}),
        ("stage.completed", {"folder": "/etc", "artifact": "", "manifest": "", "records_root": None}),
        ("stage.completed", {"folder": 3, "artifact": 4, "manifest": [], "records_root": {}}),
        ("file.written", {"path": "../../etc/passwd", "digest": digest.of_bytes(b"")}),
        ("file.written", {"path": "a", "digest": "sha256:zz"}),
        ("file.written", {"path": "a\x00b", "digest": digest.of_bytes(b"")}),
        ("text.erased", {"folder": "runs", "files": 3}),
        ("text.erased", {"folder": "runs", "files": ["../.."]}),
        ("stage.discarded", {"folder": None}),
    ],
)
def test_a_signed_event_of_nonsense_is_a_problem(
    workspace: Workspace, keys: KeyStore, kind: str, body: dict[str, Any]
) -> None:
    with Ledger.open(workspace, keys) as ledger:
        ledger.record(kind, body)
    problems = verify_workspace(workspace).problems
    assert len(problems) == 1
    assert problems[0].startswith(f"event 5 ({kind}): its body is not what this kind should hold (")


@pytest.mark.parametrize(
    "files", [{"../../../secret": digest.of_bytes(b"")}, {"a": "junk"}, {"/etc/passwd": digest.of_bytes(b"")}]
)
def test_a_manifest_cannot_reach_outside_its_folder(
    workspace: Workspace, keys: KeyStore, files: dict[str, digest.Digest]
) -> None:
    folder = workspace.run("demo") / "odd"
    made = Manifest(Identity("odd", 1, {}, {}), files)
    manifest.write(folder, made)
    with Ledger.open(workspace, keys) as ledger:
        ledger.record("stage.completed", completed("odd", made))
    problems = verify_workspace(workspace).problems
    assert len(problems) == 1
    assert problems[0].startswith("runs/demo/odd/manifest.json: it lists ")


# The database --------------------------------------------------------------------------------------


@SHARED
@given(number=st.integers(0, 4), part=st.sampled_from(["text", "signature"]), data=st.data())
def test_any_changed_byte_of_any_stored_field_is_named(
    workspace: Workspace, number: int, part: str, data: st.DataObject
) -> None:
    whole = entries_of(workspace)
    old: bytes = getattr(whole[number], part)
    where = data.draw(st.integers(0, len(old) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != old[where]))
    new = old[:where] + bytes([byte]) + old[where + 1 :]
    cast = "CAST(? AS TEXT)" if part == "text" else "?"
    with without_triggers(workspace) as connection:
        connection.execute(f"UPDATE events SET {part} = {cast} WHERE seq = ?", (new, number))
    try:
        problems = verify_workspace(workspace).problems
    except NewerFormatError as error:  # what a changed byte can say too
        problems = (error.expected,)
    finally:
        replace_entries(workspace, whole)
    assert any(problem.startswith(f"event {number}") for problem in problems)


def _report(workspace: Workspace) -> VerifyReport | None:
    """None when the file is refused whole, in words, as of a newer version."""
    refusal = None
    try:
        return verify_workspace(workspace)
    except InputError as error:
        refusal = error
    newer = isinstance(refusal, NewerFormatError)
    assert newer or str(workspace.ledger) in refusal.expected or "nothing to check" in refusal.found
    return None


def _judge(workspace: Workspace, whole: list[Entry], triggers: list[Any]) -> None:
    """A damaged file is named, or all that matters in it is as it was."""
    report = _report(workspace)
    if report is not None and report.ok:
        assert entries_of(workspace) == whole
        with contextlib.closing(sqlite3.connect(workspace.ledger)) as connection:
            assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == triggers


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_the_database_is_named_or_harmless(workspace: Workspace, data: st.DataObject) -> None:
    old = workspace.ledger.read_bytes()
    whole = entries_of(workspace)
    with contextlib.closing(sqlite3.connect(workspace.ledger)) as connection:
        triggers = connection.execute("SELECT sql FROM sqlite_master").fetchall()
    how = data.draw(st.sampled_from(["flip", "cut", "insert", "zero", "several"]))
    where = data.draw(st.integers(0, len(old) - 1) | st.integers(0, 140) | st.integers(4096, 4140))
    new = bytearray(old)
    if how == "flip":
        new[where] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del new[where:]
    elif how == "insert":
        new[where:where] = data.draw(st.binary(min_size=1, max_size=8))
    elif how == "zero":
        new[where : where + 64] = bytes(len(new[where : where + 64]))
    else:
        for place in data.draw(st.lists(st.integers(0, len(old) - 1), min_size=2, max_size=30)):
            new[place] ^= 0xFF
    for extra in ("-wal", "-shm"):
        workspace.ledger.with_name(f"ledger.db{extra}").unlink(missing_ok=True)
    workspace.ledger.write_bytes(new)
    try:
        _judge(workspace, whole, triggers)
    finally:
        workspace.ledger.write_bytes(old)


def test_dropped_triggers_are_named(workspace: Workspace) -> None:
    with contextlib.closing(sqlite3.connect(workspace.ledger)) as connection:
        connection.execute("DROP TRIGGER no_delete")
    assert verify_workspace(workspace).problems == (
        "ledger.db: its table or its append-only triggers were altered",
    )


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\x00", os.urandom(5000), b"\x00" * 8192])
def test_what_is_no_ledger_at_all_is_a_problem(workspace: Workspace, data: bytes) -> None:
    workspace.ledger.write_bytes(data)
    report = verify_workspace(workspace)
    assert report.problems
    assert report.problems[0].startswith("ledger.db: ")


# Folders that are made to look like workspaces -------------------------------------------------------


def test_an_artifacts_folder_with_a_ledger_in_it_is_no_workspace(
    workspace: Workspace, tmp_path: Path, keys: KeyStore
) -> None:
    """Whoever swaps the weights adds a ledger that does not speak of them, even a genuine one."""
    copy = tmp_path / "student"
    shutil.copytree(workspace.run("demo") / "student", copy)
    (copy / "model.safetensors").write_bytes(b"swapped")
    entries = entries_of(workspace)[:1]
    with contextlib.closing(SqliteStore.open(copy / "ledger.db")) as store:
        store.append(lambda _last: entries)
    with pytest.raises(InputError) as caught:
        find_target(str(copy), Workspace(tmp_path / "none"))
    assert caught.value.to_json() == {
        "expected": f"attestation.jsonl in {copy}, or the workspace that it was made in",
        "found": f"neither: no such file, and no ledger in {tmp_path}/none",
        "fix": "get the folder again, whole, with attestation.jsonl, or name the workspace with --home",
    }
    problems = verify_target(find_target(str(copy), workspace), Trust(keys.signer().public)).problems
    assert problems[0].startswith("runs/demo/student/model.safetensors: it was changed")
    with pytest.raises(InputError) as caught:
        verify_workspace(Workspace(copy), key=keys.signer().public)
    assert caught.value.found == f"{copy}, which is an artifact's folder"


@pytest.mark.parametrize("events", [0, 1])
def test_files_beside_a_ledger_that_does_not_speak_of_them_are_not_verified(
    workspace: Workspace, tmp_path: Path, keys: KeyStore, events: int
) -> None:
    folder, entries = tmp_path / "given", entries_of(workspace)[:events]
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"swapped")
    with contextlib.closing(SqliteStore.open(folder / "ledger.db")) as store:
        store.append(lambda _last: entries)
    with pytest.raises(InputError) as caught:
        verify_target(find_target(str(folder), workspace), Trust(keys.signer().public))
    assert caught.value.found == (
        f"ledger.db with {events} events, and model.safetensors, which none of them speaks of: there is "
        "nothing to check"
    )


def test_an_empty_ledger_is_nothing_to_check(tmp_path: Path) -> None:
    SqliteStore.open(tmp_path / "ledger.db").close()
    with pytest.raises(InputError) as caught:
        verify_workspace(Workspace(tmp_path))
    assert caught.value.found == "ledger.db with 0 events, and nothing in it: there is nothing to check"


def test_a_workspace_of_decisions_alone_is_a_chain_to_check(tmp_path: Path, keys: KeyStore) -> None:
    with Ledger.open(Workspace(tmp_path / "bond"), keys) as ledger:
        ledger.record("policy.decided", {})
    (tmp_path / "bond" / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "bond" / "runs" / "demo" / ".lock").touch()
    (tmp_path / "bond" / "runs" / "demo" / RUN_PROGRESS).write_text("{}")
    assert verify_workspace(Workspace(tmp_path / "bond")).checked == Checked(events=2)


def test_what_no_event_speaks_of_is_named(workspace: Workspace) -> None:
    (workspace.home / "model.safetensors").write_bytes(b"x")
    (workspace.home / "more").mkdir()
    (workspace.home / "more" / "x").write_bytes(b"x")
    report = verify_workspace(workspace)
    assert report.ok
    assert report.notes[1:] == (
        "model.safetensors: no event speaks of it, so it was not checked",
        "more: no event speaks of it, so it was not checked",
    )


def test_the_workspace_that_the_user_chose_is_the_one_that_tells(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A copy lies in a folder whose own ledger says that it is whole."""
    thief = make_workspace(tmp_path / "theirs", KeyStore(tmp_path / "thief"))
    folder = thief.run("demo") / "student"
    (folder / "model.safetensors").write_bytes(b"swapped")
    with Ledger.open(thief, KeyStore(tmp_path / "thief")) as ledger:
        complete(thief, ledger, "student", None)
    assert verify_target(find_target(str(folder), workspace), Trust()).ok
    problems = verify_target(find_target(str(folder), workspace, chosen=True), Trust()).problems
    assert problems == (
        f"{folder}/manifest.json: no event of this ledger records it: changed, or from another ledger",
    )


# What a newer Inbond wrote --------------------------------------------------------------------------


def _newer(workspace: Workspace, keys: KeyStore) -> None:
    last = entries_of(workspace)[-1]
    value = {"format": "inbond.event/2", "seq": 5, "prev": last.digest, "more": True}
    made = Entry(5, digest.canonical(value), keys.signer().sign("inbond.event/1", digest.of_value(value)))
    with contextlib.closing(SqliteStore.open(workspace.ledger)) as store:
        store.append(lambda _last: [made])


def test_a_newer_event_is_neither_changed_nor_verified(workspace: Workspace, keys: KeyStore) -> None:
    _newer(workspace, keys)
    with pytest.raises(NewerFormatError) as caught:
        verify_workspace(workspace)
    assert caught.value.expected == "event 5 to be an event of format inbond.event/1"
    assert caught.value.fix == "pip install --upgrade inbond"


def test_nothing_is_appended_to_what_a_newer_inbond_wrote(workspace: Workspace, keys: KeyStore) -> None:
    _newer(workspace, keys)
    before = entries_of(workspace)
    for work in (lambda ledger: ledger.record("a.b", {}), lambda ledger: ledger.check_writable()):
        with Ledger.open(workspace, keys) as ledger, pytest.raises(NewerFormatError) as caught:
            work(ledger)
        assert caught.value.fix == "pip install --upgrade inbond"
    assert entries_of(workspace) == before


# Heads and targets ---------------------------------------------------------------------------------


def test_a_saved_head_finds_a_cut(workspace: Workspace) -> None:
    saved = verify_workspace(workspace).head
    replace_entries(workspace, entries_of(workspace)[:4])
    assert verify_workspace(workspace).ok, "a cut alone cannot be seen from inside"
    assert verify_workspace(workspace, head=saved).problems == (
        "the saved head covers 5 events, the ledger holds 4: 1 were cut off",
    )


def test_a_saved_head_finds_re_signing_with_the_same_key(workspace: Workspace, keys: KeyStore) -> None:
    saved = verify_target(find_target(None, workspace), Trust(signers=(keys.signer(),))).head
    assert saved.key == keys.signer().public.id

    def change(number: int, body: Any) -> Any:
        return {"run": "another"} if number == 1 else body

    replace_entries(workspace, re_sign(entries_of(workspace), keys.signer(), change))
    assert verify_workspace(workspace, key=keys.signer().public).ok
    assert verify_workspace(workspace, head=saved).problems == (
        f"the first 5 events are not those that the saved head of {saved.at} covers: "
        "some were changed and signed again",
    )


def test_what_does_not_verify_gets_no_signed_head(workspace: Workspace, keys: KeyStore) -> None:
    (workspace.run("demo") / "result.json").unlink()
    head = verify_target(find_target(None, workspace), Trust(signers=(keys.signer(),))).head
    assert head == TreeHead(5, head.root, head.at)


@pytest.mark.parametrize(
    ("target", "checked"),
    [
        ("run:demo", Checked(5, 2, 5, 4)),
        ("{home}", Checked(5, 2, 5, 4)),
        ("{home}/runs/demo", Checked(5, 2, 5, 4)),
        ("{home}/runs/demo/data", Checked(5, 1, 3, 4)),
        ("{home}/runs/demo/student", Checked(5, 1, 1, 0)),
        ("{home}/runs/demo/student/model.safetensors", Checked(5, 1, 1, 0)),
        ("{home}/runs/demo/result.json", Checked(5, 0, 1, 0)),
    ],
)
def test_a_target_is_checked_alone_with_all_events(
    workspace: Workspace, target: str, checked: Checked
) -> None:
    found = find_target(target.format(home=workspace.home), workspace)
    report = verify_target(found, Trust())
    assert report.ok
    assert report.checked == checked


def test_a_student_that_was_copied_elsewhere_is_checked_against_its_ledger(
    workspace: Workspace, tmp_path: Path
) -> None:
    copy = tmp_path / "given away"
    shutil.copytree(workspace.run("demo") / "student", copy)
    report = verify_target(find_target(str(copy), workspace), Trust())
    assert report.ok
    assert report.checked == Checked(5, 1, 1, 0)
    (copy / "model.safetensors").write_bytes(b"x")
    problems = verify_target(find_target(str(copy), workspace), Trust()).problems
    assert problems[0].startswith("runs/demo/student/model.safetensors: it was changed")
    (copy / "manifest.json").write_bytes(b"{}")
    problems = verify_target(find_target(str(copy), workspace), Trust()).problems
    assert problems == (
        f"{copy}/manifest.json: no event of this ledger records it: changed, or from another ledger",
    )


def test_a_path_that_cannot_be_looked_up_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name, why in (
        ("x" * 300, "File name too long"),
        (f"{tmp_path}/loop", "ymlink loop"),
        ("a\x00", "null"),
    ):
        for text, home in ((name, workspace), (None, Workspace(Path(name)))):
            with pytest.raises(InputError) as caught:
                find_target(text, home)
            assert caught.value.expected == "a path that can be looked up"
            assert why in caught.value.found


def test_a_target_that_is_none_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_target(str(tmp_path / "nowhere"), workspace)
    assert caught.value.to_json() == {
        "expected": "a workspace, run:name, or an artifact's folder",
        "found": f"{tmp_path}/nowhere: no such path",
        "fix": "name a folder that inbond made, and its workspace with --home",
    }
    with pytest.raises(InputError) as caught:
        find_target(str(tmp_path), workspace)
    assert caught.value.found == f"{tmp_path}: neither holds nor lies in a ledger"


def test_a_run_that_the_ledger_does_not_know_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError) as caught:
        verify_target(find_target("run:other", workspace), Trust())
    assert caught.value.to_json() == {
        "expected": f"events about runs/other in {workspace.ledger}",
        "found": "none; it speaks of runs/demo/data, runs/demo/result.json, runs/demo/student",
        "fix": "name one of these, or leave TARGET out to verify the whole workspace",
    }
