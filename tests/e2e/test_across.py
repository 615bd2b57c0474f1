"""``inbond run`` with a student of another vocabulary than its teacher's."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Command
from tests.e2e.test_run import Place
from tests.tiny import make_model, make_tokenizer, save_tiny

ACROSS: dict[str, Any] = {
    "capture": {"targets": "aligned", "k": 16, "shard": 8},
    "student": {"init": "model", "base": "path:other"},
    "train": {"epochs": 6, "lr": 0.005, "warmup_steps": 2, "likelihood": 0.5},
    "generate": {"max_tokens": 8, "temperature": 1.0, "top_p": 1.0, "max_failed": 0.5},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A teacher, and a smaller model whose tokens are others."""
    save_tiny(tmp_path / "teacher")
    tokenizer = make_tokenizer(275)
    make_model(len(tokenizer), layers=2, seed=4).save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


@pytest.mark.slow
def test_a_student_of_another_vocabulary_learns_and_says_how_it_was_measured(
    place: Place, command: Command
) -> None:
    (place.folder / "teacher" / "README.md").write_text("---\nlicense: gemma\n---\n")
    (place.folder / "teacher" / "LICENSE.html").write_text("terms")
    place.write(**ACROSS)
    done = command("run", "recipe.yaml")
    assert done["verdict"] == "permit-with-obligations"
    assert (place.run_folder / "student" / "TEACHER-LICENSE.html").read_text() == "terms"
    metrics = done["metrics"]
    assert metrics["bits_per_byte_after"] < 0.98 * metrics["bits_per_byte_before"]
    assert metrics["bits_per_byte_teacher"] < metrics["bits_per_byte_before"]
    assert metrics["kl_after"] is None
    assert {gate["outcome"] for gate in done["gates"].values()} == {"cannot-tell"}
    assert "different vocabularies" in done["gates"]["diversity"]["line"]
    page = html.unescape((place.run_folder / "report.html").read_text("utf-8"))
    for text in (
        "bits a byte before training",
        "where both vocabularies have a border in the text",
        "likelihood of each stretch of text",
        "started from",
    ):
        assert text in page, text
    facts = json.loads((place.run_folder / "trained" / "manifest.json").read_bytes())["facts"]["aligned"]
    assert facts["label_tokens"] == facts["in_chunks"] >= facts["chunks"] >= facts["carried_over"] > 0

    assert command("run", "recipe.yaml") == done, "all of it is found again"
    assert command("verify")["ok"]
    found = command("trace", "run:tiny", "--from", "path:teacher")
    assert found["answer"]["outcome"] == "yes"
    from transformers import AutoTokenizer

    assert len(AutoTokenizer.from_pretrained(place.run_folder / "student")) == len(make_tokenizer(275))


@pytest.mark.slow
def test_gates_that_cannot_tell_let_nobody_out_who_asked_to_be_sure(place: Place, command: Command) -> None:
    """Each gate compares token by token: with two vocabularies none passes, and a strict one keeps the
    student in."""
    few = {**ACROSS, "train": {"epochs": 1, "lr": 0.001}}
    place.write(**few, gates={name: {"action": "strict"} for name in ("diversity", "capacity")})
    error = command("run", "recipe.yaml", code=3)["error"]
    assert "different vocabularies" in error["found"]
    assert not (place.run_folder / "student").exists()


@pytest.mark.slow
def test_a_base_without_a_chat_template_is_refused_before_anything_is_asked(
    place: Place, command: Command
) -> None:
    told = place.folder / "other" / "tokenizer_config.json"
    settings = json.loads(told.read_text())
    settings.pop("chat_template", None)
    told.write_text(json.dumps(settings))
    (place.folder / "other" / "chat_template.jinja").unlink(missing_ok=True)
    place.write(**ACROSS)
    error = command("run", "recipe.yaml", code=2)["error"]
    assert "path:other without one" in error["found"]
    assert "prompts.chat=false" in error["fix"]
    assert not list((place.run_folder / "data").glob("*/*.jsonl"))


@pytest.mark.slow
def test_the_teachers_text_alone_crosses_vocabularies_too(place: Place, command: Command) -> None:
    text = {"epochs": 2, "lr": 0.001, "kl": 0, "ce": 1}
    place.write(**{**ACROSS, "train": text, "prompts": {"items": ["the sun", "a river", "川は", "stone"]}})
    done = command("run", "recipe.yaml")
    assert done["metrics"]["bits_per_byte_after"] > 0
    assert not (place.run_folder / "targets").exists()


WRONG = {
    "not aligned": ({"capture": {"k": 16}}, "another vocabulary", "capture.targets=aligned"),
    "pruned": ({"student": {"layers": 2}}, "student.init = prune", "set student.init=model"),
    "warm": ({"train": {"temperature": 2}}, "train.temperature = 2", "set train.temperature=1"),
    "likelihood of tokens": (
        {"capture": {"k": 16}, "train": {"likelihood": 1}},
        "targets = top-k",
        "set capture.targets=aligned",
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_said_before_anything_is_asked(
    place: Place, command: Command, case: tuple[dict[str, Any], str, str]
) -> None:
    changes, found, fix = case
    train = {"train": {"epochs": 1}} if "train" not in changes else {}
    place.write(**{**ACROSS, **train, **changes})
    error = command("run", "recipe.yaml", code=2)["error"]
    assert found in error["found"]
    assert fix in error["fix"]
    assert not (place.run_folder / "data").exists() or not list((place.run_folder / "data").glob("*/*.jsonl"))
