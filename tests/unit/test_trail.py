"""Stages: made once, found afterwards, never taken for what they are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inbond.digest import of_bytes
from inbond.errors import InputError, TamperedError
from inbond.ledger import manifest
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.verify import verify_workspace
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.recipes.watch import Silent
from inbond.workspace import Workspace

IDENTITY = Identity("bake", 1, {"heat": 1}, {})


def begin(workspace: Workspace, ledger: Ledger) -> Trail:
    """A run as a new process begins it."""
    return Trail(workspace, ledger, "demo", Silent())


def bake(trail: Trail, *, resumable: bool = False, place: str = "bread") -> Artifact:
    def make(folder: Path) -> Made:
        before = sorted(path.name for path in folder.iterdir())
        (folder / "loaf").write_text("warm")
        return Made({"before": before})

    return trail.stage("bake", place, IDENTITY, make, resumable=resumable)


def ok(workspace: Workspace) -> bool:
    return verify_workspace(workspace).ok


def nothing_to_check(workspace: Workspace) -> bool:
    """Nothing was changed, but what lies there is not recorded yet."""
    with pytest.raises(InputError) as caught:
        verify_workspace(workspace)
    return "there is nothing to check" in caught.value.found


def test_a_stage_is_made_once_and_found_afterwards(workspace: Workspace, ledger: Ledger) -> None:
    assert bake(begin(workspace, ledger)).status == "made"
    found = begin(workspace, ledger)
    assert bake(found).status == "found"
    assert found.all_found
    assert ok(workspace)


def test_what_a_crash_left_complete_but_unrecorded_is_recorded(workspace: Workspace, ledger: Ledger) -> None:
    folder = workspace.run("demo") / "bread"
    folder.mkdir(parents=True)
    (folder / "loaf").write_text("warm")
    manifest.write(folder, Manifest(IDENTITY, manifest.digest_files(folder), facts={"seconds": 1.0}))
    assert bake(begin(workspace, ledger)).status == "found"
    report = verify_workspace(workspace)
    assert report.ok
    assert report.checked.artifacts == 1


def test_a_change_with_a_manifest_to_match_is_refused_and_never_signed(
    workspace: Workspace, ledger: Ledger
) -> None:
    made = bake(begin(workspace, ledger))
    (made.folder / "loaf").write_text("poisoned")
    manifest.write(
        made.folder, Manifest(IDENTITY, manifest.digest_files(made.folder), facts=made.manifest.facts)
    )
    with pytest.raises(TamperedError, match="to be the one that event 1"):
        bake(begin(workspace, ledger))
    assert not ok(workspace)


def test_a_resumable_stage_goes_on_with_what_is_there(workspace: Workspace, ledger: Ledger) -> None:
    folder = workspace.run("demo") / "bread"
    folder.mkdir(parents=True)
    (folder / "dough").write_text("half")
    (folder / ".loaf.tmp").write_text("cut off")
    assert bake(begin(workspace, ledger), resumable=True).facts["before"] == ["dough"]


def test_fresh_leaves_nothing_to_resume_from(workspace: Workspace, ledger: Ledger) -> None:
    """Neither a recorded artifact, nor one that a crash left unrecorded, nor half of one."""
    bake(begin(workspace, ledger))
    folder = workspace.run("demo") / "cake"
    folder.mkdir()
    (folder / "loaf").write_text("old")
    manifest.write(folder, Manifest(IDENTITY, manifest.digest_files(folder), facts={"seconds": 1.0}))
    half = workspace.run("demo") / "pie"
    half.mkdir()
    (half / "dough").write_text("half")
    trail = begin(workspace, ledger)
    trail.work.mkdir()
    (trail.work / "step-1").write_text("")
    trail.discard()
    assert not trail.work.exists()
    for place in ("bread", "cake", "pie"):
        made = bake(trail, place=place, resumable=True)
        assert (made.status, made.facts["before"]) == ("made", [])
    assert ok(workspace)


def test_discarding_starts_at_the_end(workspace: Workspace, ledger: Ledger) -> None:
    """A kill in between must not leave a stage whose inputs are gone: they would be made anew, maybe
    otherwise, and the stage taken for theirs."""
    trail = begin(workspace, ledger)
    for place in ("first", "second"):
        bake(trail, place=place)
    begin(workspace, ledger).discard()
    gone = [event.body["folder"] for event in ledger.events("stage.discarded")]
    assert gone == ["runs/demo/second", "runs/demo/first"]


def test_a_kill_while_a_file_is_rewritten_leaves_what_verifies(
    workspace: Workspace, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace.run("demo") / "result.json"
    begin(workspace, ledger).write_file(path, b"{}")
    assert begin(workspace, ledger).is_recorded(path)
    kept = ledger.record

    def killed(kind: str, body: dict[str, object]) -> object:
        if kind == "file.written":
            raise KeyboardInterrupt
        return kept(kind, body)

    monkeypatch.setattr(ledger, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        begin(workspace, ledger).write_file(path, b'{"new": 1}')
    monkeypatch.undo()
    assert json.loads(path.read_bytes()) == {"new": 1}
    assert nothing_to_check(workspace)
    assert not begin(workspace, ledger).is_recorded(path)
    begin(workspace, ledger).write_file(path, b'{"new": 1}')
    assert begin(workspace, ledger).is_recorded(path)
    assert of_bytes(b'{"new": 1}') in {event.body["digest"] for event in ledger.events("file.written")}
    assert ok(workspace)


# Statements ----------------------------------------------------------------------------------------


def hand_out(trail: Trail) -> Artifact:
    """A stage whose artifact brings statements; here they only name the manifest that they cover."""

    def make(folder: Path) -> Made:
        (folder / "loaf").write_text("warm")
        return Made()

    def attest(whole: Manifest) -> bytes:
        assert not (trail.folder / "given" / manifest.NAME).exists(), "the manifest is written last"
        return whole.digest.encode()

    return trail.stage("hand out", "given", IDENTITY, make, attest=attest)


def test_statements_cover_the_manifest_and_the_ledger_covers_them(
    workspace: Workspace, ledger: Ledger
) -> None:
    given = hand_out(begin(workspace, ledger))
    path = given.folder / "attestation.jsonl"
    assert path.read_text() == given.manifest.digest
    assert path.name not in given.manifest.files
    assert ok(workspace)
    path.write_text("changed")
    assert (
        verify_workspace(workspace)
        .problems[0]
        .startswith("runs/demo/given/attestation.jsonl: it was changed; event 1 (stage.completed) recorded")
    )
    path.unlink()
    assert verify_workspace(workspace).problems == (
        "runs/demo/given/attestation.jsonl: it is missing; event 1 (stage.completed) recorded it",
    )


def test_a_kill_between_statements_and_manifest_makes_both_anew(workspace: Workspace, ledger: Ledger) -> None:
    folder = workspace.run("demo") / "given"
    folder.mkdir(parents=True)
    (folder / "loaf").write_text("half")
    (folder / "attestation.jsonl").write_text("of another attempt")
    given = hand_out(begin(workspace, ledger))
    assert given.status == "made"
    assert (folder / "attestation.jsonl").read_text() == given.manifest.digest
    assert ok(workspace)


def test_a_kill_between_manifest_and_event_loses_no_statements(
    workspace: Workspace, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trail, "_record", killed)
        with pytest.raises(KeyboardInterrupt):
            hand_out(begin(workspace, ledger))
    assert nothing_to_check(workspace)
    assert hand_out(begin(workspace, ledger)).status == "found"
    assert ok(workspace)
    (event,) = ledger.events("stage.completed")
    assert "attestation" in event.body


def test_statements_that_nobody_recorded_are_no_part_of_an_artifact(
    workspace: Workspace, ledger: Ledger
) -> None:
    bake(begin(workspace, ledger))
    (workspace.run("demo") / "bread" / "attestation.jsonl").write_text("slipped in")
    assert verify_workspace(workspace).problems == (
        "runs/demo/bread/attestation.jsonl: the manifest does not list this file",
    )
