"""Several teachers, each for its own skill, from the command line."""

from __future__ import annotations

import base64
import json
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
    save_tiny(tmp_path / "other", seed=1)
    return tmp_path


def write(here: Path, other: dict[str, Any], **changes: Any) -> None:
    prompts = {"items": [f"say {word}" for word in WORDS]}
    recipe = {
        **SHARED, "name": "mixed", "prompts": {"items": [f"what is a {word}" for word in WORDS]},
        "teachers": [{"teacher": "path:other", "prompts": prompts, **other}],
    }  # fmt: skip
    (here / "r.yaml").write_text(yaml.safe_dump({**recipe, **changes}))


def test_each_teacher_has_its_origin_targets_weight_and_share(here: Path, command: Command) -> None:
    write(here, {"weight": 0.25, "skill": "saying"})
    result = command("run", "r.yaml")
    run = here / "bond/runs/mixed"
    rows = records.read_rows(run / "data/train")
    assert {(row.origin.teacher, row.weight) for row in rows} == {("path:teacher", 1.0), ("path:other", 0.25)}
    assert all(row.record.prompt[-1].content.startswith("say ") for row in rows  # type: ignore[union-attr]
               if row.origin.teacher == "path:other")  # fmt: skip
    for place, name in (("targets", "path:teacher"), ("targets-1", "path:other")):
        found = manifest.read(run / place)
        assert found is not None
        assert str(found.identity.config["teacher"]).startswith(name)
        labels = sum(row.completion_tokens for row in rows if row.origin.teacher == name)
        assert found.facts["label_tokens"] >= labels > 0
    trace = command("trace", "run:mixed")
    by_id = {each["id"]: each for each in trace["ancestors"]}
    for name in ("path:teacher", "path:other"):
        (share,) = [each for each in by_id[name]["shares"] if each["unit"] == "records"]
        assert share["authored"] == pytest.approx(sum(row.origin.teacher == name for row in rows) / len(rows))
    page = (run / "report.html").read_text()
    assert "path:other" in page
    assert "saying" in page
    assert command("verify")["ok"] is True
    assert command("run", "r.yaml")["artifacts"] == result["artifacts"]


def test_a_teacher_of_weight_0_is_not_asked(here: Path, command: Command) -> None:
    write(here, {"weight": 0})
    command("run", "r.yaml")
    rows = records.read_rows(here / "bond/runs/mixed/data/train")
    assert {row.origin.teacher for row in rows} == {"path:teacher"}
    assert not (here / "bond/runs/mixed/data/answers-1").exists()


@pytest.mark.parametrize(
    ("other", "changes", "found"),
    [
        ({"weight": 0}, {"weight": 0}, "every teacher weighs 0"),
        ({"weight": -1}, {}, "teachers.0.weight"),
        ({}, {"weight": -1}, "weight in r.yaml"),
        ({"weight": float("nan")}, {}, "teachers.0.weight"),
        ({"weight": float("inf")}, {}, "teachers.0.weight"),
        ({}, {"capture": {"targets": "online"}}, "with several teachers"),
        ({}, {"generate": {"role": "rewriter"}}, "with several teachers: their answers"),
    ],
    ids=["sums-to-zero", "negative", "negative-first", "no-number", "endless", "online", "rewriter"],
)
def test_a_mixture_that_cannot_be_is_refused(
    here: Path, command: Command, other: dict[str, Any], changes: dict[str, Any], found: str
) -> None:
    write(here, other, **changes)
    assert found in command("run", "r.yaml", code=2)["error"]["expected"]
    assert not (here / "bond" / "journal.db").exists()


def test_another_vocabulary_is_refused_before_anybody_is_asked(here: Path, command: Command) -> None:
    from tests.tiny import make_model, make_tokenizer

    tokenizer = make_tokenizer(290)
    make_model(len(tokenizer)).save_pretrained(here / "other")
    tokenizer.save_pretrained(here / "other")
    write(here, {})
    assert "another vocabulary" in command("run", "r.yaml", code=2)["error"]["found"]


