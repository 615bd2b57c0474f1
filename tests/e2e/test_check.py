"""``inbond check`` as a person runs it: exit codes, words, JSON, and what the ledger keeps."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from inbond.cli.main import run
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace, config_folder

DEMO = "hf:HuggingFaceTB/SmolLM2-135M-Instruct"
DOCS = Path(__file__).parents[2] / "docs" / "check.md"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(*options: str) -> int:
    return run(["check", *options])


def answer(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict]:
    code = check(*options, "--json")
    return code, json.loads(capsys.readouterr().out)


def events(home: str) -> list[tuple[str, dict]]:
    with Ledger.open(Workspace(Path(home)), KeyStore.default()) as ledger:
        return [(event.kind, dict(event.body)) for event in ledger.events()]


def test_the_demos_plan_is_permitted_with_obligations(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", DEMO)
    assert code == 0
    assert value["outcome"] == "permit-with-obligations"
    assert {reason["edge"] for reason in value["reasons"]} == {"weights", "outputs"}
    assert [due["kind"] for due in value["obligations"]] == [
        "licence-copy",
        "change-notice",
        "notice",
        "notice",
    ]
    assert value["missing"] == []
    assert list(Path().iterdir()) == []


def test_a_person_reads_outcome_reasons_and_duties(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--teacher", DEMO, "--name", "水-tiny", "--base", "none", "--release", "service") == 0
    text = capsys.readouterr().out
    assert text.startswith("PERMITTED\n")
    assert "Student   水-tiny, made from scratch" in text
    assert "Outputs   silent (Apache-2.0 s.1)" in text
    assert "Weights   no edge: the student starts from scratch" in text
    assert "What you must do" not in text
    assert text.endswith("Terms as read on 2026-11-21. A reading of published text, not legal advice.\n")
    assert check("--teacher", DEMO) == 0
    text = capsys.readouterr().out
    assert text.startswith("PERMITTED, WITH OBLIGATIONS\n")
    assert "What you must do\n  - Put a copy of the Apache License 2.0 beside the weights." in text
    assert max(map(len, text.splitlines())) <= 100


def test_an_unknown_teacher_is_a_persons_decision(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", "api:api.example.com/model-x")
    assert code == 3
    assert value["outcome"] == "review"
    assert {reason["edge"] for reason in value["reasons"]} == {"outputs"}
    assert any("the terms of api.example.com" in item for item in value["missing"])
    check("--teacher", "hf:someone/SmolLM2-135M-Instruct")
    text = capsys.readouterr().out
    assert text.startswith("A PERSON MUST DECIDE\n")
    assert "hf:someone/SmolLM2-135M-Instruct is not known" in text
    assert 'If you decide it yourself: --accept "who, and why"' in text
    assert list(Path().iterdir()) == []


def test_accepting_a_review_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--teacher", "hf:a/b", "--home", "home"]
    code, value = answer(capsys, *options, "--accept", "Counsel has read the licence. 法務確認済み")
    assert code == 0
    assert value["outcome"] == "review"
    assert value["accepted"]["reason"] == "Counsel has read the licence. 法務確認済み"
    kept = [(kind, body) for kind, body in events("home") if kind.startswith("gate.")]
    assert [kind for kind, _ in kept] == ["gate.decided", "gate.accepted"]
    assert kept[0][1]["verdict"]["outcome"] == "review"
    assert kept[0][1]["verdict"]["facts"] == kept[1][1]["facts"] == value["facts"]
    assert kept[1][1]["reason"] == value["accepted"]["reason"]


def test_an_acceptance_without_a_reason_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", "hf:a/b", "--home", "home", "--accept", " ")
    assert code == 2
    assert value["error"]["found"] == "an empty one"
    assert not Path("home").exists()


def test_a_permit_needs_no_acceptance(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", DEMO, "--home", "home", "--accept", "why not")
    assert code == 0
    assert "accepted" not in value
    assert not Path("home").exists()


def test_a_denial_cannot_be_accepted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from inbond.policy import library, terms

    text = (Path(terms.__file__).parent / "terms" / "mit.toml").read_text(encoding="utf-8")
    denied = re.sub(r'(\[outputs\]\nstance = )"silent"', r'\1"prohibited"', text).replace(
        '"MIT"', '"Apache-2.0"'
    )
    catalogue = terms.catalogue_of([("denied.toml", denied.encode())])
    known = library.shipped()
    monkeypatch.setattr(library, "shipped", lambda: library.Library(catalogue, known.models, known.hosts))
    assert check("--teacher", DEMO, "--home", "home", "--accept", "please") == 4
    out = capsys.readouterr().out
    assert out.startswith("DENIED\n")
    assert "A denial cannot be accepted away: it takes a written agreement" in out
    assert not Path("home").exists()


def test_files_on_this_disk_are_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    Path("model").mkdir()
    Path("model/README.md").write_text("---\nlicense: mit\n---\n")
    code, value = answer(capsys, "--teacher", "path:model", "--base", DEMO, "--data", "mine.jsonl=own")
    assert code == 0
    assert {reason["source"] for reason in value["reasons"]} == {
        "MIT",
        "Apache-2.0",
        "LicenseRef-inbond-own-work",
    }
    Path("model/README.md").write_text("---\nlicense: mit\nbase_model: nobody/Llama-3.1-8B\n---\n")
    code, value = answer(capsys, "--teacher", "path:model", "--base", "none")
    assert code == 3
    assert any("hf:nobody/Llama-3.1-8B" in item for item in value["missing"])


def test_the_hosts_file_names_a_hosts_terms(capsys: pytest.CaptureFixture[str]) -> None:
    folder = config_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.yaml").write_text("api.example.com:\n  terms: LicenseRef-example-api\n")
    code, value = answer(capsys, "--teacher", DEMO, "--channel", "API.example.com", "--base", "none")
    assert code == 3
    assert "api.example.com is under LicenseRef-example-api" in value["reasons"][1]["finding"]
    assert value["reasons"][1]["rule"] == "channel-terms"


@pytest.mark.parametrize(
    ("options", "found", "expected"),
    [
        (["--teacher", "SmolLM2"], "'SmolLM2'", "one of hf:org/name"),
        (["--teacher", DEMO, "--use", "fun"], "'fun'", "--use to be one of research, internal, commercial"),
        (["--teacher", DEMO, "--release", "all"], "'all'", "--release to be one of none, service, weights"),
        (["--teacher", DEMO, "--competes", "no!"], "'no!'", "--competes to be one of yes, no, unknown"),
        (["--teacher", DEMO, "--data", "x"], "'x'", "--data URI=LICENCE"),
        (["--teacher", DEMO, "--data", "=MIT"], "'=MIT'", "--data URI=LICENCE"),
        (["--teacher", DEMO, "--date", "21.11.2026"], "'21.11.2026'", "--date as YYYY-MM-DD"),
        (["--teacher", DEMO, "--base", "x"], "'x'", "one of hf:org/name"),
        (["--teacher", "path:nowhere"], "No such file or directory", "weights that can be read at nowhere"),
    ],
)
def test_mistakes_are_explained(
    capsys: pytest.CaptureFixture[str], options: list[str], found: str, expected: str
) -> None:
    code, value = answer(capsys, *options)
    assert code == 2
    assert found in value["error"]["found"]
    assert expected in value["error"]["expected"]
    assert value["error"]["fix"]


def test_the_documents_commands_print_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = DOCS.read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        command, _, printed = block.partition("\n")
        assert command.startswith("$ inbond check ")
        run(shlex.split(command.removeprefix("$ inbond ")))
        shown = capsys.readouterr().out
        for line in printed.splitlines():
            assert line.strip() in ("", "...") or line in shown, line
