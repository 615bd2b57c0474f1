"""``inbond run`` on preference pairs: the student learns to prefer, the trail tells whose words it learnt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Command
from tests.e2e.test_run import OTHERS, WORDS, Place
from tests.tiny import save_tiny

PROMPTS = [f"{a} and {b}" for a in WORDS for b in OTHERS]
PREFERENCES = {"source": "file", "file": "pairs.jsonl", "licence": "own", "most_length_ratio": None}
OFF = {name: {"action": "off"} for name in ("diversity", "generality", "capacity")}
TRAIN = {"epochs": 12, "lr": 0.005, "warmup_steps": 2, "batch": 8}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    save_tiny(tmp_path / "teacher", padding=5)
    monkeypatch.chdir(tmp_path)
    lines = [
        {"prompt": prompt, "chosen": "the sun gives light", "rejected": "a stone is a rock"}
        for prompt in PROMPTS
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return Place(tmp_path)


def facts(place: Place, artifact: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((place.run_folder / artifact / "manifest.json").read_bytes())["facts"]
    return value


def losses(place: Place) -> list[float]:
    return [point["loss"] for point in json.loads((place.run_folder / "trained" / "curve.json").read_bytes())]


@pytest.mark.slow
@pytest.mark.parametrize("changes", [
    {"kl": 0.0, "dpo": {"beta": 0.5}},
    {"kl": 0.5, "ce": 0.5, "dpo": {"beta": 0.5, "normalise": "average", "smoothing": 0.1}},
], ids=["alone", "mixed"])  # fmt: skip
def test_a_student_learns_to_prefer(place: Place, command: Command, changes: dict[str, Any]) -> None:
    place.write(preferences=PREFERENCES, gates=OFF, train={**TRAIN, **changes})
    result = command("run", "recipe.yaml", "--accept", "a test")
    assert result["outcome"] == "done"
    assert losses(place)[-1] < 0.7 * losses(place)[0]
    told = facts(place, "trained")["pairs"]
    held_out = facts(place, "data/held_out")["rows"]
    assert held_out > 0
    assert told["pairs"] == len(PROMPTS) - held_out, "a prompt that is measured on is not learnt from"
    assert told["chosen_longer"] in (0.0, 1.0)
    assert (place.run_folder / "reference" / "likelihoods-00000.safetensors").exists()
    assert "DPO with β=0.5" in (place.run_folder / "report.html").read_text(encoding="utf-8")
    assert command("verify", "run:tiny")["ok"]
    again = command("run", "recipe.yaml")
    assert again["artifacts"] == result["artifacts"]


def test_dpo_without_pairs_is_refused_before_anything_is_asked(place: Place, command: Command) -> None:
    place.write(train={**TRAIN, "dpo": {}})
    error = command("run", "recipe.yaml", code=2)["error"]
    assert "train.dpo learns from pairs: add the section preferences" in error["expected"]


@pytest.mark.slow
def test_a_pair_whose_sides_are_one_to_the_tokenizer_is_named(place: Place, command: Command) -> None:
    lines = [{"prompt": "a", "chosen": "same", "rejected": "same"}]
    (place.folder / "pairs.jsonl").write_text(json.dumps(lines[0]), encoding="utf-8")
    place.write(preferences=PREFERENCES, gates=OFF, train={**TRAIN, "kl": 0.0, "dpo": {}})
    error = command("run", "recipe.yaml", "--accept", "a test", code=2)["error"]
    assert "pairs.jsonl" in f"{error['expected']} {error['found']}"
