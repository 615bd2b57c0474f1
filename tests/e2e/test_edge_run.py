"""``inbond run`` with a student narrower than its teacher in every way, and its files for small machines."""

from __future__ import annotations

import html
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from inbond.edge import faithful, gguf_writer
from inbond.edge.faithful import Limit
from inbond.ledger import manifest
from inbond.ledger.records import read_rows
from inbond.recipes.reading import load
from inbond.teachers.local import load_tokenizer
from inbond.teachers.tokens import encode_record
from inbond.train import vocabulary
from tests.e2e.conftest import Command
from tests.e2e.test_run import Place
from tests.tiny import save_tiny

OFF = {
    "diversity": {"action": "off"},
    "generality": {"action": "warn", "tokens": 6},
    "capacity": {"points": 3},
}
NARROW = {
    "student": {"layers": 3, "probe": 4, "heads": 2, "neurons": 0.67, "vocabulary": "occurring"},
    "train": {"epochs": 4, "lr": 0.005, "warmup_steps": 2},
    "gates": OFF,
}
FILES = {"export": {"gguf": ["q8_0"], "onnx": True, "prompts": 2, "tokens": 6}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    save_tiny(tmp_path / "teacher", padding=5)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


@pytest.mark.slow
def test_a_narrow_student_with_its_files_is_made_told_and_found_again(place: Place, command: Command) -> None:
    place.write(**NARROW, **FILES)
    done = command("run", "recipe.yaml")
    assert done["metrics"]["kl_after"] < done["metrics"]["kl_before"]
    assert done["metrics"]["student_params"] < 0.7 * done["metrics"]["teacher_params"]
    _loads(place)
    _tells(place, done)
    before = command("verify")
    assert command("run", "recipe.yaml") == done
    after = command("verify")
    assert after["ok"]
    assert after["checked"] == before["checked"], "the second run made nothing"
    for folder in ("gguf-q8_0", "onnx"):  # without the workspace, by what lies beside the file
        shutil.copytree(place.run_folder / folder, place.folder / "given" / folder)
        assert command("verify", str(place.folder / "given" / folder))["ok"]


def _loads(place: Place) -> None:
    """By plain transformers: tokenizer, config and weights fit together."""
    folder = place.run_folder / "student"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    config = model.config
    assert (config.num_attention_heads, config.num_key_value_heads, config.intermediate_size) == (2, 1, 32)
    assert config.vocab_size == len(tokenizer) < 300
    assert tokenizer.decode(tokenizer.encode("🙂 川 any text\n")) == "🙂 川 any text\n"
    assert model.generate(**tokenizer("a river", return_tensors="pt"), max_new_tokens=3).shape[0] == 1


def _tells(place: Place, done: dict[str, Any]) -> None:
    small, onnx = done["files"]
    assert (small["file"], onnx["file"]) == ("gguf-q8_0/tiny-q8_0.gguf", "onnx/tiny.onnx")
    assert all((place.run_folder / one["file"]).stat().st_size == one["bytes"] for one in (small, onnx))
    assert small["bytes"] < small["teacher"]["bytes"]
    assert small["faithful"]["texts_tokenised"] >= 2
    assert small["faithful"]["sixteen_bits"]["alike"] >= 0.98
    assert onnx["faithful"]["together"]["alike"] >= 0.99
    assert small["stored"].keys() == {"q8_0", "f16", "f32"}, "32 neurons fit blocks; heads of 16 do not"
    assert small["speedup_rounds"]["least"] <= small["speedup"] <= small["speedup_rounds"]["most"]
    assert small["speedup"] > 0
    page = html.unescape((place.run_folder / "report.html").read_text(encoding="utf-8"))
    evaluation = json.loads((place.run_folder / "evaluation" / "evaluation.json").read_text())
    kept, of = (evaluation["vocabulary"][name] for name in ("kept", "of"))
    for said in (
        f"{kept} of {of} tokens",
        "Files for small machines",
        "tiny-q8_0.gguf",
        "tiny.onnx",
        "llama.cpp",
    ):
        assert said in page, said


@pytest.mark.slow
def test_a_finished_run_is_exported_afterwards(place: Place, command: Command) -> None:
    place.write(**{**NARROW, "student": {"layers": 2}})
    command("run", "recipe.yaml")
    found = command("export", "gguf", "run:tiny", "--type", "f16", "-o", "out.gguf")
    assert (place.folder / "out.gguf").read_bytes()[:4] == b"GGUF"
    assert found["faithful"]["alike"] == 1
    assert command("export", "onnx", "tiny")["faithful"]["kl"] < 0.001
    assert command("verify")["ok"]


@pytest.mark.slow
def test_a_finished_run_gives_the_files_that_it_gave_while_it_ran(place: Place, command: Command) -> None:
    place.write(**NARROW, **FILES)
    command("run", "recipe.yaml")
    before = command("verify")["checked"]
    kept = (place.run_folder / "gguf-q8_0" / "tiny-q8_0.gguf").read_bytes()
    command(
        "export", "gguf", "run:tiny", "-o", "out.gguf"
    )  # found, though prompts and tokens are not the default
    assert command("verify")["checked"] == before
    shutil.rmtree(place.run_folder / "gguf-q8_0")
    command("export", "gguf", "run:tiny", "-o", "again.gguf")
    assert (place.folder / "again.gguf").read_bytes() == (place.folder / "out.gguf").read_bytes() == kept


@pytest.mark.slow
def test_a_file_that_is_not_the_student_is_refused_and_the_others_stand(
    place: Place, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(faithful.LIMITS, "q8_0", Limit(1.1, 0.0))  # type: ignore[index]
    place.write(**NARROW, **FILES)
    error = command("run", "recipe.yaml", code=4)["error"]
    assert error["expected"].startswith("a q8_0 file that chooses the student's token")
    assert not list((place.run_folder / "gguf-q8_0").glob("*"))
    result = json.loads((place.run_folder / "result.json").read_text())
    assert [file["type"] for file in result["files"]] == ["onnx"]
    assert "tiny.onnx" in (place.run_folder / "report.html").read_text(encoding="utf-8")
    assert command("verify")["ok"]


@pytest.mark.slow
def test_a_file_written_wrongly_is_refused_by_its_16_bit_sister(
    place: Place, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows in another order: the limits of four bits are so wide that they could pass."""
    monkeypatch.setattr(gguf_writer, "_interleaved", lambda values, _: values)
    monkeypatch.setitem(faithful.LIMITS, "q4_0", Limit(0.0, 99.0))  # type: ignore[index]
    place.write(**{**NARROW, "student": {"layers": 2}}, export={"gguf": ["q4_0"], "prompts": 2, "tokens": 6})
    error = command("run", "recipe.yaml", code=4)["error"]
    assert error["expected"].startswith("a f16 file that chooses the student's token in at least 98%")
    assert "a fault of ours" in error["fix"]
    assert not list((place.run_folder / "gguf-q4_0").glob("*"))


@pytest.mark.slow
def test_files_of_an_earlier_student_do_not_stay_beside_the_new_one(place: Place, command: Command) -> None:
    place.write(**{**NARROW, "student": {"layers": 2}}, export={"gguf": ["f16"], "prompts": 2, "tokens": 6})
    command("run", "recipe.yaml")
    place.write(**{**NARROW, "student": {"layers": 3}})
    command("run", "recipe.yaml")
    assert not list((place.run_folder / "gguf-f16").glob("*"))
    assert command("verify")["ok"]


@pytest.mark.slow
def test_held_out_words_have_no_say_in_the_tokens_that_are_kept(place: Place, command: Command) -> None:
    place.write(**NARROW)
    command("run", "recipe.yaml")
    tokenizer = load_tokenizer(place.folder / "teacher")
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    learnt = Counter(
        id_
        for row in read_rows(place.run_folder / "data" / "train")
        for id_ in encode_record(tokenizer, row.record).ids
    )
    chosen = place.run_folder / "vocabulary"
    assert json.loads((chosen / "kept.json").read_text()) == vocabulary.choose(whole, learnt, None)
    made = manifest.read(chosen)
    assert made is not None
    assert made.identity.inputs.keys() == {"train"}, "what is not given to it cannot leak"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "said"),
    [
        ({"layers": 2, "heads": 3}, "student.heads in whole groups of 2"),
        ({"layers": 2, "neurons": 5000}, "student.neurons from 1 to"),
        ({"layers": 2, "vocabulary": 20}, "student.vocabulary from 259"),
    ],
)
def test_a_width_that_cannot_be_had_is_refused_before_a_question(
    place: Place, command: Command, student: dict[str, Any], said: str
) -> None:
    place.write(student=student)
    assert command("run", "recipe.yaml", code=2)["error"]["expected"].startswith(said)
    assert not (place.run_folder / "data" / "answers" / "manifest.json").exists()


@pytest.mark.slow
def test_what_cannot_be_exported_is_refused_before_a_question(place: Place, command: Command) -> None:
    config = place.folder / "teacher" / "config.json"
    config.write_text(config.read_text().replace("LlamaForCausalLM", "GemmaForCausalLM"))
    place.write(**FILES)
    error = command("run", "recipe.yaml", code=2)["error"]
    assert error["found"] == "the architecture GemmaForCausalLM"
    assert not (place.run_folder / "data" / "answers" / "manifest.json").exists()


def test_the_built_in_recipe_asks_for_both_runtimes() -> None:
    recipe, _ = load("edge", ())
    assert recipe.export.onnx
    assert recipe.export.gguf == ("q8_0", "q4_0")
    assert recipe.student.vocabulary == 8192
