"""``inbond erase``: the text is gone from every byte, the ledger still verifies."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from inbond.cli.erase import parse_age
from inbond.cli.main import run as inbond
from inbond.digest import of_file
from inbond.engine.journal import Journal, Outcome
from inbond.errors import InputError
from inbond.ledger import manifest, records
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.records import Row
from inbond.roundtable import transcript
from inbond.teachers.protocols import Reply, Request, Sampling
from inbond.types import Origin, Record
from inbond.workspace import Workspace, write_bytes

SECRET = "the cat's name is Grizabella, 秘密"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with two runs: journal entries, and a completed record set each."""
    made = Workspace(tmp_path / "bond")
    made.create()
    with Journal.open(made.journal) as journal, Ledger.open(made, KeyStore.default()) as ledger:
        for run in ("demo", "other"):
            text = f"{SECRET} of {run}"
            reply = Reply(text, "stop", 1, 2, "m", 0.1)
            journal.record(run, [Outcome(Request("t", text, Sampling()), reply, None, None, 1, 1, 2, 0.5)])
            folder = made.run(run) / "data"
            root = records.write_rows(
                folder, [Row(Record(text, text), Origin("t", "self-hosted", "author", {}, None))]
            )
            whole = Manifest(Identity("filter", 1, {}, {}), manifest.digest_files(folder), root)
            manifest.write(folder, whole)
            ledger.record(
                "stage.completed",
                {"run": run, "stage": "filter", "artifact": whole.id, "manifest": whole.digest,
                 "folder": f"runs/{run}/data", "records_root": root},
            )  # fmt: skip
    return made


def found(workspace: Workspace) -> list[str]:
    needle = SECRET.encode()
    return sorted(
        path.relative_to(workspace.home).as_posix()
        for path in workspace.home.rglob("*")
        if path.is_file() and needle in path.read_bytes()
    )


