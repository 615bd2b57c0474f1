"""A real run, and a report that is made by hand: findings beside its trace, and what they may not do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from inbond.ledger import manifest, pins
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace
from tests.e2e.conftest import Command
from tests.e2e.test_kinds import OFF
from tests.e2e.test_run import Place
from tests.forensic_reports import MARK, file, finding
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow


def test_findings_stand_beside_a_real_runs_lineage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "teacher")
    gates = {**OFF, "capacity": {"action": "off"}}
    Place(tmp_path).write(train={"epochs": 1}, evaluate={"samples": 0}, gates=gates)
    command("run", "recipe.yaml")
    plain = command("trace", "run:tiny", "--from", "teacher")
    command("export", "cyclonedx", "run:tiny", "--output", "before.json")
    run = Path("bond/runs/tiny")
    student, data = manifest.read(run / "student"), manifest.read(run / "data/train")
    held_out = manifest.read(run / "data/held_out")
    assert student is not None
    assert data is not None
    assert held_out is not None
    about = [
        finding({"kind": "records", "name": "its records", "id": data.id}, test="training-order"),
        finding({"kind": "model", "name": "path:teacher"}, test="weight-derivation"),
        finding({"kind": "records", "name": "held out", "id": held_out.id}, test="dataset-inference"),
        finding({"kind": "records", "id": data.id, "absent": "yes"}, test="non-membership"),
        finding(MARK),
    ]
    with Ledger.open(Workspace(Path("bond")), KeyStore.default()) as ledger:
        file(ledger, "path:a/copy", *about, digest=str(pins.pin(student.files)))

    found = command("trace", "run:tiny", "--from", "teacher", "--page", "tiny.html")
    del found["page"]
    new = {name: found.pop(name) for name in ("findings", "contradictions", "findings_notes")}
    assert found == {name: value for name, value in plain.items() if name not in new}
    stands = {each["test"]: (each["stands"], each["known_by"]) for each in new["findings"]}
    assert stands == {
        "training-order": ("agrees", "digest"),
        "weight-derivation": ("agrees", "digest"),
        "dataset-inference": ("unexplained", "digest"),
        "non-membership": ("does-not-show", "digest"),
        "radioactivity": ("cannot-be-held", "digest"),
    }
    assert new["findings"][0]["test"] == "dataset-inference", "what is flagged comes first"
    assert [each["finding"] for each in new["contradictions"]] == [0]
    assert "not explained by the lineage" in Path("tiny.html").read_text("utf-8")
    assert command("verify")["ok"]
    command("export", "cyclonedx", "run:tiny", "--output", "after.json")
    assert Path("after.json").read_bytes() == Path("before.json").read_bytes()

    shutil.copytree(run / "student", "handed-on")
    command("import", "handed-on", "--name", "hf:me/renamed")
    assert command("trace", "handed-on")["findings"] == command("trace", "run:tiny")["findings"]
