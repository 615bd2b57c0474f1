"""``inbond run`` with every kind of targets, objective and adapter, and with what must not be learnt from.

The command line runs in this process, so that torch is loaded once.
"""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.e2e.conftest import Command
from tests.e2e.test_run import Place
from tests.tiny import save_tiny

OFF = {"diversity": {"action": "off"}, "generality": {"action": "off"}}
GATES = {**OFF, "capacity": {"points": 3, "records": 10}}
TRAIN = {"epochs": 8, "lr": 0.005, "warmup_steps": 2}
FAIR = {"max_tokens": 8, "temperature": 1.0, "top_p": 1.0, "max_failed": 0.5}
"""Text that is drawn as the teacher says, so that learning it is learning the teacher."""
LORA = {"rank": 8, "targets": ["q_proj", "down_proj"]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A teacher, and a smaller model that could be its student."""
    save_tiny(tmp_path / "teacher", padding=5)
    save_tiny(tmp_path / "small", layers=1, padding=3, seed=4)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def page_of(place: Place) -> str:
    return html.unescape((place.run_folder / "report.html").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Kind:
    """A recipe's parts, and what the report says and does not say then."""

    changes: dict[str, Any]
    said: tuple[str, ...]
    unsaid: tuple[str, ...] = ()


def _from(base: str, **train: Any) -> dict[str, Any]:
    return {"student": {"init": "model", "base": base}, "train": {**TRAIN, **train}}


KINDS = {
    "sampled": Kind(
        {"capture": {"targets": "sampled", "draws": 10, "shard": 8}},
        ("10 tokens a place, a fair sample", " tokens, 10 sampled a token", "pruned from"),
        ("top 16", "top 10"),
    ),
    "online": Kind(
        {"capture": {"targets": "online", "k": 100_000}},
        ("the teacher's whole distribution, asked while training", "training loss"),
        ("teacher targets", "top 100"),
    ),
    "lora on a smaller model": Kind(
        _from("path:small", lora=LORA),
        ("LoRA of rank 8, alpha 32, on q_proj, down_proj", "started from, LoRA merged in", "top 16"),
        ("pruned",),
    ),
    "temperature": Kind(
        {"train": {**TRAIN, "temperature": 2, "temperature_scale": "squared"}},
        ("divergences at temperature 2 (divergences × T²)",),
        ("training loss",),
    ),
    "mixture": Kind(
        _from("path:small", kl=0.5, jsd=0.3, ce=0.2),
        ("0.5 × KL(teacher ‖ student) + 0.3 × JSD with β=0.5", "0.2 × cross-entropy on the text"),
        ("training loss",),
    ),
    "text alone": Kind(
        _from("path:small", kl=0, ce=1, lr=0.001, epochs=4, batch=8) | {"generate": FAIR},
        ("none: the teacher's text alone", "cross-entropy on the text", "started from"),
        ("training loss", "teacher targets"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_run_learns_tells_and_is_found_again(
    place: Place, command: Command, kind: Kind
) -> None:
    place.write(**{"train": TRAIN, "gates": GATES, **kind.changes})
    done = command("run", "recipe.yaml")
    assert done["metrics"]["kl_after"] < 0.98 * done["metrics"]["kl_before"]
    page = page_of(place)
    for text in kind.said:
        assert text in page, text
    for text in kind.unsaid:
        assert text not in page, text
    assert "of labels in the median step" in page
    _check_pruned(place)
    _check_curve(place)

    before = command("verify")
    assert command("run", "recipe.yaml") == done
    after = command("verify")
    assert after["ok"]
    assert after["checked"] == before["checked"], "the second run made nothing"
    _loads(place)


@pytest.mark.slow
def test_an_adapter_on_the_teacher_itself_prunes_nothing(place: Place, command: Command) -> None:
    """What begins as its teacher is no distance off, and training does not take it away."""
    place.write(gates=OFF, **_from("path:teacher", lora={"rank": 4}))
    done = command("run", "recipe.yaml")
    assert done["metrics"]["kl_before"] == pytest.approx(0, abs=1e-5)
    assert done["metrics"]["kl_after"] < 0.05
    page, card = page_of(place), (place.run_folder / "student" / "README.md").read_text()
    assert "started from, LoRA merged in" in page
    assert "pruned" not in page
    assert "- Learnt by: LoRA of rank 4, alpha 32, on all linear layers; merged into the weights" in card
    assert "pruned" not in card
    _loads(place)


def _check_pruned(place: Place) -> None:
    from huggingface_hub import ModelCard

    data = ModelCard.load(place.run_folder / "student" / "README.md").data.to_dict()
    start = json.loads((place.run_folder / "start" / "start.json").read_text())["init"]
    assert ("pruned" in data["tags"]) == (start == "prune")


def _check_curve(place: Place) -> None:
    """The report has as many points of held-out KL as were measured."""
    from inbond.ledger import manifest
    from inbond.recipes.learnt import curves
    from inbond.recipes.trail import Artifact

    folder = place.run_folder / "trained"
    found = manifest.read(folder)
    assert found is not None
    drawn = curves(Artifact("train", folder, found, "found"))
    known = [point.held_out_kl for point in drawn if point.held_out_kl is not None]
    assert len(known) == 1 + GATES["capacity"]["points"]
    assert known[-1] < known[0]


def _loads(place: Place) -> None:
    """In plain transformers, with no adapter left over."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = place.run_folder / "student"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert not [name for name, _ in model.named_parameters() if "lora" in name]
    ids = tokenizer("a river", return_tensors="pt")
    assert model.generate(**ids, max_new_tokens=3).shape[1] > ids["input_ids"].shape[1]


def test_an_adapter_for_a_layer_that_is_not_there_is_refused_before_a_question(
    place: Place, command: Command
) -> None:
    place.write(gates=OFF, train={"lora": {"targets": ["q_proj", "query"]}})
    error = command("run", "recipe.yaml", code=2)["error"]
    assert error["found"] == "train.lora.targets with 'query'"
    assert "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in error["expected"]
    assert "correct train.lora.targets" in error["fix"]
    assert not (place.folder / "bond" / "journal.db").exists()
    assert command("verify")["ok"]
    command("run", "recipe.yaml", "--set", "train.lora.targets=['q_proj']", "--set", "train.epochs=1")


def test_a_learning_rate_that_diverges_stops_and_keeps_the_last_good_checkpoint(
    place: Place, command: Command
) -> None:
    """The rate climbs for so long that something is learnt before all is lost."""
    wild = {"epochs": 40, "lr": 100.0, "warmup_steps": 4000, "checkpoint_seconds": 1e-9}
    place.write(gates=GATES, train=wild)
    error = command("run", "recipe.yaml", code=2)["error"]
    assert error["expected"] == "a loss that stays finite and falls"
    assert error["found"].endswith("with a learning rate of 100")
    assert error["fix"].startswith("set train.lr lower; the checkpoint of step ")
    kept = sorted(path.name for path in (place.run_folder / "work" / "checkpoints").iterdir())
    assert [name.removeprefix("step-").lstrip("0") for name in kept] == [error["fix"].split()[7]]
    assert not (place.run_folder / "trained" / "manifest.json").exists()
    assert command("verify")["ok"]
    asked = (place.run_folder / "data" / "answers" / "manifest.json").stat().st_mtime_ns
    place.write(gates=GATES, train=TRAIN)
    assert command("run", "recipe.yaml")["outcome"] == "done"
    assert (place.run_folder / "data" / "answers" / "manifest.json").stat().st_mtime_ns == asked
    assert command("verify")["ok"]


def test_a_teacher_with_a_broken_weight_is_refused_and_named(place: Place, command: Command) -> None:
    path, name = place.folder / "teacher" / "model.safetensors", "model.layers.2.mlp.up_proj.weight"
    tensors = load_file(path)
    whole = path.read_bytes()
    tensors[name][3, 5] = torch.nan
    save_file(tensors, path, {"format": "pt"})
    place.write(gates=OFF)
    error = command("run", "recipe.yaml", code=2)["error"]
    assert f"NaN or infinity in {name}" in error["found"]
    assert error["fix"]
    assert not (place.run_folder / "data" / "answers" / "manifest.json").exists()
    assert command("verify")["ok"]
    path.write_bytes(whole)
    assert command("run", "recipe.yaml", "--set", "train.epochs=1")["outcome"] == "done"


@pytest.fixture
def captured(place: Place, command: Command) -> Place:
    """A run of which training is still to be done: its targets lie there."""
    place.write(gates=OFF, train={"epochs": 1})
    command("run", "recipe.yaml")
    shutil.rmtree(place.run_folder / "trained")
    return place


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda data: data[: len(data) // 2], "one that is cut short"),
        (lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:], "one that is "),
        (lambda _: b"", "one that is cut short"),
    ],
    ids=["truncated", "a bit flipped", "empty"],
)
def test_a_damaged_target_shard_is_refused_and_made_again(
    captured: Place, command: Command, spoil: Callable[[bytes], bytes], found: str
) -> None:
    shard = captured.run_folder / "targets" / "targets-00001.shard"
    shard.write_bytes(spoil(shard.read_bytes()))
    error = command("run", "recipe.yaml", code=4)["error"]
    assert str(shard.name) in error["expected"]
    assert found in error["found"]
    _made_again(captured, command, error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"teacher": "path:other"}, "another teacher"),
        ({"capture": {"k": 8, "shard": 8}}, "keeps something else"),
    ],
    ids=["teacher", "k"],
)
def test_a_shard_of_another_run_is_refused_and_made_again(
    captured: Place, command: Command, other: dict[str, Any], found: str
) -> None:
    save_tiny(captured.folder / "other", padding=5, seed=9)
    captured.write(name="foreign", gates=OFF, train={"epochs": 1}, **other)
    command("run", "recipe.yaml")
    foreign = captured.run_folder.with_name("foreign") / "targets" / "targets-00001.shard"
    shutil.copyfile(foreign, captured.run_folder / "targets" / foreign.name)
    captured.write(gates=OFF, train={"epochs": 1})
    error = command("run", "recipe.yaml", code=2)["error"]
    assert f"a target shard {'of ' if 'teacher' in found else 'that '}{found}" in error["found"]
    _made_again(captured, command, error)


def _made_again(place: Place, command: Command, error: dict[str, Any]) -> None:
    """As the error says, and without a second question."""
    problems = command("verify", code=4)["problems"]
    assert any("targets-00001.shard" in problem for problem in problems), problems
    assert "remove the targets folder and run the recipe again" in error["fix"]
    asked = (place.run_folder / "data" / "answers" / "manifest.json").stat().st_mtime_ns
    shutil.rmtree(place.run_folder / "targets")
    assert command("run", "recipe.yaml")["outcome"] == "done"
    assert (place.run_folder / "data" / "answers" / "manifest.json").stat().st_mtime_ns == asked
    assert command("verify")["ok"]
