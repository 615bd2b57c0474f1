"""The quality gates of ``inbond run``: shown, able to stop a run, accepted by a person; runs compared."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.records import read_rows
from inbond.recipes import comparison
from inbond.workspace import Workspace
from tests.e2e.test_run import Place
from tests.tiny import save_tiny

GATES: dict[str, Any] = {
    "diversity": {"prompts": 8, "samples": 3, "tokens": 6},
    "generality": {"tokens": 6},
    "capacity": {"points": 3, "records": 10},
}
NEVER = {**GATES, "capacity": {**GATES["capacity"], "max_kl": 1e-6, "action": "stop"}}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A workspace where one run was stopped by its capacity gate."""
    place = Place(tmp_path_factory.mktemp("stopped"))
    save_tiny(place.folder / "teacher", padding=5)
    place.write(held_out=0.3, gates=NEVER)
    place.inbond("run", "recipe.yaml", "--fresh", code=4)
    return place


@pytest.fixture(scope="module", autouse=True)
def own_keys(tmp_path_factory: pytest.TempPathFactory) -> Any:
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    yield
    patch.undo()


def ended(place: Place) -> dict[str, Any]:
    """What the ledger says of how the run last ended."""
    with Ledger.open(Workspace(place.folder / "bond"), KeyStore.default()) as ledger:
        return dict(comparison.last("tiny", ledger) or {})