def call(
    capsys: pytest.CaptureFixture[str], workspace: Workspace, *arguments: str
) -> tuple[int, dict[str, object]]:
    code = inbond([*arguments, "--home", str(workspace.home), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_one_run(capsys: pytest.CaptureFixture[str], workspace: Workspace) -> None:
    assert found(workspace) == ["journal.db", "runs/demo/data/records.jsonl", "runs/other/data/records.jsonl"]
    code, planned = call(capsys, workspace, "erase", "demo", "--dry-run")
    assert (code, planned["journal_entries"], planned["files"]) == (0, 1, ["runs/demo/data/records.jsonl"])
    assert len(found(workspace)) == 3, "a dry run changes nothing"
    code, done = call(capsys, workspace, "erase", "demo")
    assert (code, done["journal_entries"], done["dry_run"]) == (0, 1, False)
    assert found(workspace) == ["journal.db", "runs/other/data/records.jsonl"], "the other run's"
    journal_bytes = b"".join(p.read_bytes() for p in workspace.home.glob("journal.db*"))
    assert f"{SECRET} of demo".encode() not in journal_bytes
    code, report = call(capsys, workspace, "verify")
    assert (code, report["ok"], report["problems"]) == (0, True, [])
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        (event,) = ledger.events("text.erased")
    assert event.body == {"run": "demo", "folder": "runs/demo/data", "files": ["records.jsonl"]}


def test_everything_of_some_age(capsys: pytest.CaptureFixture[str], workspace: Workspace) -> None:
    code, done = call(capsys, workspace, "erase", "--older-than", "30d")
    assert (code, done["journal_entries"], done["files"]) == (0, 0, [])
    old = time.time() - 40 * 86_400
    os.utime(workspace.run("demo") / "data" / "records.jsonl", (old, old))
    _, done = call(capsys, workspace, "erase", "--older-than", "30d")
    assert done["files"] == ["runs/demo/data/records.jsonl"]
    code, done = call(capsys, workspace, "erase", "--older-than", "0d")
    assert (done["journal_entries"], done["files"]) == (2, ["runs/other/data/records.jsonl"])
    assert found(workspace) == []
    assert call(capsys, workspace, "verify")[0] == 0


def test_a_kill_between_event_and_file_is_made_good_by_calling_again(
    capsys: pytest.CaptureFixture[str], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    assert inbond(["erase", "demo", "--home", str(workspace.home)]) == 130
    monkeypatch.undo()
    capsys.readouterr()
    assert call(capsys, workspace, "verify")[0] == 0
    assert call(capsys, workspace, "erase", "demo")[0] == 0
    assert "runs/demo/data/records.jsonl" not in found(workspace)
    assert call(capsys, workspace, "verify")[0] == 0


def test_links_are_not_followed(
    capsys: pytest.CaptureFixture[str], workspace: Workspace, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "precious.jsonl"
    elsewhere.write_text("mine")
    (workspace.run("demo") / "linked").mkdir()
    (workspace.run("demo") / "linked" / "records.jsonl").symlink_to(elsewhere)
    _, done = call(capsys, workspace, "erase", "demo")
    assert done["files"] == ["runs/demo/data/records.jsonl"]
    assert elsewhere.read_text() == "mine"


@pytest.mark.parametrize("name", ["nope", "../../etc", "/etc"])
def test_an_unknown_run_is_named_with_those_there_are(
    capsys: pytest.CaptureFixture[str], workspace: Workspace, name: str
) -> None:
    code, value = call(capsys, workspace, "erase", name)
    assert code == 2
    error = value["error"]
    assert isinstance(error, dict)
    assert "a run, a session, a judging or a briefing of the workspace" in error["expected"]
    assert "demo, other" in error["expected"]
    assert error["found"] == repr(name)


def test_neither_run_nor_age(capsys: pytest.CaptureFixture[str], workspace: Workspace) -> None:
    code, value = call(capsys, workspace, "erase")
    assert code == 2
    assert value["error"]["found"] == "neither"  # type: ignore[index]


def test_ages() -> None:
    assert [parse_age(text) for text in ("45m", "12h", "30d", "8w", "1.5h")] == [
        2700,
        43200,
        2592000,
        4838400,
        5400,
    ]
    for text in ("", "30", "d", "-3d", "3 days", "9999999d", "٣d"):
        with pytest.raises(InputError, match="an age such as"):
            parse_age(text)


def session_of(workspace: Workspace, name: str) -> Path:
    """A session as the roundtable leaves it, told to the ledger."""
    folder = workspace.session(name)
    with transcript.create(folder / transcript.NAME) as kept:
        kept.append([("opened", {"question": SECRET})], 1.0)
    write_bytes(folder / "page.html", SECRET.encode())
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        for path in sorted(folder.iterdir()):
            place = f"sessions/{name}/{path.name}"
            ledger.record("file.written", {"session": name, "path": place, "digest": of_file(path)})
    return folder


def test_a_session_by_its_name_and_nothing_else(workspace: Workspace) -> None:
    before = found(workspace)
    folder = session_of(workspace, "talk")
    session_of(workspace, "other-talk")
    assert inbond(["erase", "talk", "--home", str(workspace.home), "--quiet"]) == 0
    assert not any(folder.iterdir())
    assert inbond(["verify", "--home", str(workspace.home), "--quiet"]) == 0
    kept = ["sessions/other-talk/page.html", "sessions/other-talk/transcript.jsonl"]
    assert found(workspace) == sorted([*before, *kept])


def test_all_sessions_by_age(workspace: Workspace) -> None:
    session_of(workspace, "talk")
    assert inbond(["erase", "--older-than", "0d", "--home", str(workspace.home), "--quiet"]) == 0
    assert found(workspace) == []
    assert inbond(["verify", "--home", str(workspace.home), "--quiet"]) == 0


def test_a_session_goes_by_age_as_a_whole_when_the_last_of_it_is_old(workspace: Workspace) -> None:
    folder = session_of(workspace, "talk")
    (folder / ".page.html.a1b2").write_text(SECRET)
    old = time.time() - 40 * 86_400
    os.utime(folder / transcript.NAME, (old, old))
    erase = ["erase", "--older-than", "30d", "--home", str(workspace.home), "--quiet"]
    assert inbond(erase) == 0
    assert len([*folder.iterdir()]) == 3, "its page is young"
    for path in folder.iterdir():
        os.utime(path, (old, old))
    assert inbond(erase) == 0
    assert not any(folder.iterdir()), "what a crash left half-written, too"


def judging_of(workspace: Workspace, batch: str) -> Path:
    folder = workspace.judgings / f"{batch}-a1b2c3"
    for name in ("judgements.jsonl", "preferences.jsonl"):
        write_bytes(folder / name, f"{SECRET} {batch}".encode())
    write_bytes(folder / "result.json", b"{}")
    reply = Reply("{}", "stop", 1, 2, "m", 0.1)
    with Journal.open(workspace.journal) as journal:
        for judge in ("ann", "kai"):
            request = Request(judge, f"{SECRET} {batch}", Sampling())
            journal.record(f"judging-{batch}-{judge}", [Outcome(request, reply, None, None, 1, 1, 2, 0.5)])
    return folder


def test_a_judging_by_its_name_with_the_replies_of_its_judges(
    capsys: pytest.CaptureFixture[str], workspace: Workspace
) -> None:
    folder, other = judging_of(workspace, "9f9f"), judging_of(workspace, "9f9f0")
    code, done = call(capsys, workspace, "erase", folder.name)
    assert (code, done["journal_entries"]) == (0, 2)
    assert [path.name for path in folder.iterdir()] == ["result.json"]
    journal = b"".join(path.read_bytes() for path in workspace.home.glob("journal.db*"))
    assert f'{SECRET} 9f9f"'.encode() not in journal
    assert f"{SECRET} 9f9f0".encode() in journal
    assert len([*other.iterdir()]) == 3
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        assert {event.body["judging"] for event in ledger.events("text.erased")} == {folder.name}
    assert call(capsys, workspace, "verify")[0] == 0


def test_a_name_that_a_run_and_a_session_have_is_asked_about(
    capsys: pytest.CaptureFixture[str], workspace: Workspace
) -> None:
    folder = session_of(workspace, "demo")
    code, value = call(capsys, workspace, "erase", "demo")
    assert code == 2
    assert value["error"] == {
        "expected": "a name that only one thing has",
        "found": "'demo', which is runs/demo and sessions/demo",
        "fix": "inbond erase runs/demo",
    }
    code, done = call(capsys, workspace, "erase", "sessions/demo")
    assert (code, done["journal_entries"]) == (0, 0)
    assert not any(folder.iterdir())
    assert "runs/demo/data/records.jsonl" in found(workspace)


def test_a_session_that_goes_on_is_left_alone(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = session_of(workspace, "talk")
    with transcript.reopen(folder / transcript.NAME):
        assert inbond(["erase", "talk", "--home", str(workspace.home)]) == 2
    assert "nobody else at work on the session talk" in capsys.readouterr().err
    assert (folder / transcript.NAME).exists()
    assert (folder / "page.html").exists()
