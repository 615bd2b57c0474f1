"""The benchmark of own answers, on a tiny model: it runs, compares, judges, and does nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "on_policy.py"
ARMS = ("off-policy", "off-policy-reverse", "off-policy-longer", "on-policy")


def run(out: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    sizes = "--records", 32, "--held-out", 8, "--epochs", 1, "--tokens", 8
    command = [sys.executable, SCRIPT, "--small", *sizes, "--out", out, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.slow
def test_arms_are_compared_at_equal_tokens_and_done_once(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    first = run(out, "--seed", 0)
    assert first.returncode == 0, first.stderr[-2000:]
    lines = [json.loads(line) for line in out.read_text().splitlines()][1:]
    by_arm = {one["arm"]: one for one in lines}
    assert [one["arm"] for one in lines] == ["teacher", "start", *ARMS]
    assert by_arm["on-policy"]["tokens"] <= by_arm["off-policy"]["tokens"], "never learns from more"
    assert by_arm["on-policy"]["steps"] == by_arm["off-policy"]["steps"]
    assert by_arm["off-policy"]["teraflop"] < by_arm["on-policy"]["teraflop"]
    assert by_arm["off-policy-longer"]["teraflop"] <= 1.3 * by_arm["on-policy"]["teraflop"]
    told = [line for line in first.stdout.splitlines() if line.startswith("verdict at ")]
    assert len(told) == 2
    assert "on-policy beside off-policy, 1 seeds: " in told[0]
    again = run(out, "--seed", 0)
    assert [line for line in again.stdout.splitlines() if line.startswith("verdict at ")] == told
    assert len(out.read_text().splitlines()) == len(lines) + 1, "nothing is made again"
    other = run(out, "--seed", 0, "--tokens", 9)
    assert other.returncode == 1
    assert "fix: name another file with --out" in other.stderr
