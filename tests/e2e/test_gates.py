"""The quality gates of ``inbond run``: shown, able to stop a run, accepted by a person; runs compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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


def kept(place: Place, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((place.run_folder / name).read_text(encoding="utf-8"))
    return value


def test_a_failed_gate_hands_out_no_student_and_says_why(stopped: Place) -> None:
    error = stopped.inbond("run", "recipe.yaml", code=4)["error"]
    assert error["expected"] == "a student of tiny that passes its gates"
    assert error["found"].startswith("capacity: fail: ")
    assert error["fix"].endswith("to hand the student out all the same, run it again with --accept REASON")
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
    assert next(point["step"] for point in gates["capacity"]["found"]["points"]) == 0
    assert len(gates["capacity"]["found"]["points"]) == 4
    assert gates["generality"]["found"]["before_outside"]["mean_kl"] > 0
    assert kept(stopped, "result.json")["metrics"]["diversity_ratio"] == gates["diversity"]["found"]["ratio"]


def test_a_person_can_accept_what_has_been_seen(stopped: Place, tmp_path: Path) -> None:
    place = copy_of(stopped, tmp_path)
    refused = place.inbond("run", "recipe.yaml", "--accept", "  ", code=2)["error"]
    assert refused["expected"] == "a reason for handing out a student that its gates keep in"
    result = place.inbond("run", "recipe.yaml", "--accept", "Ada: the KL does not matter here")
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
    place.inbond("run", "recipe.yaml", "--accept", "beforehand", code=4)
    assert not (place.run_folder / "student").exists()


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
    import shutil

    shutil.copytree(place.folder, folder / "copy")
    return Place(folder / "copy")