def test_the_worst_of_the_teachers_terms_decides_and_names_it(here: Path, command: Command) -> None:
    write(here, {"teacher": "api:api.openai.com/gpt-4o"}, purpose={"competes": "yes"})
    found = command("check", "r.yaml", code=4)
    assert found["outcome"] == "deny"
    assert any("api.openai.com" in reason["finding"] for reason in found["reasons"])
    assert any("path:teacher" in reason["finding"] for reason in found["reasons"])
    write(here, {"teacher": "api:api.openai.com/gpt-4o", "weight": 0}, purpose={"competes": "yes"})
    assert command("check", "r.yaml")["outcome"] != "deny"


def test_every_teacher_is_learnt_from_and_the_first_is_measured(here: Path, command: Command) -> None:
    """Prompts of one template each: seen as one list, all of a teacher's would be alike."""
    many = [f"{word} {number}" for word in WORDS for number in range(3)]
    prompts = {"items": [f"say something cheerful about the {word}" for word in many]}
    write(here, {"prompts": prompts}, prompts={"items": [f"define in a sentence what {w} is" for w in many]})
    command("run", "r.yaml")
    for side in ("train", "held_out"):
        rows = records.read_rows(here / "bond/runs/mixed/data" / side)
        assert {row.origin.teacher for row in rows} == {"path:teacher", "path:other"}, side
        assert side == "train" or len(rows) < 30


def test_trace_and_statements_name_every_teacher_and_what_it_was_asked(here: Path, command: Command) -> None:
    (here / "sums.jsonl").write_text("".join(json.dumps({"prompt": f"add {word}"}) + "\n" for word in WORDS))
    prompts = {"file": "sums.jsonl", "licence": "own", "context": "whisper it", "system": "a system word"}
    write(here, {"prompts": prompts})
    command("run", "r.yaml")
    found = {each["id"]: each for each in command("trace", "run:mixed")["ancestors"]}
    assert {"data:sums.jsonl", "data:context 1 of run:mixed", "data:prompts of run:mixed"} <= found.keys()
    assert "data:context of run:mixed" not in found
    statements = (here / "bond/runs/mixed/student/attestation.jsonl").read_text().splitlines()
    told = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in statements]
    (made,) = [each["predicate"]["buildDefinition"] for each in told if "slsa" in each["predicateType"]]
    named = {each["name"]: each for each in made["resolvedDependencies"]}
    assert {"teacher", "prompts", "teacher 1", "prompts 1"} <= named.keys()
    assert named["teacher 1"]["uri"] == "path:other"
    assert named["teacher 1"]["digest"] != named["teacher"]["digest"]
    assert "whisper it" not in json.dumps(told)
    assert "a system word" not in json.dumps(told)


def test_nobody_is_shown_what_further_teachers_were_asked(here: Path, command: Command) -> None:
    prompts = {"items": [f"say {word}" for word in WORDS], "context": "whisper it gently"}
    write(here, {"prompts": prompts})
    command("run", "r.yaml")
    run = here / "bond/runs/mixed"
    shown = (run / "report.html").read_text()
    assert "whisper it gently" not in shown
    assert "(17 characters, not shown)" in shown
    assert "(10 prompts, not shown)" in shown
    for path in (run / "student").rglob("*"):
        assert not path.is_file() or b"whisper it gently" not in path.read_bytes(), path


def test_a_printed_recipe_finds_every_teachers_files_from_anywhere(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from inbond.cli.main import run

    write(here, {"prompts": {"file": "sums.jsonl", "context_file": "rules.txt", "licence": "own"}})
    assert run(["run", "r.yaml", "--print-recipe"]) == 0
    (other,) = yaml.safe_load(capsys.readouterr().out)["teachers"]
    assert other["prompts"]["file"] == str(here / "sums.jsonl")
    assert other["prompts"]["context_file"] == str(here / "rules.txt")
