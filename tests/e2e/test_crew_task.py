"""Whatever a student is taught, the processes of a crew open the same bench as the run, from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inbond.digest import Digest, of_file
from inbond.recipes import crew, training
from inbond.recipes.accelerated import Accelerated
from inbond.recipes.crew_task import Task
from inbond.recipes.learning import Bench
from inbond.recipes.trail import Made
from inbond.recipes.training import Ground
from inbond.recipes.watch import Silent
from tests.e2e.conftest import Command
from tests.tiny import make_model, make_tokenizer, save_tiny

WORDS = ("river", "stone", "sun", "川", "sea", "rock")
SMALL: dict[str, Any] = {
    "name": "tiny", "teacher": "path:teacher",
    "prompts": {"items": [f"define the word {word}" for word in WORDS]},
    "generate": {"max_tokens": 8, "samples": 3}, "held_out": 0.3,
    "filters": {"truncated": False, "near_duplicates": None},
    "capture": {"k": 16}, "student": {"layers": 2, "probe": 2},
    "train": {"epochs": 1, "warmup_steps": 1, "batch": 3},
    "gates": {"capacity": {"points": 1}, "diversity": {"action": "off"}, "generality": {"action": "off"}},
    "evaluate": {"samples": 0},
}  # fmt: skip
OTHER = {"items": [f"say {word}" for word in WORDS]}
KINDS: dict[str, dict[str, Any]] = {
    "context": {"prompts": {**SMALL["prompts"], "context_file": "context.txt"}},
    "mixture": {"teachers": [{"teacher": "path:second", "prompts": OTHER, "weight": 0.5}]},
    "narrow": {"student": {"layers": 2, "probe": 2, "vocabulary": "occurring"}},
    "online": {"capture": {"targets": "online"}},
    "adapters": {"train": {**SMALL["train"], "lora": {"rank": 4}}},
    "own answers": {"on_policy": {"share": 0.8, "cold_start": 0.25, "max_tokens": 6}},
    "pairs": {
        "preferences": {"source": "file", "file": "pairs.jsonl"},
        "train": {**SMALL["train"], "kl": 0.5, "dpo": {"beta": 0.5}},
    },
    "across": {
        "capture": {"targets": "aligned", "k": 16},
        "student": {"init": "model", "base": "path:foreign"},
        "train": {**SMALL["train"], "likelihood": 0.5},
    },
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with models, pairs, a context and a configuration; a crew is one process, and this one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("inbond.evaluate.speed.peak_memory", lambda folders, _: [0] * len(folders))
    monkeypatch.setattr("inbond.evaluate.speed.decode_speeds", lambda models, _: [1.0] * len(models))
    monkeypatch.setattr(crew, "train", handed_over)
    save_tiny(tmp_path / "teacher")
    save_tiny(tmp_path / "second", seed=1)
    tokenizer = make_tokenizer(275)
    make_model(len(tokenizer), layers=2, seed=4).save_pretrained(tmp_path / "foreign")
    tokenizer.save_pretrained(tmp_path / "foreign")
    (tmp_path / "foreign" / "README.md").write_text("---\nlicense: apache-2.0\n---\n", "utf-8")
    (tmp_path / "context.txt").write_text("the sun gives light", "utf-8")
    pairs = [
        {"prompt": word, "chosen": "the sun gives light", "rejected": "a stone is a rock"} for word in WORDS
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)), "utf-8")
    (tmp_path / "one.yaml").write_text("distributed_type: 'NO'\nuse_cpu: true\n", "utf-8")
    return tmp_path


def handed_over(bench: Bench, how: Accelerated, ground: Ground, run: Digest, folder: Path) -> Made:
    """As a crew trains, but here."""
    bench.close()
    place = bench.trail.work / "crew"
    place.mkdir(parents=True)
    Task.of(bench, how, ground, run).write(place)
    task = Task.read(place)
    assert (task.run, task.accelerated) == (run, how)
    opened, found = task.open(Silent())
    assert opened is not bench
    made = training.train(opened, found, task.run, folder)
    return Made({**made.facts, "handed over": True})


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_student_is_the_same_bytes_from_a_task(kind: str, here: Path, command: Command) -> None:
    (here / "recipe.json").write_text(json.dumps({**SMALL, **KINDS[kind]}), "utf-8")
    made = {}
    for home, more in {"one": [], "two": ["--accelerate", "one.yaml"]}.items():
        command("run", "recipe.json", "--home", home, "--accept", "a test", *more)
        folder = here / home / "runs" / "tiny" / "trained"
        manifest = json.loads((folder / "manifest.json").read_bytes())
        assert manifest["facts"].pop("handed over", False) == (home == "two")
        timed = ("seconds", "training_seconds")
        facts = {name: fact for name, fact in manifest["facts"].items() if name not in timed}
        files = {path.name: of_file(path) for path in folder.iterdir()}
        made[home] = manifest["id"], facts, {**files, "manifest.json": "", "curve.json": ""}
    assert made["one"] == made["two"]
