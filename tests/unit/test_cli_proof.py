"""``inbond verify`` on what stands by itself, and ``inbond keys rotate``: output, JSON, exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from inbond.cli.main import run
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace
from tests.ledger_samples import ROWS, make_workspace
from tests.unit.test_attested import attest
from tests.unit.test_cli_verify import as_json

RECORD = ROWS[1].record.id


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return make_workspace(tmp_path / "bond", KeyStore.default())


@pytest.fixture
def key(workspace: Workspace) -> str:
    (workspace.home.parent / "key.pem").write_text(KeyStore.default().signer().public.to_pem())
    return "key.pem"


@pytest.fixture
def student(tmp_path: Path, workspace: Workspace) -> Path:
    folder = tmp_path / "copied"
    shutil.copytree(workspace.run("demo") / "student", folder)
    (folder / "manifest.json").unlink()
    attest(folder, workspace, KeyStore.default())
    return folder


def test_a_proof_is_written_and_checked(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "run:demo", "--record", RECORD, "--save-proof", "p.json"]) == 0
    capsys.readouterr()
    assert run(["verify", "p.json", "--key", key, "--record", RECORD]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok: it is what was signed"
    assert lines[1].startswith("proved: event 2 (stage.completed) of ")
    assert lines[2] == f"proved: the record {RECORD} is one of that artifact's records"
    assert lines[3].startswith("not proved: ")
    assert lines[-1].startswith("note: signatures were checked against the key given: sha256:")
    code, value = as_json(capsys, "verify", "p.json")
    assert code == 0
    assert set(value) == {"ok", "problems", "proved", "not_proved", "notes", "head"}


def test_a_changed_proof_exits_4_and_a_broken_one_2(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "run:demo", "--record", RECORD, "--save-proof", "p.json"]) == 0
    value = json.loads(Path("p.json").read_text())
    value["record"]["id"] = ROWS[2].record.id
    Path("p.json").write_text(json.dumps(value))
    code, found = as_json(capsys, "verify", "p.json", "--key", key)
    assert (code, found["proved"]) == (4, [])
    del value["record"]
    Path("p.json").write_text(json.dumps(value))
    code, found = as_json(capsys, "verify", "p.json", "--key", key)
    assert code == 2
    assert found["error"]["expected"] == "a proof of format inbond.proof/1"


def test_what_does_not_verify_is_not_proven(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.run("demo") / "result.json").unlink()
    assert run(["verify", "--head", _head(), "--save-proof", "p.json"]) == 4
    assert "p.json was not written: only what verifies can be proven" in capsys.readouterr().err
    assert not Path("p.json").exists()


def _head() -> str:
    with Ledger.open(Workspace(Path("bond")), KeyStore.default()) as ledger:
        Path("head.json").write_text(json.dumps(ledger.head().to_json()))
    return "head.json"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run:demo", "--record", RECORD], "--save-proof FILE along with --record, or a proof as TARGET"),
        (["run:demo", "--record", "x"], "a digest such as sha256:<64 hex digits>"),
        (["copied", "--record", RECORD], "a target in a workspace, to use --record on"),
        (["copied", "--save-proof", "p"], "a target in a workspace, to use --save-proof on"),
        (["run:demo", "--save-proof", "p"], "one artifact to prove something about, --record ID, or --head"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("student")
def test_options_that_do_not_fit_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    code, value = as_json(capsys, "verify", *arguments)
    assert code == 2
    assert value["error"]["expected"].startswith(expected)


@pytest.mark.usefixtures("student")
def test_a_copied_student_stands_by_itself_unless_a_home_is_named(
    key: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    code, value = as_json(capsys, "verify", "copied", "--key", key, "--save-head", "h.json")
    assert (code, value["problems"]) == (0, [])
    assert json.loads(Path("h.json").read_text()) == value["head"]
    code, value = as_json(capsys, "verify", "copied", "--home", str(workspace.home))
    assert code == 4
    assert "no event of this ledger records it" in value["problems"][0]


def test_a_stranger_cannot_steer_the_terminal(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (student / "\x1b[31mred\u202e").write_text("")
    assert run(["verify", "copied"]) == 4
    out = capsys.readouterr().out
    assert "problem: \ufffd[31mred\ufffd: no signed statement speaks of this file" in out


def test_rotate_introduces_the_key_into_the_workspace_at_hand(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old = KeyStore.default().signer().public
    code, value = as_json(capsys, "keys", "rotate")
    new = KeyStore.default().signer().public
    assert (code, value["old"], value["new"]) == (0, old.id, new.id)
    assert value["introduced"] == "bond/ledger.db"
    assert Path(value["kept"]).is_file()
    code, value = as_json(capsys, "verify", "--key", key)
    assert (code, value["head"]["key"]) == (0, new.id)


def test_rotate_without_a_workspace_introduces_later(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "rotate", "--home", "elsewhere"]) == 0
    assert "introduced into no ledger yet" in capsys.readouterr().out
    assert not Path("elsewhere").exists()
    assert run(["verify", "--key", key]) == 0


def test_rotate_without_a_key_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, value = as_json(capsys, "keys", "rotate")
    assert code == 2
    assert value["error"]["fix"] == (
        "inbond keys show makes one; if yours was lost, that is how a new one begins"
    )


def test_a_key_that_is_made_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "show"]) == 0
    assert "made just now; if you had one before" in capsys.readouterr().err
    assert run(["keys", "show"]) == 0
    assert "made just now" not in capsys.readouterr().err
