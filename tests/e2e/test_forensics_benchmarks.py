"""The benchmarks of forensic tests, on tiny models: marks are found where they are, and nowhere else, nothing
is done twice, and what is reckoned agrees with what can be counted."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SIZES = "--small", "--records", 100, "--held-out", 24, "--tokens", 16, "--epochs", 25
MODULES = (
    "forensics_calibration", "forensics_other", "forensics_power", "forensics_reading", "forensics_students",
    "forensics_suite", "forensics_world", "on_policy", "plot", "setting",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the students are kept: made once for all of these tests."""
    return tmp_path_factory.mktemp("forensics")


def run(folder: Path, script: str, *arguments: object, fails: bool = False) -> str:
    """What a benchmark prints; its stderr where it ``fails``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, str(FOLDER / script), *map(str, (*SIZES, *arguments))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode != 0) == fails, done.stderr[-3000:]
    return done.stderr if fails else done.stdout


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()][1:]


@pytest.mark.slow
def test_students_of_marked_text_are_found_and_no_others(folder: Path) -> None:
    out = folder / "both.jsonl"
    text = run(folder, "forensics_suite.py", "--texts", 24, "--out", out)
    by = {one["arm"]: one for one in lines(out)}
    assert len(by) == 11 * 7
    assert "goal met: nothing is found that is not there" in text
    assert by["marked-100: open, with records"]["outcome"] == "consistent-with"
    assert by["unmarked: open, with records"]["log10_p"] > -3
    assert by["unmarked: open, with records"]["pairs"] == by["marked-100: open, with records"]["pairs"]
    assert by["pruned: weights of the teacher"]["outcome"] == "consistent-with"
    assert by["unrelated: weights of the teacher"]["log10_p"] > -3
    assert by["unmarked: learnt the records"]["outcome"] == "consistent-with"
    assert by["unmarked: did not learn them"]["log10_p"] > -1
    table = text[text.rindex("| student |") :]
    again = run(folder, "forensics_suite.py", "--texts", 24, "--out", out)
    assert again == table, "nothing is done again"
    other = run(folder, "forensics_suite.py", "--texts", 25, "--out", out, fails=True)
    assert "fix: name another file with --out" in other


@pytest.mark.slow
def test_power_is_told_by_share_tokens_and_access(folder: Path) -> None:
    out, picture = folder / "both.jsonl", folder / "power.svg"
    text = run(folder, "forensics_power.py", "--texts", 24, "--out", out, "--picture", picture)
    found = [one for one in lines(out) if "parts" in one]
    assert len({one["arm"] for one in found}) == len(found) >= 7 * 4
    for one in found:
        sizes = [pairs for pairs, _ in one["parts"]] + [one["pairs"]]
        assert sizes == sorted(sizes)
        assert one["green"] <= one["pairs"]
    reckoned = text[text.index("chance of p < 1e-5") :]
    row = next(line for line in reckoned.splitlines() if "| marked-100 | open, with records |" in line)
    chances = [float(cell) for cell in row.split("|")[3:8]]
    assert chances == sorted(chances), "more pairs, more chance"
    assert chances[-1] == 1
    assert "| unmarked | open, with records |" in text
    assert "| unmarked |" not in reckoned
    told = str(ElementTree.fromstring(picture.read_text())[1].text)
    assert re.search(r"100% marked, open: [^;]*, 1 at 10k", told), told
    head = run(folder, "forensics_power.py", "--headline")
    assert "marked-5, seed 0: 25,120 parameters, 5 marked records of 100; " in head
    assert head.count("goal ") == 2
    assert "goal met: under 5 minutes of CPU" in head


@pytest.mark.slow
def test_p_values_without_a_mark_are_tabled_and_drawn(folder: Path) -> None:
    out, picture = folder / "calibration.jsonl", folder / "calibration.svg"
    options = "--texts", 24, "--keys", 20, "--strangers", 2, "--out", out
    text = run(folder, "forensics_calibration.py", *options, "--picture", picture)
    assert len(lines(out)) == 4 * 20 + 2 * 4
    assert text.count("goal met: ") == 1
    for arm in ("unmarked, open", "other key, closed", "strangers, open, with records"):
        assert f"| {arm} | " in text
    known = [one for one in lines(out) if one["arm"] == "strangers, open, with records"]
    assert all(one["pairs"] > 100 for one in known)
    ElementTree.fromstring(picture.read_text())


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules, as their scripts import them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import forensics_calibration
    import forensics_power

    yield SimpleNamespace(calibration=forensics_calibration, power=forensics_power)
    for name in MODULES:
        sys.modules.pop(name, None)


def law(pairs: int, share: float) -> list[float]:
    return [math.comb(pairs, n) * share**n * (1 - share) ** (pairs - n) for n in range(pairs + 1)]


@pytest.mark.parametrize(("pairs", "green"), [(40, 30), (60, 30), (60, 18), (9, 9), (9, 0)])
def test_power_is_the_chance_of_enough_green(benchmarks: Any, pairs: int, green: int) -> None:
    null, found = law(pairs, 0.25), law(pairs, green / pairs)
    wanted = math.fsum(found[n] for n in range(pairs + 1) if math.fsum(null[n:]) < 1e-5)
    told = benchmarks.power.power(benchmarks.power.Tally(pairs, green), pairs, 0.25)
    assert told == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("pairs", [1, 7, 60])
def test_the_randomised_p_is_even_and_the_plain_one_is_never_too_small(benchmarks: Any, pairs: int) -> None:
    calibration, weights = benchmarks.calibration, law(pairs, 0.25)
    tests = [{"pairs": pairs, "green": green} for green in range(pairs + 1)]
    for alpha in (0.01, 0.05, 0.3, 0.9):
        share = 0.0
        for chance, one in zip(weights, tests, strict=True):
            low, high = (calibration.randomised(one, 0.25, u) for u in (0.0, 1.0))
            share += chance * min(1.0, max(0.0, (alpha - low) / (high - low)))
            assert high == pytest.approx(calibration.p_of(one, 0.25))
        assert share == pytest.approx(alpha, abs=1e-9)
    small = math.fsum(c for c, one in zip(weights, tests, strict=True) if calibration.p_of(one, 0.25) < 0.05)
    assert calibration.attained(pairs, 0.25) == pytest.approx(small, abs=1e-12)
    assert small <= 0.05


def test_distance_and_excess_are_those_of_the_steps(benchmarks: Any) -> None:
    import numpy as np

    calibration = benchmarks.calibration
    assert calibration.excess(np.array([0.5])) == pytest.approx(0.5)
    assert calibration.excess(np.array([0.9, 0.9])) == pytest.approx(0.1)
    assert calibration.distance(np.array([0.9, 0.9])) == pytest.approx(0.9)
    assert calibration.distance((np.arange(100) + 0.5) / 100) == pytest.approx(0.005)