def kill_before(place: Place, *arguments: str, event: bool = False) -> None:
    """Runs the command in a process that is killed the moment it would write the report, or the last event;
    all artifacts are complete by then."""
    die = "lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    last = f"({die})() if kind == 'run.completed' else known(self, kind, body)"
    where = f"run.Ledger.record = lambda self, kind, body, known=run.Ledger.record: {last}"
    where = where if event else f"run.render_page = {die}"
    code = f"import os, signal\nfrom inbond.recipes import run\n{where}\n"
    code += "from inbond.cli.main import main; main()"
    child = subprocess.run([sys.executable, "-c", code, *arguments], cwd=place.folder, capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()


def kept(place: Place, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((place.run_folder / name).read_text(encoding="utf-8"))
    return value


def test_a_failed_gate_hands_out_no_student_and_says_why(stopped: Place) -> None:
    error = stopped.inbond("run", "recipe.yaml", code=4)["error"]
    assert error["expected"] == "a student of tiny that passes its gates"
    assert error["found"].startswith("capacity: fail: ")
    assert error["fix"].endswith(
        'to hand the student out all the same, run it again with --accept "capacity: REASON"'
    )
    result = kept(stopped, "result.json")
    assert result["outcome"] == "stopped"
    assert result["student"] is None
    assert result["gates"]["capacity"]["outcome"] == "fail"
    assert set(result["gates"]) == {"diversity", "generality", "capacity"}
    assert not (stopped.run_folder / "student").exists()
    page = (stopped.run_folder / "report.html").read_text(encoding="utf-8")
    assert "No student was handed out" in page
    assert stopped.inbond("verify", "run:tiny")["ok"]


def test_the_three_gates_are_measured_with_evidence(stopped: Place) -> None:
    gates = json.loads((stopped.run_folder / "gates" / "gates.json").read_text())
    for name, gate in gates.items():
        assert gate["verdict"]["outcome"] in ("pass", "fail", "cannot-tell")
        assert gate["verdict"]["decider"].startswith(f"inbond.{name}/")
        assert gate["verdict"]["facts"].startswith("sha256:")
        assert all(reason["finding"] for reason in gate["verdict"]["reasons"])
        assert gate["advice"] or gate["verdict"]["outcome"] == "pass"
    assert next(point["step"] for point in gates["capacity"]["found"]["points"]) == 0
    assert len(gates["capacity"]["found"]["points"]) == 4
    assert gates["generality"]["found"]["before_outside"]["mean_kl"] > 0
    assert kept(stopped, "result.json")["metrics"]["diversity_ratio"] == gates["diversity"]["found"]["ratio"]


def test_a_person_can_accept_what_has_been_seen(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    refused = place.inbond("run", "recipe.yaml", "--accept", "  ", code=2)["error"]
    assert refused["expected"] == "a reason for handing out a student that its gates keep in"
    habit = place.inbond("run", "recipe.yaml", "--accept", "I always accept", code=4)["error"]
    assert habit["fix"].endswith('--accept "capacity: REASON"'), "a reason that names no gate accepts none"
    result = place.inbond("run", "recipe.yaml", "--accept", "capacity: Ada: the KL does not matter here")
    assert result["outcome"] == "done"
    assert (place.folder / result["student"]).is_dir()
    page = (place.run_folder / "report.html").read_text(encoding="utf-8")
    assert "Ada: the KL does not matter here" in page
    again = place.inbond("run", "recipe.yaml")
    assert again["outcome"] == "done", "it stays accepted"
    assert place.inbond("verify", "run:tiny")["ok"]


def test_nobody_accepts_what_nobody_has_seen(tmp_path: Path) -> None:
    place = Place(tmp_path)
    save_tiny(place.folder / "teacher", padding=5)
    place.write(held_out=0.3, gates=NEVER)
    beforehand = ("run", "recipe.yaml", "--accept", "capacity: beforehand")
    kill_before(place, *beforehand)
    assert (place.run_folder / "gates" / "manifest.json").exists()
    place.inbond(*beforehand, code=4)
    assert not (place.run_folder / "student").exists()
    assert place.inbond(*beforehand)["outcome"] == "done", "now that it was shown"
    assert place.inbond("verify", "run:tiny")["ok"]


def test_a_run_that_was_killed_before_its_last_event_is_mended(stopped: Place, tmp_path: Path) -> None:
    """Result and report are there, the event is not: else nobody could ever accept what they show."""
    place = copy_of(stopped, tmp_path)
    changed = ("run", "recipe.yaml", "--set", "gates.capacity.action=strict")
    kill_before(place, *changed, event=True)
    assert ended(place)["fields"]["gates.capacity.action"] == "stop"
    place.inbond(*changed, code=4)
    assert ended(place)["fields"]["gates.capacity.action"] == "strict"
    place.inbond(*changed, "--accept", "capacity: fine")


def test_the_student_of_a_stopped_run_is_named_as_kept_in(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    place.write(name="next", teacher="run:tiny")
    error = place.inbond("run", "recipe.yaml", code=2)["error"]
    assert error["expected"] == "a student that the run 'tiny' handed out"
    assert "its gates kept it in (capacity: fail)" in error["found"]
    assert error["fix"].endswith('run its recipe again with --accept "capacity: REASON"')
    place.write(name="next", teacher="run:never")
    assert "run its recipe first" in place.inbond("run", "recipe.yaml", code=2)["error"]["fix"]


def test_answers_to_one_prompt_are_one_unit_and_it_is_asked_once(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    generate = {"max_tokens": 8, "temperature": 1.5, "top_p": 1.0, "max_failed": 0.5, "samples": 2}
    place.write(held_out=0.3, gates=GATES, generate=generate)
    place.inbond("run", "recipe.yaml")
    answered = [row.record.prompt for row in read_rows(place.run_folder / "data" / "held_out")]
    assert len(answered) > len(set(answered)), "several answers to a prompt"
    gates = json.loads((place.run_folder / "gates" / "gates.json").read_text())
    assert gates["diversity"]["found"]["prompts"] == min(8, len(set(answered)))
    inside = gates["generality"]["found"]["after_inside"]["records"]
    assert (
        len(inside["kl"])
        == len(gates["capacity"]["found"]["held_out"]["records"]["kl"])
        == len(set(answered))
    )
    evaluation = json.loads((place.run_folder / "evaluation" / "evaluation.json").read_text())
    assert len(evaluation["agreement"]["after"]["records"]["kl"]) == len(set(answered))
    assert {len(point["records"]["kl"]) for point in gates["capacity"]["found"]["points"]} == {
        len(set(answered[:10]))
    }


def test_prompts_that_are_all_the_domains_own_cannot_tell(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    (place.folder / "outside.jsonl").write_text('{"prompt": "river and window"}\n', encoding="utf-8")
    place.write(held_out=0.3, gates={**GATES, "generality": {"file": "outside.jsonl"}})
    result = place.inbond("run", "recipe.yaml")
    assert result["gates"]["generality"]["outcome"] == "cannot-tell"
    found = json.loads((place.run_folder / "gates" / "gates.json").read_text())["generality"]
    assert found["found"] == {}
    assert found["verdict"]["reasons"][0]["finding"].startswith("Too few prompts: none is from outside")


def test_another_action_judges_nothing_anew_and_a_stop_takes_the_old_student_back(
    stopped: Place, tmp_path: Path
) -> None:
    place = copy_of(stopped, tmp_path)
    before = (place.run_folder / "gates" / "gates.json").stat().st_mtime_ns
    result = place.inbond("run", "recipe.yaml", "--set", "gates.capacity.action=warn")
    assert (place.folder / result["student"]).is_dir()
    assert (place.run_folder / "gates" / "gates.json").stat().st_mtime_ns == before
    place.inbond("run", "recipe.yaml", code=4)
    assert not (place.run_folder / "student").exists()
    assert place.inbond("verify", "run:tiny")["ok"]


def test_strict_stops_on_doubt_for_a_person_to_decide(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    doubt = {**GATES, "capacity": {"points": 3, "records": 4, "max_kl": 1.0, "action": "strict"}}
    place.write(held_out=0.3, gates=doubt)
    error = place.inbond("run", "recipe.yaml", code=3)["error"]
    assert error["found"].startswith("capacity: cannot-tell: ")


def test_gates_that_are_off_are_not_measured(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    place.write(held_out=0.3, gates={name: {"action": "off"} for name in GATES})
    result = place.inbond("run", "recipe.yaml")
    assert result["gates"] == {}
    assert result["metrics"]["diversity_ratio"] is None
    assert json.loads((place.run_folder / "trained" / "held-out-curve.json").read_text()) == []
    assert "Switched off" in (place.run_folder / "report.html").read_text(encoding="utf-8")


def test_runs_of_the_same_recipe_are_compared(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    place.write(held_out=0.3, gates=GATES)
    place.inbond("run", "recipe.yaml", "--set", "name=other", "--set", "train.jsd=1", "--set", "train.kl=0")
    page = (place.folder / "bond" / "runs" / "other" / "report.html").read_text(encoding="utf-8")
    assert "train.jsd" in page
    assert "stopped" in page.lower()
    assert "tiny" in page


def test_own_prompts_from_outside_the_domain(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    lines = [
        json.dumps({"prompt": text}, ensure_ascii=False)
        for text in ("2 + 2", "空は何色？", "river and window")
    ]
    (place.folder / "outside.jsonl").write_text("\n".join(lines), encoding="utf-8")
    gates = {**GATES, "generality": {"file": "outside.jsonl", "tokens": 4}}
    place.write(held_out=0.3, gates=gates)
    place.inbond("run", "recipe.yaml")
    found = json.loads((place.run_folder / "gates" / "gates.json").read_text())["generality"]
    assert len(found["found"]["after_outside"]["records"]["kl"]) == 2, (
        "the one that is the domain's own is left out"
    )
    assert found["verdict"]["outcome"] == "cannot-tell"
    missing = place.inbond("run", "recipe.yaml", "--set", "gates.generality.file=none.jsonl", code=2)["error"]
    assert "none.jsonl" in missing["found"] + missing["expected"]


def copy_of(place: Place, folder: Path) -> Place:
    shutil.copytree(place.folder, folder / "copy")
    return Place(folder / "copy")
