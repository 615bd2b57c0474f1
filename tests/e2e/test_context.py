"""Context distillation from the command line: the teacher sees the rules, the student does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from inbond.ledger import manifest, records
from tests.e2e.conftest import Command
from tests.e2e.test_stages import SHARED
from tests.tiny import save_tiny

WORDS = ["river", "stone", "garden", "winter", "pencil", "market", "bridge", "silver", "sun", "rock"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "teacher")
    return tmp_path


def write(here: Path, **changes: Any) -> None:
    prompts = {"items": [f"what is a {a}" for a in WORDS], "context": "the sun gives light"}
    recipe = {
        **SHARED, "name": "ruled", "prompts": prompts, "train": {"epochs": 30, "lr": 0.003},
        "student": {"init": "model", "base": "path:teacher"},
    }  # fmt: skip
    (here / "r.yaml").write_text(yaml.safe_dump({**recipe, **changes}))


def test_the_student_comes_nearer_to_the_teacher_in_its_context(here: Path, command: Command) -> None:
    write(here)
    result = command("run", "r.yaml")
    assert result["metrics"]["kl_before"] > 0.01  # the same weights, but without the context
    assert result["metrics"]["kl_after"] < 0.9 * result["metrics"]["kl_before"]
    run = here / "bond/runs/ruled"
    assert "sun gives light" not in (run / "data/train/records.jsonl").read_text()
    assert all(row.record.prompt[0].role == "user" for row in records.read_rows(run / "data/train"))  # type: ignore[union-attr]
    answers = manifest.read(run / "data/answers")
    assert answers is not None
    assert answers.identity.config["context"].startswith("sha256:")
    page = (run / "report.html").read_text()
    assert "sun gives light" not in page
    assert "the student never saw" in page.replace("\n", " ") or "student never saw" in page
    found = command("trace", "run:ruled")
    assert "data:context of run:ruled" in {each["id"] for each in found["ancestors"]}
    assert command("verify")["ok"] is True
    again = command("run", "r.yaml")
    assert again["artifacts"] == result["artifacts"]
    write(here, prompts={"items": [f"what is a {a}" for a in WORDS], "context": "a stone is rock"})
    assert command("run", "r.yaml")["artifacts"]["generate"] != result["artifacts"]["generate"]
