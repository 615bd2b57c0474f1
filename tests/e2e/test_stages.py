"""A pipeline from the command line: a teacher, a small student that rewrites, its corpus, a final student."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from inbond.ledger import records
from tests.e2e.conftest import Command
from tests.tiny import save_tiny

NOUNS = ["river", "stone", "garden", "winter", "pencil", "market", "bridge", "silver"]
OFF = {gate: {"action": "off"} for gate in ("diversity", "generality", "capacity")}
SHARED: dict[str, Any] = {
    "teacher": "path:teacher",
    "generate": {"max_tokens": 8, "temperature": 1.5, "top_p": 1.0, "max_failed": 0.6},
    "filters": {"truncated": False, "near_duplicates": None, "personal_data": False, "secrets": False},
    "capture": {"k": 8},
    "student": {"layers": 2, "probe": 2},
    "train": {"epochs": 1},
    "evaluate": {"samples": 0},
    "gates": OFF,
}
STAGES: list[dict[str, Any]] = [
    {"name": "cleaner", "prompts": {"items": [f"clean: the {noun}" for noun in NOUNS]}},
    {
        "name": "corpus",
        "teacher": "run:cleaner",
        "prompts": {"file": "texts.jsonl", "template": "clean: {text}", "licence": "own"},
        "generate": {"role": "rewriter"},
        "student": {"init": "none", "layers": None},
    },
    {
        "name": "final",
        "prompts": {"items": [f"what is a {noun}" for noun in NOUNS]},
        "own_data": [{"run": "corpus"}],
    },
]


def write(folder: Path, stages: list[dict[str, Any]], **shared: Any) -> None:
    (folder / "chain.yaml").write_text(
        yaml.safe_dump({"name": "chain", **SHARED, **shared, "stages": stages})
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a finished pipeline, and its keys."""
    from inbond.cli.main import run

    folder, config = tmp_path_factory.mktemp("chain"), tmp_path_factory.mktemp("keys")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CONFIG_HOME", str(config))
    patch.chdir(folder)
    save_tiny(folder / "teacher")
    texts = [{"text": f"teh {one} adn  the {other}"} for one, other in pairwise(NOUNS)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    write(folder, STAGES)
    assert run(["run", "chain.yaml", "-q"]) == 0
    patch.undo()
    return folder, config


@pytest.fixture
def here(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be changed at will, as the working folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(finished[1]))
    shutil.copytree(finished[0], tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_the_stages_ran_in_order_and_one_result_has_all(here: Path) -> None:
    result = json.loads((here / "bond/runs/chain/result.json").read_text())
    assert [stage["run"] for stage in result["stages"]] == ["cleaner", "corpus", "final"]
    assert [bool(stage["student"]) for stage in result["stages"]] == [True, False, True]
    assert result["student"] == result["stages"][-1]["student"]
    assert result["stages"][1]["records"] > 0
    assert list(result["stages"][1]["seconds"]) == ["source", "generate", "filter"]
    page = (here / "bond/runs/corpus/report.html").read_text()
    assert "rewriter" in page
    assert "<script" not in page


def test_the_text_of_a_file_becomes_own_data_of_the_last_stage(here: Path) -> None:
    kept = records.read_rows(here / "bond/runs/corpus/data/train")
    learnt = [row for row in records.read_rows(here / "bond/runs/final/data/train") if row.origin.own]
    assert {row.origin.teacher for row in learnt} == {"run:cleaner"}
    assert {row.origin.role for row in learnt} == {"rewriter"}
    assert {row.record.id for row in learnt} <= {row.record.id for row in kept}


def test_a_second_run_finds_all_complete_and_records_nothing(here: Path, command: Command) -> None:
    kept = json.loads((here / "bond/runs/chain/result.json").read_text())
    before = command("verify")["head"]["root"]
    again = command("run", "chain.yaml")
    assert [stage["artifacts"] for stage in again["stages"]] == [
        stage["artifacts"] for stage in kept["stages"]
    ]
    assert command("verify")["head"]["root"] == before


def test_trace_tells_roles_and_shares_through_all_stages(here: Path, command: Command) -> None:
    found = command("trace", "run:final")
    by_id = {ancestor["id"]: ancestor for ancestor in found["ancestors"]}
    assert by_id["run:cleaner"]["roles"] == ["rewriter"]
    assert {"path:teacher", "data:texts.jsonl", "data:runs/corpus/data/train"} <= by_id.keys()

    def share(id_: str) -> dict[str, Any]:
        (one,) = [
            each for each in by_id[id_]["shares"] if each["of"] == "run:final" and each["unit"] == "records"
        ]
        return one

    rows = records.read_rows(here / "bond/runs/final/data/train")
    part = sum(row.origin.own for row in rows) / len(rows)
    assert share("run:cleaner")["touched"] == pytest.approx(part)
    assert share("run:cleaner")["authored"] == 0
    assert share("data:texts.jsonl")["touched"] == pytest.approx(part)
    assert share("path:teacher")["authored"] == pytest.approx(1 - part)


@pytest.mark.usefixtures("here")
def test_the_records_of_a_stage_can_be_traced_themselves(command: Command) -> None:
    found = command("trace", "data:runs/corpus/data/train")
    assert {"run:cleaner", "path:teacher", "data:texts.jsonl"} <= {each["id"] for each in found["ancestors"]}


def test_one_stage_is_changed_and_only_what_follows_is_made_again(here: Path, command: Command) -> None:
    folders = {name: here / f"bond/runs/{name}/trained/manifest.json" for name in ("cleaner", "final")}
    before = {name: path.read_bytes() for name, path in folders.items()}
    command("run", "chain.yaml", "--set", "final/train.lr=0.001")
    assert folders["cleaner"].read_bytes() == before["cleaner"]
    assert folders["final"].read_bytes() != before["final"]
    assert command("verify")["ok"] is True


def test_records_of_a_run_are_prompts_with_its_fields(here: Path, command: Command) -> None:
    write(here, [
        {"name": "asked", "prompts": {"run": "corpus", "template": "again: {completion}"},
         "student": {"init": "none", "layers": None}},
    ])  # fmt: skip
    command("run", "chain.yaml")
    kept = records.read_rows(here / "bond/runs/corpus/data/train")
    made = records.read_rows(here / "bond/runs/asked/data/train")
    texts = {f"again: {row.record.completion}" for row in kept}
    assert made
    assert {row.record.prompt[-1].content for row in made} <= texts  # type: ignore[union-attr]
    found = command("trace", "data:runs/asked/data/train")
    assert {"data:runs/corpus/data/train", "run:cleaner"} <= {each["id"] for each in found["ancestors"]}


def test_records_of_a_stage_that_were_changed_are_refused(here: Path, command: Command) -> None:
    path = here / "bond/runs/corpus/data/train/records.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"completion":"', b'"completion":"not ', 1))
    error = command("run", "chain.yaml", code=4)["error"]
    assert "the records that the run 'corpus' kept, as they were" in error["expected"]
    assert "inbond verify names what was changed" in error["fix"]


@pytest.mark.parametrize(
    ("change", "found", "fix"),
    [
        ({"teacher": "run:final"}, "it names final, a later stage", "put final before it"),
        ({"teacher": "run:corpus"}, "it names itself", "name an earlier stage"),
        ({"teacher": "run:nobody"}, "it names nobody, which is no stage and no finished run", "(cleaner)"),
        ({"prompts": {"run": "final", "file": None}}, "it names final, a later stage", "put final"),
        ({"own_data": [{"run": "nobody"}]}, "nobody, which is no stage", "run that recipe first"),
    ],
    ids=["later", "itself", "nothing", "later-records", "no-records"],
)
def test_what_a_stage_cannot_name_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, change: dict[str, Any], found: str,
    fix: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write(tmp_path, [STAGES[0], {**STAGES[1], **change}, STAGES[2]])
    error = command("run", "chain.yaml", code=2)["error"]
    assert "of the stage corpus" in error["expected"]
    assert found in error["found"]
    assert fix in error["fix"]
    assert not (tmp_path / "bond" / "runs").exists()


def test_a_stage_that_makes_no_student_is_no_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, [*STAGES[:2], {**STAGES[2], "teacher": "run:corpus"}])
    error = command("run", "chain.yaml", code=2)["error"]
    assert "corpus, which makes records and no student" in error["found"]
    assert "prompts: {run: corpus}" in error["fix"]


def test_what_a_later_stage_forbids_is_never_paid_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """A person may allow the first stage; the last hands out a rival of what it learnt from."""
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "teacher")
    told = {"teacher": "api:api.openai.com/gpt-4o", "generate": {"runtime": "auto"}}
    stages = [
        {**STAGES[0], **told, "student": {"init": "none", "layers": None},
         "purpose": {"use": "internal", "release": "none", "competes": "no"}},
        {**STAGES[2], "own_data": [{"run": "cleaner"}], "purpose": {"competes": "yes"}},
    ]  # fmt: skip
    write(tmp_path, stages)
    assert command("check", "chain.yaml", code=4)["stages"][0]["outcome"] == "review"
    error = command("run", "chain.yaml", "--accept", "not a rival: Ada", code=4)["error"]
    assert "stage final of chain" in error["expected"]
    assert "openai" in error["found"].lower()
    assert not (tmp_path / "bond" / "runs").exists()
    assert not (tmp_path / "bond" / "journal.db").exists()
