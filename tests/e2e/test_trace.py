"""Two real runs, one taught by the other and learning from its records; then traced and handed on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Command
from tests.e2e.test_kinds import OFF
from tests.e2e.test_run import Place
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow


def shares(found: dict[str, Any], id_: str) -> dict[str, Any]:
    (ancestor,) = [each for each in found["ancestors"] if each["id"] == id_]
    return {share["unit"]: share for share in ancestor["shares"] if share["of"] == "run:next"}


def test_a_chain_of_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "teacher")
    place = Place(tmp_path)
    brief = {
        "train": {"epochs": 1},
        "evaluate": {"samples": 0},
        "gates": {**OFF, "capacity": {"action": "off"}},
    }
    place.write(**brief)
    command("run", "recipe.yaml")
    learnt = "bond/runs/tiny/data/train/records.jsonl"
    recipe = yaml.safe_load(Path("recipe.yaml").read_text())
    changes = {"name": "next", "teacher": "run:tiny", "student": {"layers": 1, "probe": 2}}
    own = {"own_data": [{"file": learnt, "licence": "own"}], "prompts": {"file": learnt, "licence": "own"}}
    Path("next.yaml").write_text(yaml.safe_dump({**recipe, **changes, **own}))
    command("run", "next.yaml")

    found = command("trace", "run:next", "--from", "teacher")
    assert found["answer"]["sentence"].startswith(
        "Yes: run:next was made from the weights of path:teacher, through run:tiny"
    )
    mine, theirs = shares(found, "run:tiny"), shares(found, "path:teacher")
    for unit in ("records", "tokens"):
        assert theirs[unit]["touched"] == 1.0, "what run:tiny says descends from its teacher"
        assert 0 < mine[unit]["authored"] < 1
        assert mine[unit]["authored"] + theirs[unit]["authored"] == pytest.approx(1, abs=1e-5)
    relations = {edge["relation"] for edge in found["edges"]}
    assert {"pruned", "scored", "generated", "trained-on", "derived", "prompted"} <= relations
    assert command("trace", "run:next", "--from", "gpt-4o", code=3)["answer"]["outcome"] == "cannot-tell"
    assert command("verify")["ok"]

    shutil.copytree("bond/runs/next/student", "handed-on")
    command("import", "handed-on", "--name", "hf:me/renamed")
    assert command("trace", "hf:me/renamed", "--from", "teacher")["target"] == "run:next"
    command("import", "handed-on", "--name", "hf:me/renamed", "--home", "elsewhere")
    abroad = command("trace", "hf:me/renamed", "--from", "run:tiny", "--home", "elsewhere", code=3)
    assert abroad["answer"]["outcome"] == "cannot-tell"
    (model,) = [each["id"] for each in abroad["ancestors"] if each["kind"] == "model"]
    assert re.fullmatch("bom:[0-9a-f]{12}#run/tiny", model), "another workspace's run of that name"
    assert f"descends from {model}, and whether that is run:tiny is not said" in abroad["answer"]["sentence"]


def test_the_benchmark_runs_and_its_trace_is_right() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "trace.py"
    done = subprocess.run(
        [sys.executable, str(script), "--small"], capture_output=True, text=True, check=True
    )
    assert re.findall(r"^\| 1,000 \| (\d+) \| \d", done.stdout, re.M) == ["3", "12", "40", "100"]
