"""``inbond verify`` on what stands by itself, and ``inbond keys rotate``: output, JSON, exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from inbond.cli.main import run
from inbond.digest import of_bytes, of_file
from inbond.errors import NewerFormatError, UnwritableError
from inbond.ledger import events, manifest, membership
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.store import Build
from inbond.workspace import Workspace
from tests.ledger_samples import ROWS, completed, make_workspace
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


def test_a_copied_student_stands_by_itself_wherever_it_lies(
    student: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ledger that came along, in the folder or around it, neither speaks for it nor names a server."""
    (student / "model.safetensors").write_bytes(b"swapped")
    around = student.parent / "archive"
    around.mkdir()
    student = student.rename(around / "copied")
    value = {"format": "inbond.membership/1", "ledger": "postgresql://127.0.0.1:1/x", "workspace": "0" * 16}
    (around / "ledger.json").write_text(json.dumps({**value, "position": 1, "digest": of_bytes(b"")}))
    code, found = as_json(capsys, "verify", "archive/copied", "--key", key)
    assert code == 4
    assert found["problems"][0].startswith("model.safetensors: it was changed; the signed statement")
    shutil.copy("bond/ledger.db", student / "ledger.db")
    code, found = as_json(capsys, "verify", "archive/copied", "--key", key)
    assert code == 4
    assert found["problems"][1:] == ["ledger.db: no signed statement speaks of this file"]


