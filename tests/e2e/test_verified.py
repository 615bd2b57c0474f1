"""``inbond run`` with a verifier between generating and learning: kept, told, traced, exported, erased."""

from __future__ import annotations

import html
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from inbond.ledger.records import read_rows
from tests.e2e.conftest import Command
from tests.e2e.test_kinds import OFF
from tests.e2e.test_run import Place
from tests.tiny import save_tiny

BRIEF: dict[str, Any] = {
    "train": {"epochs": 1},
    "evaluate": {"samples": 0},
    "gates": {**OFF, "capacity": {"action": "off"}},
    "generate": {
        "max_tokens": 8, "temperature": 1.5, "top_p": 1.0, "max_failed": 0.5, "samples": 2,
    },
}  # fmt: skip
CHECKS = """
def even(completion, expected):
    if completion.startswith(("a", "b")):
        return None, "it begins with a or b"
    return len(completion) % 2 == expected, f"{len(completion)} characters"
"""
ITEMS = [
    {"prompt": f"say {word}", "parity": 0}
    for word in ["river", "stone", "garden", "winter", "pencil", "silver"]
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    save_tiny(tmp_path / "teacher")
    (tmp_path / "checks.py").write_text(CHECKS)
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def write(place: Place, **verify: Any) -> None:
    section = {"kind": "function", "function": "checks:even", "answers": "parity", **verify}
    place.write(**BRIEF, verify=section, prompts={"file": "prompts.jsonl", "licence": "own"})


@pytest.mark.slow
def test_what_passed_is_learnt_told_traced_exported_and_erased(place: Place, command: Command) -> None:
    write(place)
    done = command("run", "recipe.yaml")
    found = done["verified"]
    assert sum(found["outcomes"].values()) == 12
    assert found["kept"] == found["outcomes"]["passed"] > 1
    assert set(found["pass_at"]) == {"1", "2"}
    assert found["pass_at"]["2"] >= found["pass_at"]["1"] > 0
    data = place.run_folder / "data"
    answers, verified = read_rows(data / "answers"), read_rows(data / "verified")
    for row in verified:
        answer, ruling = row.parents
        assert answers[answer].record == row.record
        assert ruling == len(answers) + answer
        assert len(row.record.completion) % 2 == 0
    learnt = [*read_rows(data / "train"), *read_rows(data / "held_out")]
    assert {row.record.id for row in learnt} <= {row.record.id for row in verified}
    page = html.unescape((place.run_folder / "report.html").read_text())
    assert "Teacher's pass rate" in page
    assert "checks:even@" in page

    traced = command("trace", "run:tiny")
    by_id = {each["id"]: each for each in traced["ancestors"]}
    (tool,) = [id_ for id_ in by_id if id_.startswith("tool:checks:even@")]
    assert by_id[tool]["roles"] == ["verifier"]
    assert {share["touched"] for share in by_id[tool]["shares"]} == {1.0}
    assert "author" in by_id["path:teacher"]["roles"]
    assert {share["authored"] for share in by_id["path:teacher"]["shares"]} == {1.0}
    assert not [item for item in traced["unknowns"] if item["about"] == tool]
    assert traced["obligations"] == command("trace", "run:tiny")["obligations"]
    assert command("trace", "run:tiny", "--from", tool)["answer"]["outcome"] == "yes"
    for form in ("cyclonedx", "spdx", "prov", "card", "notice", "eu-summary", "intoto"):
        command("export", form, "run:tiny")
    command("export", "croissant", "run:tiny")

    groups = command("export", "rewards", "run:tiny")["document"]
    rewards = [reward for group in groups for reward in group["rewards"]]
    assert sum(rewards) == found["outcomes"]["passed"]
    assert len(rewards) == 12 - found["outcomes"]["cannot-tell"]
    command("export", "rewards", "tiny", "-o", "rewards.parquet")
    assert pq.read_table("rewards.parquet").to_pylist() == groups
    command("export", "rewards", "tiny", "-o", "rewards.jsonl")
    assert [json.loads(line) for line in Path("rewards.jsonl").read_text().splitlines()] == groups

    assert command("run", "recipe.yaml") == done, "all is found"
    again = command("run", "recipe.yaml", "--set", "verify.keep=first")
    assert again["artifacts"]["verify"] == done["artifacts"]["verify"], "rulings are the same"
    assert again["verified"]["kept"] <= len(ITEMS)
    assert command("verify")["ok"]
    erased = command("erase", "tiny")["files"]
    assert any("verdicts" in name for name in erased)
    assert command("verify")["ok"]
    assert "erased" in command("export", "rewards", "tiny", code=4)["error"]["found"]


@pytest.mark.slow
def test_too_few_that_pass_end_the_run_with_the_reasons_and_keep_the_answers(
    place: Place, command: Command
) -> None:
    write(place, kind="regex", function=None, answers=None, expect=r"\A\Z")
    error = command("run", "recipe.yaml", code=2)["error"]
    assert error["expected"].startswith("at least two answers that pass")
    assert "'failed: not found': 12" in error["found"]
    assert command("verify")["ok"]
    rewards = command("export", "rewards", "tiny")["document"]
    assert {reward for group in rewards for reward in group["rewards"]} == {0.0}
    assert command("run", "recipe.yaml", "--set", "verify.expect=.")["outcome"] == "done"


@pytest.mark.parametrize(
    ("changes", "expected", "found"),
    [
        ({"answers": "nothing"}, "the field 'nothing' in every row", "prompts.jsonl, line 1: fields"),
        ({"function": "checks even"}, "a function as module:name", "'checks even'"),
        ({"function": "no_such:f"}, "the module 'no_such' of verify.function", "none"),
        ({"kind": "code"}, "verify in recipe.yaml: kind: function needs", "verify ="),
        ({"function": None, "kind": "number", "answers": None}, "kind: number needs answers", "verify ="),
        ({"expect": 1}, "one of answers and expect is enough", "verify ="),
        ({"timeout_s": 0}, "verify.timeout_s in recipe.yaml", "verify.timeout_s = 0"),
    ],
    ids=["no field", "no colon", "no module", "function of code", "nothing expected", "both", "no time"],
)
def test_a_section_that_cannot_be_is_refused_before_anything_is_asked(
    place: Place, command: Command, changes: dict[str, Any], expected: str, found: str
) -> None:
    write(place, **changes)
    error = command("run", "recipe.yaml", code=2)["error"]
    assert expected in error["expected"]
    assert found in error["found"]
    assert not (place.run_folder / "data").exists()


def test_two_rows_with_one_prompt_and_two_answers_are_refused(place: Place, command: Command) -> None:
    rows = [*ITEMS, {**ITEMS[0], "parity": 1}]
    Path("prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write(place)
    error = command("run", "recipe.yaml", code=2)["error"]
    assert error["expected"] == "one answer to a prompt"
    assert error["found"].endswith("prompts.jsonl, line 7: 1 to a prompt that expects 0 elsewhere")


def test_records_without_a_student_are_verified_too(place: Place, command: Command) -> None:
    write(place)
    done = command("run", "recipe.yaml", "--set", "student={init: none}")
    rows, data = read_rows(place.run_folder / "data" / "train"), place.run_folder / "data" / "verified"
    assert {row.record.id for row in rows} <= {row.record.id for row in read_rows(data)}
    assert {"verify", "keep"} <= set(done["artifacts"])
    assert done["verified"]["kept"] == done["verified"]["outcomes"]["passed"]
    assert command("export", "rewards", "tiny")["document"]
    assert command("verify")["ok"]


SLOW = """
import time

def even(completion, expected):
    open("begun", "w").close()
    time.sleep(2)
    return True
"""


def test_killed_while_it_verifies_a_run_loses_no_answer(place: Place, command: Command) -> None:
    Path("checks.py").write_text(SLOW)
    write(place, timeout_s=500)
    child = place.start("run", "recipe.yaml", "--json")
    end = time.monotonic() + 120
    while not Path("begun").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    answers = place.run_folder / "data" / "answers" / "manifest.json"
    asked = answers.stat().st_mtime_ns
    assert not (place.run_folder / "data" / "verdicts" / "manifest.json").exists()
    Path("checks.py").write_text(CHECKS)
    assert command("run", "recipe.yaml")["outcome"] == "done"
    assert answers.stat().st_mtime_ns == asked
    assert command("verify")["ok"]


def test_a_function_that_cannot_be_loaded_loses_no_answer(place: Place, command: Command) -> None:
    Path("checks.py").write_text("import no_such_module\n")
    write(place)
    error = command("run", "recipe.yaml", code=2)["error"]
    assert error["expected"] == "a verifier that can be loaded: checks:even"
    assert "No module named 'no_such_module'" in error["found"]
    asked = (place.run_folder / "data" / "answers" / "manifest.json").stat().st_mtime_ns
    Path("checks.py").write_text(CHECKS)
    assert command("run", "recipe.yaml")["outcome"] == "done"
    assert (place.run_folder / "data" / "answers" / "manifest.json").stat().st_mtime_ns == asked


def test_rewards_of_a_run_that_verified_nothing_are_refused(place: Place, command: Command) -> None:
    place.write(**BRIEF)
    command("run", "recipe.yaml")
    error = command("export", "rewards", "run:tiny", code=2)["error"]
    assert error["found"] == "run:tiny, which verified none"
    assert command("export", "rewards", "other", code=2)["error"]["found"] == "no run 'other'"
