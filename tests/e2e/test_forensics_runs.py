"""Tests of who learnt a run's records, through the command, on a run made for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Command
from tests.e2e.test_kinds import OFF
from tests.e2e.test_run import Place
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow

LEARNT = ("training-order", "dataset-inference", "non-membership", "degree")


def test_a_runs_own_student_is_tested_by_its_order_and_its_lots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "teacher")
    save_tiny(tmp_path / "other", seed=5)
    Place(tmp_path).write(
        generate={"max_tokens": 8, "temperature": 1.5, "top_p": 1.0, "max_failed": 0.5},
        train={"epochs": 2, "batch": 4},
        evaluate={"samples": 0},
        gates={**OFF, "capacity": {"action": "off"}},
    )
    command("run", "recipe.yaml")
    given = ("forensics", "test", "run:tiny", "--records", "run:tiny", "--reference", "path:other")
    found = command(*given, code=3)
    named = {each["test"]: each for each in found["findings"]}
    assert set(named) == set(LEARNT)
    assert not [each for each in found["not_tested"] if each["asked"]]
    for name in LEARNT[:3]:
        assert named[name]["verdict"]["outcome"] == "cannot-tell", "a tiny run shows too little"
        assert named[name]["needed"] > named[name]["size"]
        assert 0 < named[name]["p"] <= 1
        assert named[name]["about"]["kind"] == "records"
    assert named["non-membership"]["about"]["absent"] == "yes"
    assert named["degree"]["p"] is None

    alone = only(command(*given, "--only", "training order", code=3))
    assert alone["test"] == "training-order"
    assert alone["p"] == named["training-order"]["p"], "seeded: the same again"
    assert alone["needed"] < named["training-order"]["needed"], "of several tests each must see more"
    looser = only(command(*given, "--only", "training order", "--alpha", "0.01", code=3))
    assert looser["needed"] < alone["needed"]

    stranger = command(*given[:2], "path:other", *given[3:5], "--only", "training order", code=3)
    assert only(stranger)["p"] > 1e-5, "it saw nothing of the run"
    traced = command("trace", "run:tiny")
    assert {each["test"] for each in traced["findings"]} == set(LEARNT)
    assert traced["contradictions"] == []


def only(found: dict[str, Any]) -> dict[str, Any]:
    (one,) = found["findings"]
    return dict(one)
