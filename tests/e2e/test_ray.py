"""A run over a real Ray cluster of two workers is one machine's, byte for byte, whoever is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inbond.cli.main import run as inbond
from inbond.digest import of_file
from inbond.engine import filters
from inbond.engine.filters import FilterConfig
from inbond.errors import InputError, MissingExtraError
from inbond.ledger.records import Row
from inbond.recipes import ray_cluster
from inbond.recipes.ray_cluster import spread_over
from inbond.spread import HERE
from inbond.types import Origin, Record
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[2]
ORIGIN = Origin("path:t", "self-hosted", "author", {}, None)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'inbond\[scale\]'"), spread_over("local:2"):
        pass
    with spread_over(None) as spread:
        assert spread is HERE


@pytest.mark.parametrize("address", ["local", "local:", "local:0", "local:x"])
def test_a_number_of_workers_is_a_number(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda _: object())
    with pytest.raises(InputError, match="as in local:2"), spread_over(address):
        pass


class Backwards:
    """Does the parts out of order and gives them in order, as other processes may."""

    here = False

    def map(self, function: Any, parts: Any) -> Any:
        """See Spread."""
        found = list(parts)
        done = {number: function(found[number]) for number in reversed(range(len(found)))}
        return (done[number] for number in range(len(found)))


def test_filters_say_the_same_wherever_rows_are_tested() -> None:
    texts = [
        "a river is water",
        "",
        "a river is water",
        "I cannot help with that.",
        "call me: bob@example.com",
    ]
    rows = [Row(Record("define", f"{texts[n % 5]} {n // 40}"), ORIGIN, finish="stop") for n in range(700)]
    candidates = [filters.Candidate(row) for row in rows]
    config = FilterConfig()
    assert filters.apply(candidates, config, Backwards()) == filters.apply(candidates, config)


def environment() -> dict[str, str]:
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


@pytest.mark.slow
def test_killed_workers_cost_nothing_and_shards_are_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    save_tiny(tmp_path / "teacher")
    done = subprocess.run(
        [sys.executable, "-m", "tests.ray_parts", str(tmp_path)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["died"] == [True, True]
    assert found["doubled"] == [2 * number for number in range(40)]
    assert found["error"] == {"expected": "no three", "found": "3", "fix": "leave it out"}
    assert len(found["here"]) == 5
    assert found["ray"] == found["killed"] == found["here"]


@pytest.mark.slow
def test_a_run_over_two_workers_is_the_run_of_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "teacher", padding=5)
    recipe = {
        "name": "tiny", "teacher": "path:teacher",
        "prompts": {"items": [f"define the word {w}" for w in ("river", "stone", "sun", "川", "sea")]},
        "generate": {"max_tokens": 8, "samples": 3}, "held_out": 0.3,
        "filters": {"truncated": False, "near_duplicates": None},
        "capture": {"k": 16, "shard": 4}, "student": {"layers": 2, "probe": 2},
        "train": {"epochs": 1, "warmup_steps": 1},
        "gates": {gate: {"action": "off"} for gate in ("diversity", "generality", "capacity")},
        "evaluate": {"samples": 0},
    }  # fmt: skip
    (tmp_path / "recipe.json").write_text(json.dumps(recipe), "utf-8")
    line = "from inbond.cli.main import main; main()"
    for home, more in {"one": [], "two": ["--ray", "local:2"]}.items():
        done = subprocess.run(
            [sys.executable, "-c", line, "run", "recipe.json", "--home", home, "--json", *more],
            env=environment(), capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    one, two = (tmp_path / home / "runs" / "tiny" for home in ("one", "two"))
    folders = ("data", "targets", "trained")
    made = [path for folder in folders for path in (one / folder).rglob("*") if path.is_file()]
    timed = ("manifest.json", "curve.json")  # which say how long it took
    same = [path.relative_to(one) for path in made if path.name not in timed]
    assert any(path.name == "targets-00002.shard" for path in same)
    assert any(path.name == "model.safetensors" for path in same)
    assert [of_file(one / path) for path in same] == [of_file(two / path) for path in same]
    assert inbond(["verify", "--home", "two"]) == 0, capsys.readouterr()