def test_a_student_without_its_statements_is_not_ok_under_a_key(
    student: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (student / "attestation.jsonl").unlink()
    (student / "model.safetensors").write_bytes(b"swapped")
    SqliteStore.open(student / "ledger.db").close()
    assert as_json(capsys, "verify", "copied", "--key", key)[0] == 4  # by the user's own ledger
    assert as_json(capsys, "verify", "copied", "--key", key, "--home", "none")[0] == 2
    Path("bond").rename("away")
    code, value = as_json(capsys, "verify", "copied", "--key", key)
    assert code == 2
    assert value["error"]["found"] == "neither: no such file, and no ledger in bond"


def test_a_student_of_ones_own_workspace_is_checked_by_its_ledger(
    key: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = workspace.run("demo") / "student"
    attest(folder, workspace, KeyStore.default())
    code, value = as_json(capsys, "verify", "bond/runs/demo/student", "--key", key)
    assert code == 4
    assert value["problems"][0].startswith("runs/demo/student/manifest.json: it was changed; event 3")


def test_a_proof_and_a_folder_are_tied_together(
    workspace: Workspace, student: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = workspace.run("demo") / "student"
    (target / "attestation.jsonl").write_bytes((student / "attestation.jsonl").read_bytes())
    (target / "manifest.json").write_bytes((student / "manifest.json").read_bytes())
    made = manifest.read(student)
    assert made is not None
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        claim = {"attestation": of_file(student / "attestation.jsonl")}
        ledger.record("stage.completed", {**completed("student", made), **claim})
    assert run(["verify", str(target), "--save-proof", "p.json"]) == 0
    code, value = as_json(capsys, "verify", "copied", "--key", key, "--proof", "p.json")
    assert (code, value["problems"]) == (0, [])
    assert f"artifact None, manifest {made.digest}" in value["proved"][0]
    assert f"manifest {made.digest}" in value["proved"][3]
    assert value["proved"][-1] == "what the proof is about is this very folder, manifest and files"
    assert run(["verify", "bond/runs/demo/data", "--save-proof", "other.json"]) == 0
    code, value = as_json(capsys, "verify", "copied", "--key", key, "--proof", "other.json")
    assert code == 4
    assert value["problems"][0].startswith(
        "the proof is about another artifact: one with the manifest sha256:"
    )
    code, value = as_json(capsys, "verify", "run:demo", "--proof", "p.json")
    assert (code, value["error"]["found"]) == (2, "another target")
    code, value = as_json(capsys, "verify", "copied", "--proof", key)
    assert (code, value["error"]["found"]) == (2, "key.pem, which is none")


def test_a_proof_is_known_by_what_is_in_it(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "run:demo/student", "--save-proof", "proof"]) == 0
    assert as_json(capsys, "verify", "proof", "--key", key)[0] == 0
    value = json.loads(Path("proof").read_text())
    Path("proof").write_text(json.dumps({**value, "format": "inbond.proof/2", "more": 1}))
    code, found = as_json(capsys, "verify", "proof", "--key", key)
    assert (code, found["error"]["fix"]) == (2, "pip install --upgrade inbond")


@pytest.mark.parametrize("option", ["--save-head", "--save-proof"])
@pytest.mark.parametrize(
    ("target", "place", "found"),
    [
        ("run:demo/student", "bond/ledger.db", "bond/ledger.db, which is in bond"),
        ("run:demo/student", "bond/new.json", "bond/new.json, which is in bond"),
        ("copied", "copied/model.safetensors", "copied/model.safetensors, which lies in "),
        ("copied", "copied/new.json", "copied/new.json, which lies in "),
        ("p.json", "p.json", "p.json, which is "),
        ("copied", "key.pem", "key.pem, which is key.pem"),
        ("run:demo/student", "copied", "copied, which is a folder"),
    ],
)
@pytest.mark.usefixtures("student")
def test_what_is_verified_is_not_written_over(
    key: str, capsys: pytest.CaptureFixture[str], option: str, target: str, place: str, found: str
) -> None:
    assert run(["verify", "run:demo/student", "--save-proof", "p.json"]) == 0
    before = Path(place).read_bytes() if Path(place).is_file() else None
    code, value = as_json(capsys, "verify", target, "--key", key, option, place)
    assert code == 2
    assert value["error"]["found"].startswith(found)
    assert (Path(place).read_bytes() if Path(place).is_file() else None) == before


def test_a_workspace_elsewhere_is_not_written_into(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_workspace(tmp_path / "other", KeyStore.default())
    target = str(other.run("demo") / "student")
    code, value = as_json(capsys, "verify", target, "--save-head", "other/ledger.db")
    assert (code, value["error"]["found"]) == (2, f"other/ledger.db, which is in {other.home}")
    assert membership.begun(workspace)


def test_a_key_that_cannot_be_used_stops_nobody(
    key: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = KeyStore.default().rotate().kept
    assert run(["keys", "rotate"]) == 0
    kept.chmod(0o644)
    code, value = as_json(capsys, "verify", "--key", key)
    assert (code, len(value["notes"])) == (0, 1)
    assert value["head"]["signature"]
    private = KeyStore.default().folder / "signing.pem"
    for path in private.parent.glob("*.pem"):
        path.chmod(0o644)
    code, value = as_json(capsys, "verify", "--key", key)
    assert (code, value["head"]["signature"]) == (0, None)
    assert value["notes"][1].startswith(
        f"today's head is not signed: expected a signing key at {private} that only its owner can read; "
        f"found mode 0644; chmod 600 {private}"
    )
    assert membership.begun(workspace)


def test_paths_that_cannot_be_looked_up_exit_2(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("loop").symlink_to("loop")
    for arguments in (
        ["x" * 300],
        ["loop"],
        ["--home", "x" * 300],
        ["--save-head", "loop"],
        ["--key", "loop"],
    ):
        code, value = as_json(capsys, "verify", *arguments)
        assert (code, set(value["error"])) == (2, {"expected", "found", "fix"})
    assert key


def test_a_strangers_workspace_cannot_steer_the_terminal_either(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.run("demo") / "student" / "\x1b[2Jx\nok: nothing was changed\u202e\x9b").write_text("")
    assert run(["verify"]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "not ok: 1 problem(s)"
    assert lines[1] == (
        "problem: runs/demo/student/\ufffd[2Jx ok: nothing was changed\ufffd\ufffd: the manifest does not "
        "list this file"
    )
    assert run(["verify", "--json"]) == 4
    out = capsys.readouterr().out
    assert out.rstrip("\n").isprintable()
    assert "\x1b[2Jx\nok: nothing was changed\u202e\x9b" in json.loads(out)["problems"][0]


def test_letters_of_any_script_are_shown_as_they_are(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "\u5168\u3000\u89d2\u00a0x\u200dy"  # with an ideographic space
    (workspace.home / name).write_text("")
    assert run(["verify"]) == 0
    assert f"note: {name}: no event speaks of it" in capsys.readouterr().out
    assert run(["verify", "--json"]) == 0
    assert name in capsys.readouterr().out


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "\x1b[2J\x9bx\nfound: all well\u202e"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert "\ufffd[2J\ufffdx found: all well\ufffd: no such path" in lines[1]


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


def test_a_change_that_a_ledger_missed_is_told_to_it_and_not_made_again(
    key: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    old = KeyStore.default().signer().public
    changed = KeyStore.default().rotate()
    code, value = as_json(capsys, "keys", "rotate")
    assert (code, value["old"], value["new"], value["changed"]) == (0, old.id, changed.new.id, False)
    assert (value["introduced"], value["kept"]) == ("bond/ledger.db", str(changed.kept))
    assert KeyStore.default().signer().public == changed.new
    KeyStore.default().rotate()
    assert run(["keys", "rotate"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"no new key; the one in use: {KeyStore.default().signer().public.id}"
    assert lines[-1] == "run the same again to change the key once more"
    code, value = as_json(capsys, "keys", "rotate")
    assert (code, value["changed"]) == (0, True)
    assert run(["verify", "--key", key]) == 0
    assert membership.begun(workspace)


@pytest.mark.parametrize("how", ["unreachable", "read-only", "newer"])
def test_no_key_changes_where_the_ledger_cannot_take_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    before = KeyStore.default().public_keys()
    if how == "unreachable":
        workspace.ledger.unlink()
        member = membership.Membership("postgresql://127.0.0.1:1/team", "0" * 16, 1, of_bytes(b""))
        membership.write(workspace, member)
        monkeypatch.setenv("INBOND_LEDGER", "postgresql://127.0.0.1:1/team")
    elif how == "read-only":
        refused = UnwritableError(expected="room", found="none", fix="free some")
        monkeypatch.setattr(SqliteStore, "append", Mock(side_effect=refused))
    else:
        refused = NewerFormatError(expected="an event", found="format inbond.event/2", fix="upgrade")
        monkeypatch.setattr(events, "decode", Mock(side_effect=refused))
    code, value = as_json(capsys, "keys", "rotate")
    assert code == 2
    assert "the key was changed" not in value["error"]["found"]
    assert KeyStore.default().public_keys() == before
    assert KeyStore.default().retired() == ()


def test_a_change_that_could_not_be_recorded_says_both_keys_and_is_ended_by_the_same_command(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = KeyStore.default().signer().public
    real, calls = SqliteStore.append, []

    def append(store: SqliteStore, build: Build) -> object:
        calls.append(build)
        if len(calls) > 1:  # the disk fills up after the look at it
            raise UnwritableError(expected="free space on the disk", found="disk full", fix="free some space")
        return real(store, build)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "append", append)
        code, value = as_json(capsys, "keys", "rotate")
    changed = KeyStore.default().last_rotation()
    assert changed is not None
    assert (code, value["error"]) == (
        2,
        {
            "expected": "free space on the disk",
            "found": f"disk full; the key was changed before that: {changed.new.id} took over from {old.id}, "
            f"which is kept in {changed.kept}",
            "fix": "free some space; then run the same again, which introduces the new key and makes no "
            "other",
        },
    )
    code, value = as_json(capsys, "keys", "rotate")
    assert (code, value["new"], value["introduced"]) == (0, changed.new.id, "bond/ledger.db")
    assert run(["verify", "--key", key]) == 0


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
