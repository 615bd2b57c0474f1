"""``inbond run`` with a student that learns from its own answers: result, report, resume, refusals."""

from __future__ import annotations

import html
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Command
from tests.e2e.test_run import Place
from tests.tiny import save_tiny

OFF = {name: {"action": "off"} for name in ("diversity", "generality", "capacity")}
TRAIN = {"epochs": 12, "lr": 0.003, "warmup_steps": 2, "batch": 8, "checkpoint_seconds": 0.001}
OWN = {"share": 0.8, "cold_start": 0.25, "max_tokens": 6, "samples": 2}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    save_tiny(tmp_path / "teacher", padding=5)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def page_of(place: Place) -> str:
    return html.unescape((place.run_folder / "report.html").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize(("own", "others"), [
    ({"objective": "reverse-kl"}, {}),
    ({"objective": "divergence"}, {"capture": {"targets": "online"}}),
    ({"objective": "policy-gradient", "reuse": 2}, {}),
    ({"objective": "policy-gradient", "reuse": 12, "served": {}}, {}),
    ({"reuse": 12, "served": {"type": "q8_0", "parallel": 4}}, {"train": {**TRAIN, "lora": {"rank": 4}}}),
], ids=["reverse-kl", "divergence-online", "policy-gradient", "served-policy", "served-lora"])  # fmt: skip
def test_a_student_learns_from_its_own_answers(
    place: Place, command: Command, own: dict[str, Any], others: dict[str, Any]
) -> None:
    place.write(
        **{
            "train": TRAIN,
            "gates": OFF,
            "capture": {"k": 16, "shard": 8},
            "on_policy": {**OWN, **own},
            **others,
        }
    )
    result = command("run", "recipe.yaml")
    told = result["own_answers"]
    assert told["collapse"] is None
    notes = json.loads((place.run_folder / "trained" / "own-answers.json").read_bytes())
    curve = json.loads((place.run_folder / "trained" / "curve.json").read_bytes())
    assert told["steps"] == len(notes) > len(curve) / 2
    assert min(note["step"] for note in notes) > len(curve) / 4, "the cold start comes first"
    page = page_of(place)
    for words in ("the student’s own answers", "Entropy in own answers", "Distinct pairs in own answers"):
        assert words in page
    assert ("drawn by copies that llama.cpp as" in page) == ("served" in own)
    assert "own-answers.json" not in {path.name for path in (place.run_folder / "student").iterdir()}
    assert command("run", "recipe.yaml")["artifacts"] == result["artifacts"]
    assert command("verify", "run:tiny")["ok"]


@pytest.mark.slow
def test_a_run_that_is_killed_learns_the_same(place: Place) -> None:
    place.write(train={**TRAIN, "epochs": 30}, gates=OFF, on_policy=OWN)
    child = place.start("run", "recipe.yaml")
    checkpoints = place.run_folder / "work" / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("step-*")) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    place.inbond("run", "recipe.yaml")
    curve = json.loads((place.run_folder / "trained" / "curve.json").read_bytes())
    place.inbond("run", "recipe.yaml", "--fresh")
    whole = json.loads((place.run_folder / "trained" / "curve.json").read_bytes())
    assert [point["loss"] for point in curve] == pytest.approx([point["loss"] for point in whole], rel=1e-4)


def children(pid: int, module: str) -> list[int]:
    """Processes that ``pid`` started to run a module."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == pid and module in (stat.parent / "cmdline").read_text():
                found.append(int(stat.parent.name))
    return found


@pytest.mark.slow
def test_a_served_copy_that_is_killed_ends_the_run_which_goes_on_when_run_again(place: Place) -> None:
    """And ends as a run does whose server lived: with one answer at a time llama.cpp draws the same again."""
    own = {**OWN, "share": 1.0, "reuse": 12, "served": {}}
    place.write(train=TRAIN, gates=OFF, on_policy=own)
    child = place.start("run", "recipe.yaml", "--json")
    checkpoints, hit = place.run_folder / "work" / "checkpoints", False
    deadline = time.monotonic() + 120
    while child.poll() is None and time.monotonic() < deadline:
        later = any(checkpoints.glob("step-*"))
        for server in children(child.pid, "inbond.edge.serving") if later else ():
            os.kill(server, signal.SIGKILL)
            hit = True
        time.sleep(0.005)
    said, _ = child.communicate()
    assert hit
    assert child.returncode == 2
    error = json.loads(said)["error"]
    assert "its process ended with signal SIGKILL" in error["found"]
    assert list(checkpoints.glob("step-*")), "what was learnt is kept"
    assert not (place.run_folder / "work" / "served").exists()
    place.inbond("run", "recipe.yaml")
    curve = json.loads((place.run_folder / "trained" / "curve.json").read_bytes())
    place.inbond("run", "recipe.yaml", "--fresh")
    whole = json.loads((place.run_folder / "trained" / "curve.json").read_bytes())
    assert [point["loss"] for point in curve] == pytest.approx([point["loss"] for point in whole], rel=1e-4)


@pytest.mark.slow
def test_a_student_that_collapses_stops_the_run(place: Place, command: Command) -> None:
    """At this learning rate the tiny student soon says one thing only."""
    stop = {"action": "stop", "entropy_floor": 1.0, "distinct_floor": 1.0, "length_floor": 1.0}
    place.write(train={**TRAIN, "lr": 0.02}, gates=OFF, on_policy={**OWN, "share": 1.0, "collapse": stop})
    error = command("run", "recipe.yaml", code=2)["error"]
    assert error["expected"] == "a student whose own answers stay various"
    assert "in its own samples, where the teacher has" in error["found"]
    assert "on_policy.collapse.action=warn" in error["fix"]


@pytest.mark.parametrize(("changes", "expected"), [
    ({"on_policy": {"objective": "reverse-kl", "reuse": 2}}, "reuse is for objective: policy-gradient"),
    ({"on_policy": {"served": {"host": "localhost:9"}}}, "served.host and served.folder belong together"),
    ({"on_policy": {"served": {"folder": "x"}}}, "served.host and served.folder belong together"),
    (
        {"on_policy": {"objective": "divergence"}, "train": {"kl": 0, "ce": 1}},
        "on_policy.objective: divergence needs a divergence in train",
    ),
    ({"on_policy": {}, "train": {"dpo": {}}}, "on_policy and train.dpo exclude each other"),
    ({"on_policy": {}, "prompts": {"items": ["a"], "context": "b"}}, "on_policy and a context of prompts"),
])  # fmt: skip
def test_what_cannot_be_is_refused(
    place: Place, command: Command, changes: dict[str, Any], expected: str
) -> None:
    place.write(**changes)
    assert expected in command("run", "recipe.yaml", code=2)["error"]["expected"]


def test_a_teacher_behind_an_api_cannot_be_asked_about_every_token(place: Place, command: Command) -> None:
    place.write(
        teacher="api:localhost:9/m", on_policy={}, train={"kl": 0, "ce": 1},
        student={"init": "model", "base": "path:teacher"}, purpose={"use": "research", "release": "none"},
    )  # fmt: skip
    error = command("run", "recipe.yaml", "--accept", "a test", code=2)["error"]
    assert error["found"] == "on_policy with only the API of api:localhost:9/m at hand"
    assert error["fix"] == "remove on_policy, or name a teacher by its weights"
