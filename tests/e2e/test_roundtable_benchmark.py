"""benchmarks/roundtable.py as people run it, small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.slow


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The benchmark in a process of its own."""
    command = [sys.executable, str(FOLDER / "roundtable.py"), "--small", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code, done.stderr[-3000:]
    return done


def test_worlds_whose_truth_is_known(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    said = run("--part", "world", "--world-items", 6, "--out", out).stdout
    found: dict[str, Any] = json.loads(out.read_text())["world"]
    assert found["problems"] == []
    assert len(found["cells"]) == 8
    assert "check passed: 48 sessions" in said
    assert "second vote against first vote: won in" in said
    for cell in found["cells"]:
        assert set(cell["ways"]) == {"best single", "self-consistency", "first vote", "second vote"}
        panel, draws = cell["ways"]["second vote"], cell["ways"]["self-consistency"]
        assert draws["tokens_an_item"] == pytest.approx(panel["tokens_an_item"], rel=0.35)
        assert panel["usd_an_item"] > cell["ways"]["first vote"]["usd_an_item"] * 0.99 > 0


def test_overhead_page_and_judging() -> None:
    found = json.loads(run("--part", "overhead", "page", "judge", "--json").stdout)
    assert set(found) == {"overhead", "page", "judge"}
    assert found["overhead"]["over_http"]["median_ms"] > 0
    assert all(20_000 < size < found["page"]["goal_bytes"] for size in found["page"]["bytes"].values())
    judged = found["judge"]
    assert judged["problems"] == []
    assert judged["killed_after"]["questions"] < judged["questions"]
    assert judged["rest"]["asked"] < judged["questions"]
    assert judged["chosen"] == {"a": 40}


def test_a_seat_that_cannot_be_is_told_of(tmp_path: Path) -> None:
    done = run("--part", "embedded", "--seat", "Ada=gguf:none.gguf", "--out", tmp_path / "x", code=2)
    assert "none.gguf" in done.stderr
    assert not (tmp_path / "x").exists()
