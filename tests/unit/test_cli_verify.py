"""``inbond verify`` and ``inbond keys show`` as a user meets them: output, JSON, exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inbond.cli.main import run
from inbond.ledger.attest import KeyStore, read_public_key
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace
from tests.ledger_samples import make_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "bond", KeyStore.default())


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the one JSON object on stdout."""
    capsys.readouterr()
    code = run([*arguments, "--json"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return code, json.loads(lines[0])


def test_a_whole_workspace_is_said_to_be_whole(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", "--home", str(workspace.home)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["ok: nothing was changed", "checked: 5 events, 2 artifacts, 5 files, 4 records"]
    assert lines[2].startswith("head: 5 events, sha256:")
    assert lines[2].endswith(", signed")
    assert lines[3].startswith("note: signatures were checked against the keys that the ledger itself")


def test_json_has_the_promised_fields(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, value = as_json(capsys, "verify", "--home", str(workspace.home))
    assert code == 0
    assert set(value) == {"ok", "problems", "notes", "head", "checked"}
    assert (value["ok"], value["problems"]) == (True, [])
    assert value["checked"] == {"events": 5, "artifacts": 2, "files": 5, "records": 4}
    assert set(value["head"]) == {"format", "size", "root", "at", "key", "signature"}


def test_tampering_is_named_and_exits_4(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.run("demo") / "result.json").write_text("{}")
    assert run(["verify", "--home", str(workspace.home)]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "not ok: 1 problem(s)"
    assert lines[1].startswith("problem: runs/demo/result.json: it was changed; event 4 (file.written)")
    assert lines[3].endswith(", not signed")
    code, value = as_json(capsys, "verify", str(workspace.home))
    assert (code, value["ok"], len(value["problems"])) == (4, False, 1)


def test_no_workspace_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "--home", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: expected a ledger at {tmp_path}/none/ledger.db",
        "  found: no such file",
        "  fix:   name the workspace with --home, or run a recipe first",
    ]
    code, value = as_json(capsys, "verify", "--home", str(tmp_path / "none"))
    assert code == 2
    assert set(value["error"]) == {"expected", "found", "fix"}
    assert not (tmp_path / "none").exists()


def test_a_head_is_saved_and_catches_a_ledger_that_was_made_anew(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, head = str(workspace.home), str(tmp_path / "head.json")
    assert run(["verify", "--home", home, "--save-head", head]) == 0
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        ledger.record("run.started", {"run": "again"})
    assert run(["verify", "--home", home, "--head", head]) == 0
    shutil.rmtree(workspace.home)
    make_workspace(workspace.home, KeyStore.default())
    assert run(["verify", "--home", home]) == 0
    code, value = as_json(capsys, "verify", "--home", home, "--head", head)
    assert code == 4
    assert value["problems"][0].startswith("the first 5 events are not those that the saved head of ")


def test_the_json_output_itself_can_serve_as_a_saved_head(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, value = as_json(capsys, "verify", "--home", str(workspace.home))
    (tmp_path / "a.json").write_text(json.dumps(value))
    (tmp_path / "b.json").write_text(json.dumps(value["head"]))
    for name in ("a.json", "b.json"):
        assert run(["verify", "--home", str(workspace.home), "--head", str(tmp_path / name)]) == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"head": {}}', "\x00", "[" * 100_000])
def test_a_head_file_that_is_none_exits_2(workspace: Workspace, tmp_path: Path, text: str) -> None:
    (tmp_path / "h").write_text(text)
    assert run(["verify", "--home", str(workspace.home), "--head", str(tmp_path / "h")]) == 2


def test_what_does_not_verify_saves_no_head(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.run("demo") / "result.json").unlink()
    code, _ = as_json(capsys, "verify", "--home", str(workspace.home), "--save-head", str(tmp_path / "h"))
    assert code == 4
    assert not (tmp_path / "h").exists()


def test_a_head_that_cannot_be_written_exits_2(workspace: Workspace) -> None:
    target = str(workspace.ledger / "h")
    assert run(["verify", "--home", str(workspace.home), "--save-head", target]) == 2


def test_keys_show_prints_a_key_that_verify_pins(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", "show"]) == 0
    shown = capsys.readouterr()
    (tmp_path / "key.pem").write_text(shown.out)
    public = read_public_key(tmp_path / "key.pem")
    assert shown.err.strip() == f"key id: {public.id}"
    code, value = as_json(capsys, "verify", "--home", str(workspace.home), "--key", str(tmp_path / "key.pem"))
    assert (code, value["notes"]) == (0, [f"signatures were checked against the key given: {public.id}"])
    other = KeyStore(tmp_path / "other").signer().public
    (tmp_path / "key.pem").write_text(other.to_pem())
    code, value = as_json(capsys, "verify", "--home", str(workspace.home), "--key", str(tmp_path / "key.pem"))
    assert code == 4
    assert "which is neither the key given with --key" in value["problems"][0]


def test_keys_show_json_never_holds_the_private_key(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = as_json(capsys, "keys", "show")
    public = KeyStore.default().signer().public
    assert code == 0
    assert as_json(capsys, "keys", "show", "--home", "elsewhere") == (0, value)
    assert value == {"key": public.id, "algorithm": "ed25519", "public_key": public.to_pem()}


def test_verify_makes_no_key_where_there_is_none(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "auditor"))
    assert run(["verify", "--home", str(workspace.home)]) == 0
    assert not (tmp_path / "auditor").exists()


def test_a_damaged_ledger_shows_no_traceback(workspace: Workspace) -> None:
    data = bytearray(workspace.ledger.read_bytes())
    data[100:140] = b"\xff" * 40
    workspace.ledger.write_bytes(data)
    code = "import sys; from inbond.cli.main import main; main(sys.argv[1:])"
    arguments = [sys.executable, "-c", code, "verify", "--home", str(workspace.home)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[1].startswith("problem: ledger.db: ")
